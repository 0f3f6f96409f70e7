/**
 * What a guest must remember across its own death, as a port: the order it was given until it is carried out,
 * how far it has come, which stamps it has told, and the administrator's password of its server. Never leaves the
 * guest's host. A disk that takes nothing is told by whoever writes; one that cannot be read is the end of the guest.
 */
import { Context, type Effect, type Option, type Redacted, Schema } from "effect"
import { Values } from "../services/configuration/Parameter.ts"
import type { DiskError } from "../services/Disk.ts"
import type { Provisioning } from "../services/Provisioning.ts"

/** `ready`: the order is carried out, and the guest keeps its database running from now on; `stopped`: it keeps it down. */
export const Phase = Schema.Literals(["new", "preparing", "ready", "stopped", "failed"])
export type Phase = typeof Phase.Type

/** Settings that the server is started with beside its flavor's: those that are wanted, and those it last came up with. */
export const Overrides = Schema.Struct({ wanted: Values, good: Values })
export type Overrides = typeof Overrides.Type

export const noOverrides: Overrides = { wanted: {}, good: {} }

/** What a server is started by. */
export const Program = Schema.Struct({ version: Schema.String, image: Schema.String })
export type Program = typeof Program.Type

/** Which program works on the data: what an upgrade turns on, switched by one write. */
export const Release = Schema.Struct({
  /** Null: the one that the home was made with. */
  serves: Schema.NullOr(Program),
  /** An upgrade tries another one on a copy. Until that is over, the data is what lies beside the copy. */
  trying: Schema.NullOr(Schema.Struct({ operation: Schema.String })),
  /** What `serves` was upgraded from lies there still. */
  kept: Schema.Boolean,
  /** How the last upgrade ended; `reason`: why it went back, null where it did not. */
  ended: Schema.NullOr(Schema.Struct({ operation: Schema.String, reason: Schema.NullOr(Schema.String) }))
})
export type Release = typeof Release.Type

export const firstRelease: Release = { serves: null, trying: null, kept: false, ended: null }

/** By name: whether the log is switched on, and how far it is published. */
export const Logs = Schema.Record(
  Schema.String,
  Schema.Struct({ on: Schema.Boolean, published: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) })
)
export type Logs = typeof Logs.Type

export class GuestNotes extends Context.Service<
  GuestNotes,
  {
    readonly phase: Effect.Effect<Phase>
    readonly setPhase: (phase: Phase) => Effect.Effect<void, DiskError>
    /** Kept until the phase is `ready` or `failed`, then gone. */
    readonly order: Effect.Effect<Option.Option<Provisioning>>
    readonly keepOrder: (order: Provisioning) => Effect.Effect<void, DiskError>
    readonly overrides: Effect.Effect<Overrides>
    readonly keepOverrides: (overrides: Overrides) => Effect.Effect<void, DiskError>
    readonly release: Effect.Effect<Release>
    readonly keepRelease: (release: Release) => Effect.Effect<void, DiskError>
    /** The networks whose clients reach the server; none: everybody does. */
    readonly access: Effect.Effect<ReadonlyArray<string>>
    readonly keepAccess: (networks: ReadonlyArray<string>) => Effect.Effect<void, DiskError>
    readonly logs: Effect.Effect<Logs>
    readonly keepLogs: (logs: Logs) => Effect.Effect<void, DiskError>
    /** No report bears a later stamp than this, in seconds since the epoch; 0 before the first. */
    readonly stamp: Effect.Effect<number>
    readonly reserveStamps: (upTo: number) => Effect.Effect<void, DiskError>
    /** Drawn once, and the same ever after. */
    readonly adminPassword: Effect.Effect<Redacted.Redacted, DiskError>
  }
>()("coffer/guest/GuestNotes") {}
