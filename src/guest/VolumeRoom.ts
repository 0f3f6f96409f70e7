/** The volume of a guest as its agent sees it, as a port: whether it is there, how large it is, and how full. */
import type { Effect } from "effect"
import type { RuntimeError } from "./DatabaseRuntime.ts"

/** In bytes. */
export interface VolumeStats {
  readonly total: number
  /** All that nobody else can have: also what the file system takes for itself. */
  readonly used: number
}

export interface VolumeRoom {
  /** Why its size is no limit here, for the tenant; null where it is one. */
  readonly unlimited: string | null
  /** It is there after this. A server that is started without it would begin anew, in an empty folder. */
  readonly ready: Effect.Effect<void, RuntimeError>
  /** What was ordered, in GB, as of now: it can grow. */
  readonly size: Effect.Effect<number>
  /** Null where its size is no limit, and where it cannot be measured. */
  readonly stats: Effect.Effect<VolumeStats | null>
}
