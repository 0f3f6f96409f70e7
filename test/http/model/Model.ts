/**
 * What the API is, as small as can be: instances with their phase, quotas that are sums, and what each database holds.
 * Shares no code with what it is compared to.
 */
import { expect } from "@effect/vitest"
import type { Which } from "./Commands.ts"

/** Where an instance is in its life. Only time leads on from building, restarting and deleting. */
export type Phase = "building" | "active" | "restarting" | "failed" | "deleting" | "gone"

export interface User {
  password: string
  readonly grants: Set<string>
}

export interface Instance {
  readonly id: string
  readonly project: string
  readonly volume: number
  readonly zone: string | null
  /** In milliseconds. */
  readonly created: number
  name: string
  phase: Phase
  since: number
  readonly databases: Set<string>
  readonly users: Map<string, User>
  /** The password of `root`, while it is enabled. */
  root: string | null
}

/** What is answered: `body` is matched, null is none at all. */
export interface Expected {
  readonly status: number
  readonly body: unknown
}

const memory = 512
const resources = ["instances", "ram", "volumes", "backups"] as const
type Resource = (typeof resources)[number]

const shownAs: Record<Exclude<Phase, "gone">, readonly [string, string]> = {
  building: ["BUILD", ""],
  active: ["ACTIVE", "HEALTHY"],
  restarting: ["REBOOT", ""],
  failed: ["ERROR", ""],
  deleting: ["SHUTDOWN", ""]
}

/** Names as servers sort them. */
export const inOrder = (names: Iterable<string>) =>
  [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

export const accepted: Expected = { status: 202, body: null }
const refused =
  (status: number, fault: string) =>
  (message: unknown): Expected => ({ status, body: { [fault]: { code: status, message } } })
export const badRequest = refused(400, "badRequest")
export const forbidden = refused(403, "forbidden")
export const conflict = refused(409, "conflict")
export const unauthorized = refused(401, "unauthorized")
export const notFound = refused(404, "itemNotFound")
export const overLimit = refused(413, "overLimit")
export const unprocessable = refused(422, "unprocessableEntity")
export const saying = (part: string): unknown => expect.stringContaining(part)

const holds = ({ volume }: { readonly volume: number }): Record<Resource, number> => ({
  instances: 1,
  ram: memory,
  volumes: volume,
  backups: 0
})

export class Model {
  /** Every one there ever was, in the order in which they were ordered. */
  readonly instances: Array<Instance> = []
  readonly #limits = new Map<string, Record<Resource, number>>()

  limitsOf(project: string): Record<Resource, number> {
    return this.#limits.get(project) ?? { instances: 10, ram: -1, volumes: 40, backups: 50 }
  }

  setLimits(project: string, limits: Partial<Record<Resource, number>>) {
    this.#limits.set(project, { ...this.limitsOf(project), ...limits })
  }

  /** Those of a project that are there, by id: as pages have them. */
  of(project: string): ReadonlyArray<Instance> {
    return this.instances
      .filter((instance) => instance.project === project && instance.phase !== "gone")
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Of which instance `which` asks; null for one that there never was. */
  find(which: Which): Instance | null {
    if ("never" in which) return null
    const all = "ever" in which ? this.instances : this.instances.filter(({ phase }) => phase !== "gone")
    return all[("ever" in which ? which.ever : which.there) % all.length] ?? null
  }

  /** As `mgmt/quotas` shows it: what was built holds in use, what is not yet built reserves, what is to go holds nothing. */
  quotas(project: string) {
    const sum = (phases: ReadonlyArray<Phase>, resource: Resource) =>
      this.of(project)
        .filter(({ phase }) => phases.includes(phase))
        .reduce((total, instance) => total + holds(instance)[resource], 0)
    return resources.map((resource) => ({
      resource,
      in_use: sum(["active", "restarting"], resource),
      reserved: sum(["building", "failed"], resource),
      limit: this.limitsOf(project)[resource]
    }))
  }

  /** The resources of which one more instance would be too much. */
  exceeded(project: string, volume: number): ReadonlyArray<string> {
    const wanted = holds({ volume })
    return this.quotas(project).flatMap(({ in_use, limit, reserved, resource }) =>
      limit !== -1 && wanted[resource] > 0 && in_use + reserved + wanted[resource] > limit ? [resource] : []
    )
  }
}

const linksTo = (project: string, to: string) => [
  { href: `https://localhost/v1.0/${project}/${to}`, rel: "self" },
  { href: `https://localhost/${to}`, rel: "bookmark" }
]

/** What its tenant sees of an instance in lists. */
export const listed = ({ id, name, phase, project, volume }: Instance) => {
  const [status, operating_status] = phase === "gone" ? [] : shownAs[phase]
  return {
    id,
    name,
    status,
    operating_status,
    links: linksTo(project, `instances/${id}`),
    flavor: { id: "1", links: linksTo(project, "flavors/1") },
    datastore: { type: "postgresql", version: "18" },
    region: "RegionOne",
    volume: { size: volume }
  }
}

/** And what its tenant sees of it by itself. */
export const detailed = (instance: Instance) => ({
  ...listed(instance),
  ...(instance.phase === "failed" ? { fault: { message: saying("."), details: null } } : {}),
  ...(instance.zone === null ? {} : { availability_zone: instance.zone }),
  datastore: { type: "postgresql", version: "18", version_number: "18" },
  created: new Date(instance.created).toISOString().slice(0, 19)
})
