/** What tenants ordered, in memory: the part of MemoryStore that is the twin of PgInstances. */
import { Clock, Effect, Option } from "effect"
import { noFailures } from "../../actors/Lifecycles.ts"
import type { ProjectId } from "../../services/Ids.ts"
import { type InstanceRecord, Instances, type PageWanted, QuotaExceeded } from "../../services/Instances.ts"
import { nextKind } from "../../services/MailKeys.ts"
import type { Placement } from "../../services/Placements.ts"
import { amountOf, exceededBy, type Usage } from "../../services/Quotas.ts"
import { isInService, shownState } from "../../services/Status.ts"
import type { MemoryGroups } from "./MemoryConfigurations.ts"
import { asked, has, isAsked, type MemoryRows, type Rows } from "./MemoryRows.ts"

/** What the rest of the store keeps. */
interface Beside {
  readonly places: ReadonlyMap<string, Placement>
  readonly groups: MemoryGroups
  readonly usage: (project: ProjectId) => ReadonlyArray<Usage>
}

export const makeMemoryInstances = ({ change, letter, rows }: MemoryRows, { groups, places, usage }: Beside) => {
  const live = (id: string) => Option.filter(Option.fromNullishOr(rows.get(id)), (row) => row.state._tag !== "Deleted")

  const toRecord = (row: Rows): InstanceRecord => ({
    desired: row.desired,
    state: shownState(
      row.state._tag,
      {
        delete: row.deleteRequested,
        now: (row.state._tag === "Failed" ? asked(row, "delete") : null) ?? asked(row, nextKind),
        configure: has(row, "configure"),
        resize: has(row, "resize")
      },
      {
        restartRequired: "restartRequired" in row.state && row.state.restartRequired === true,
        restart: "restart" in row.state && row.state.restart === true,
        rebuild: "rebuild" in row.state && row.state.rebuild === true,
        stop: "stop" in row.state && row.state.stop === true,
        resize: "resize" in row.state
      }
    ),
    fault: row.state._tag === "Failed" ? row.state.fault : null,
    stateSince: row.since,
    observed: row.observed === null ? null : { status: row.observed.status, heartbeatAt: row.observed.heartbeatAt },
    address: places.get(row.desired.id)?.address ?? null,
    configuration: groups.shown(row.desired.id)
  })

  const pageOf = (project: ProjectId, { limit, marker }: PageWanted) => {
    const after = [...rows.values()]
      .filter((row) => row.desired.project === project && row.state._tag !== "Deleted")
      .filter((row) => row.desired.id > (marker ?? ""))
      .sort((a, b) => (a.desired.id < b.desired.id ? -1 : 1))
    const items = after.slice(0, limit).map(toRecord)
    return { items, next: after.length > limit ? (items.at(-1)?.desired.id ?? null) : null }
  }

  const instances = Instances.of({
    create: (desired, provisioning, configuration = null) =>
      Effect.suspend(() => {
        const exceeded = exceededBy(usage(desired.project), amountOf(desired))
        if (exceeded.length > 0) return Effect.fail(new QuotaExceeded({ resources: exceeded }))
        const row: Rows = {
          desired,
          deleteRequested: false,
          state: { _tag: "New" },
          since: desired.created,
          generation: 0,
          failures: noFailures,
          mailbox: [],
          observed: null,
          noted: new Map(),
          backups: new Map(),
          history: [],
          hold: "reserved",
          more: null,
          provisioning,
          root: null
        }
        rows.set(desired.id, row)
        if (configuration !== null) groups.attachNew(desired.id, configuration)
        letter(row, "create", { _tag: "Create" }, desired.created)
        return Effect.void
      }),
    requestDelete: Effect.fnUntraced(function* (id) {
      const now = yield* Clock.currentTimeMillis
      yield* change(id, (row) => {
        if (row.state._tag === "Deleting" || row.state._tag === "Deleted") return
        row.deleteRequested = true
        groups.detach(id)
        row.hold = null
        row.more = null
        row.desired = { ...row.desired, updated: now }
        letter(row, `delete:${row.generation}`, { _tag: "Delete" }, now)
      })
    }),
    requestRestart: Effect.fnUntraced(function* (id) {
      const now = yield* Clock.currentTimeMillis
      const row = rows.get(id)
      if (row === undefined || isAsked(row) || !isInService(toRecord(row).state)) return false
      row.desired = { ...row.desired, updated: now }
      letter(row, `${nextKind}:${row.generation}`, { _tag: "Restart" }, now)
      return true
    }),
    rename: Effect.fnUntraced(function* (id, name) {
      const updated = yield* Clock.currentTimeMillis
      yield* change(id, (row) => {
        row.desired = { ...row.desired, name, updated }
      })
    }),
    get: (scope, id) =>
      Effect.sync(() =>
        live(id).pipe(
          Option.filter((row) => scope === "any" || row.desired.project === scope.project),
          Option.map(toRecord)
        )
      ),
    list: (project, wanted) => Effect.sync(() => ({ ...pageOf(project, wanted), offer: 0 })),
    listDetail: (project, wanted) => Effect.sync(() => pageOf(project, wanted)),
    setRootEnabled: Effect.fnUntraced(function* (id, enabled, by) {
      const at = yield* Clock.currentTimeMillis
      yield* change(id, (row) => {
        row.root = { enabled, at, by }
      })
    }),
    rootEnabled: (id) =>
      Effect.sync(() => {
        const root = rows.get(id)?.root ?? null
        return root === null ? "never" : root.enabled ? "enabled" : "disabled"
      })
  })

  return { instances, toRecord }
}
