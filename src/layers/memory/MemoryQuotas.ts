/** What projects hold and may hold, in memory: the twin of the quotas of PgInstances. */
import { Effect } from "effect"
import type { ProjectId } from "../../services/Ids.ts"
import type { Resource } from "../../services/Instances.ts"
import { amountOf, defaultLimits, Quotas, resources, type Usage } from "../../services/Quotas.ts"
import type { MemoryRows, Rows } from "./MemoryRows.ts"

export const makeMemoryQuotas = ({ all, change }: MemoryRows) => {
  const limits = new Map<string, Partial<Record<Resource, number>>>()

  const usage = (project: ProjectId): ReadonlyArray<Usage> => {
    const mine = all().filter((row) => row.desired.project === project)
    const held = (resource: Resource, hold: Rows["hold"]) =>
      mine.filter((row) => row.hold === hold).reduce((sum, row) => sum + amountOf(row.desired)[resource], 0)
    const more = (resource: Resource) =>
      resource === "ram" || resource === "volumes"
        ? mine.reduce((sum, row) => sum + (row.more === null ? 0 : row.more[resource]), 0)
        : 0
    return resources.map((resource) => ({
      resource,
      inUse: held(resource, "committed"),
      reserved: held(resource, "reserved") + more(resource),
      limit: limits.get(project)?.[resource] ?? defaultLimits[resource]
    }))
  }

  const quotas = Quotas.of({
    usage: (project) => Effect.sync(() => usage(project)),
    setLimits: (project, changed) =>
      Effect.sync(() => {
        limits.set(project, { ...limits.get(project), ...changed })
      }),
    release: (id) =>
      change(id, (row) => {
        row.hold = null
        row.more = null
      })
  })

  return { quotas, usage }
}
