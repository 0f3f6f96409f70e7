/**
 * Where local guests live, as a port: one home a guest, named after its instance, with its volume and its
 * notes. Adapters: folders, memory.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { GuestNotes } from "../../guest/GuestNotes.ts"
import type { ServerSpec } from "../../services/Compute.ts"

export interface GuestHome {
  readonly spec: ServerSpec
  /** Which database runtime it was made for; it keeps it for life. */
  readonly runtime: "docker" | "process"
  readonly volume: string
  readonly notes: GuestNotes["Service"]
}

/** A home could not be read, made or removed; `detail` names it, and is for an operator. */
export class GuestHostsError extends Schema.TaggedError<GuestHostsError>()("GuestHostsError", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export class GuestHosts extends Context.Service<
  GuestHosts,
  {
    /** Every home that exists, as after a reboot; one that is damaged is logged and left out. */
    readonly list: Effect.Effect<ReadonlyArray<GuestHome>>
    readonly find: (instanceId: string) => Effect.Effect<Option.Option<GuestHome>, GuestHostsError>
    /** The home of this instance, made if there is none. */
    readonly ensure: (spec: ServerSpec, runtime: GuestHome["runtime"]) => Effect.Effect<GuestHome, GuestHostsError>
    /** The home with everything in it is gone. */
    readonly remove: (instanceId: string) => Effect.Effect<void, GuestHostsError>
  }
>()("coffer/layers/embedded/GuestHosts") {}
