/**
 * What an audit decides: what there is, everywhere, against what the records say, so that nothing is left that no
 * record owns, and no record claims what is not there. Pure; it looks at nothing itself, and changes nothing.
 *
 * Backups will be one more kind of resource, with a place of its own to be looked at.
 */
import { Duration, Effect, Schema } from "effect"
import { InstanceId, Millis, type OperationId } from "./Ids.ts"
import { StoredState } from "./Status.ts"

/**
 * What an instance can have on a machine: its folder with its volume, processes and containers of its server; or a
 * server that a program of the operator made, whatever that is. All of them hold data, or serve it.
 */
export const ServerPart = Schema.Literals(["home", "process", "container", "server"])
export type ServerPart = typeof ServerPart.Type

/** What its guest can have at the broker, and the key that goes with it. */
export const AccessPart = Schema.Literals(["login", "queue", "key"])
export type AccessPart = typeof AccessPart.Type

/** What the store can hold for it beside its record. */
export const StorePart = Schema.Literals(["address", "provisioning", "observation", "hold"])
export type StorePart = typeof StorePart.Type

/** What the workflow engine keeps of an operation that has not ended. */
export const JournalPart = Schema.Literals(["journal"])
export type JournalPart = typeof JournalPart.Type

export const Resource = Schema.Literals([
  ...ServerPart.literals,
  ...AccessPart.literals,
  ...StorePart.literals,
  ...JournalPart.literals
])
export type Resource = typeof Resource.Type

/** One thing that is there. */
export interface Found {
  readonly resource: Resource
  readonly instance: InstanceId
  /** Since when; null where nobody knows. */
  readonly since: Millis | null
  /** Of a journal: which operation's it is. */
  readonly operation?: OperationId
}

/** A place that was looked at: what it could hold, and what it holds. */
export interface Look {
  readonly place: string
  /** The guest host that the place is; null where it is none. */
  readonly host: string | null
  readonly covers: ReadonlyArray<Resource>
  readonly found: ReadonlyArray<Found>
}

/** A place that could not be looked at: of it nothing is known. */
export const Unseen = Schema.Struct({ place: Schema.String, reason: Schema.String })
export type Unseen = typeof Unseen.Type

/** An instance as far as an audit must know it. */
export interface AuditRecord {
  readonly instance: InstanceId
  readonly state: StoredState
  /** When it came into this state. */
  readonly since: Millis
  /** An operation is under way or has yet to come to its end, or a command waits. */
  readonly isMoving: boolean
  readonly deleteRequested: boolean
  /**
   * In ERROR, and something of it may be there: its history tells of what could not be taken back, or it was struck by a
   * defect of ours, and its database serves on. That goes with its delete.
   */
  readonly leftBehind: boolean
  /** Where it lives; null where it has no place. */
  readonly host: string | null
  /** The operations that its state waits for. */
  readonly operations: ReadonlyArray<OperationId>
}

/** What was seen at once: first the places, then the records, so that what is made meanwhile has one. */
export interface Sight {
  /** When the look began. */
  readonly at: Millis
  readonly looks: ReadonlyArray<Look>
  readonly unseen: ReadonlyArray<Unseen>
  /** By instance. */
  readonly records: ReadonlyMap<string, AuditRecord>
}

export const Finding = Schema.Struct({
  /** `orphan`: a resource that no record owns. `missing`: a record whose resource is not there. */
  finding: Schema.Literals(["orphan", "missing"]),
  resource: Resource,
  place: Schema.String,
  /** The guest host that it is about; null where it is about none. */
  host: Schema.NullOr(Schema.String),
  instance: InstanceId,
  /** Null where no record is left of the instance. */
  state: Schema.NullOr(StoredState),
  /** Null where nobody knows. */
  since: Schema.NullOr(Millis),
  /** What a fix does, in words; null where nothing can be done but by the operator. */
  remedy: Schema.NullOr(Schema.String),
  /** Its remedy removes data that no record says is to go: that is done only where it is asked for by name. */
  holdsData: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
})
export type Finding = typeof Finding.Type

/** How many findings one report tells of; the rest are told of when these are gone. */
export const maxFindings = 1000

export const AuditReport = Schema.Struct({
  at: Millis,
  looked: Schema.Array(Schema.String),
  unseen: Schema.Array(Unseen),
  findings: Schema.Array(
    Schema.Struct({
      ...Finding.fields,
      /** What became of it; `left`: it holds data, and its removal was not asked for. Null where nothing was tried. */
      outcome: Schema.NullOr(Schema.Literals(["done", "failed", "left"])),
      /** Why it failed. */
      detail: Schema.NullOr(Schema.String)
    })
  ),
  /** How many findings there are, told of or not. */
  total: Schema.Int
})
export type AuditReport = typeof AuditReport.Type

/** What an instance has of a resource by its record: it must, it must not, or that is not judged. */
type Holding = "has" | "may" | "none"

const whenActive: Record<Resource, Holding> = {
  home: "has",
  // A server that does not run is its guest's to start, and its health's to show.
  process: "may",
  container: "may",
  server: "has",
  login: "has",
  queue: "has",
  key: "has",
  address: "has",
  // With the order went the passwords in it.
  provisioning: "none",
  observation: "may",
  hold: "has",
  // Judged by its operation.
  journal: "may"
}

/** How long an operation that nobody waits for any more has to see that and come to its end. */
const lastSteps = Duration.toMillis(Duration.minutes(10))

/** Whether somebody waits for what a journal is about, or may until lately have done so. */
const isAwaited = (record: AuditRecord | undefined, { operation }: Found, at: Millis) =>
  record !== undefined &&
  (record.state === "Unknown" ||
    record.since >= at - lastSteps ||
    record.operations.some((awaited) => awaited === operation))

const holds = (record: AuditRecord | undefined, resource: Resource, at: Millis): Holding => {
  if (record === undefined) return "none"
  // What was looked at may be older than the record.
  if (record.since >= at) return "may"
  if (record.state === "Deleted") return "none"
  if (record.isMoving || record.state === "Unknown") return "may"
  if (resource === "hold") return record.deleteRequested ? "none" : "has"
  switch (record.state) {
    case "New":
    case "Building":
    case "Restarting":
    case "Configuring":
    case "Upgrading":
    case "Resizing":
    case "Stopping":
    case "Starting":
    case "Rebuilding":
    case "Deleting":
      return "may"
    case "Active":
    case "Stopped":
      return whenActive[resource]
    // What a build made is taken back, but for its order; of a delete that failed, something may be left, and is its
    // record's.
    case "Failed":
      return record.leftBehind || record.deleteRequested || resource === "provisioning" ? "may" : "none"
  }
}

const isServerPart = Schema.is(ServerPart)
const isAccessPart = Schema.is(AccessPart)

const remedyOf = (finding: Finding["finding"], resource: Resource, host: string | null): string | null => {
  if (finding === "missing") {
    return resource === "login" || resource === "queue" ? "give the guest its login and its queue again" : null
  }
  if (isServerPart(resource)) return `remove the server with its data from ${host}`
  if (isAccessPart(resource)) return "take the guest's access back: its login, its queues, its key"
  switch (resource) {
    case "address":
      return `remove whatever is left of the server on ${host}, then release the address`
    case "provisioning":
      return "forget the order"
    case "observation":
      return "forget what was last heard of the guest"
    case "hold":
      return "release the quota"
    case "journal":
      return "forget what the workflow engine keeps of the operation"
  }
}

/**
 * Whether a remedy removes data that may be wanted. A store that was put back from an older copy knows nothing of what
 * was ordered since, or has it as failed; but what was deleted by then does not come back to life.
 */
const holdsData = (resource: Resource, record: AuditRecord | undefined) =>
  (isServerPart(resource) || resource === "address") && record?.state !== "Deleted"

const byPlace = (one: Finding, other: Finding) =>
  one.instance === other.instance ? 0 : one.instance < other.instance ? -1 : 1

/** What does not agree, in the order of instances. */
export const compare = ({ at, looks, records }: Sight): ReadonlyArray<Finding> => {
  const seen = new Set(
    looks.flatMap(({ found, host }) => found.map(({ instance, resource }) => `${resource}/${instance}/${host}`))
  )
  const isSeen = (resource: Resource, instance: string, host: string | null) =>
    seen.has(`${resource}/${instance}/${host}`)

  /** A server in another place than its instance's. What may be the only copy of a tenant's data is none. */
  const isStray = (record: AuditRecord | undefined, { resource }: Found, host: string | null) =>
    isServerPart(resource) &&
    record?.state === "Active" &&
    !record.isMoving &&
    record.since < at &&
    record.host !== null &&
    record.host !== host &&
    isSeen("home", record.instance, record.host)

  const orphans = looks.flatMap((look) =>
    look.found.flatMap((found): ReadonlyArray<Finding> => {
      const { instance, resource } = found
      const record = records.get(instance)
      const isOwned =
        resource === "journal"
          ? isAwaited(record, found, at)
          : holds(record, resource, at) !== "none" && !isStray(record, found, look.host)
      if (isOwned) return []
      const host = resource === "address" ? (record?.host ?? null) : look.host
      const since = found.since ?? (record?.state === "Deleted" ? record.since : null)
      const remedy = remedyOf("orphan", resource, host)
      return [
        {
          finding: "orphan",
          resource,
          place: look.place,
          host,
          instance,
          state: record?.state ?? null,
          since,
          remedy,
          holdsData: holdsData(resource, record)
        }
      ]
    })
  )

  const missing = looks.flatMap(({ covers, host, place }) =>
    covers.flatMap((resource) =>
      [...records.values()].flatMap((record): ReadonlyArray<Finding> => {
        const { instance, state } = record
        if (isServerPart(resource) && record.host !== host) return []
        if (holds(record, resource, at) !== "has" || isSeen(resource, instance, host)) return []
        const remedy = remedyOf("missing", resource, host)
        return [{ finding: "missing", resource, place, host, instance, state, since: null, remedy, holdsData: false }]
      })
    )
  )
  return [...orphans, ...missing].toSorted(byPlace)
}

const keyOf = ({ finding, instance, place, resource }: Finding) => `${finding}/${resource}/${place}/${instance}`

/** Those that were found both times: what was being made or removed at the first look is not among them. */
export const confirmed = (first: ReadonlyArray<Finding>, second: ReadonlyArray<Finding>): ReadonlyArray<Finding> => {
  const before = new Set(first.map(keyOf))
  return second.filter((finding) => before.has(keyOf(finding)))
}
