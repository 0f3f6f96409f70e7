/**
 * What an audit looks at, as ports: what machines hold of servers, what the broker holds for guests, and what the
 * store says of instances. They only look; names that are not Coffer's are none of theirs.
 */
import { Context, type Effect } from "effect"
import type { AccessPart, AuditRecord, Found, JournalPart, ServerPart } from "./Audit.ts"
import type { ComputeError } from "./Compute.ts"
import type { GuestAccessError } from "./GuestAccess.ts"
import type { InstanceId, Millis } from "./Ids.ts"

/** What a machine holds of one instance. */
export interface HeldServer {
  readonly instance: InstanceId
  readonly parts: ReadonlyArray<ServerPart>
  /** Since when; null where nobody knows. */
  readonly since: Millis | null
}

export interface HeldServers {
  /** What was looked for. */
  readonly covers: ReadonlyArray<ServerPart>
  /** In the order of instances. */
  readonly servers: ReadonlyArray<HeldServer>
}

export class ServerInventory extends Context.Service<
  ServerInventory,
  {
    /** All that a guest host holds of any instance. Fails where it could not look everywhere. */
    readonly of: (host: string) => Effect.Effect<HeldServers, ComputeError>
  }
>()("coffer/services/ServerInventory") {}

export interface HeldAccess {
  /** What guests have here; empty where they need no access. */
  readonly covers: ReadonlyArray<AccessPart>
  readonly found: ReadonlyArray<Found>
}

export class AccessInventory extends Context.Service<
  AccessInventory,
  {
    /** All that the broker holds for guests, and the keys that there are. */
    readonly all: Effect.Effect<HeldAccess, GuestAccessError>
    /** The guest has its login and queue again, with the link that it was started with; false where it has no key. */
    readonly restore: (id: InstanceId) => Effect.Effect<boolean, GuestAccessError>
  }
>()("coffer/services/AccessInventory") {}

/** An instance, and what the store holds for it beside its record. */
export interface Audited {
  readonly record: AuditRecord
  readonly held: ReadonlyArray<Found>
}

export class JournalInventory extends Context.Service<
  JournalInventory,
  {
    /** What is kept of operations that have not ended; empty `covers` where nothing is kept for longer than a process. */
    readonly open: Effect.Effect<{ readonly covers: ReadonlyArray<JournalPart>; readonly found: ReadonlyArray<Found> }>
    /** Nothing is kept of operations of this instance that have not ended and that its state does not wait for. */
    readonly forget: (id: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/JournalInventory") {}

export class AuditStore extends Context.Service<
  AuditStore,
  {
    /** Every instance that there is a record of, deleted ones as well. */
    readonly all: Effect.Effect<ReadonlyArray<Audited>>
  }
>()("coffer/services/AuditStore") {}
