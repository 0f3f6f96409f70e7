/**
 * What lies beside a server's data while another version is tried on it, as a part of the port `DatabaseRuntime`. Nothing
 * works on the data meanwhile; every method ensures.
 */
import type { Effect } from "effect"
import type { DatabaseSpec, RuntimeError } from "./DatabaseRuntime.ts"

export interface KeptData {
  /** In bytes: what a copy of the data takes at the most, and what the volume has for it. */
  readonly room: (spec: DatabaseSpec) => Effect.Effect<{ readonly needed: number; readonly free: number }, RuntimeError>
  /** The data is a copy, which is on the disk; what the server has worked on lies beside it. */
  readonly keep: (spec: DatabaseSpec) => Effect.Effect<void, RuntimeError>
  /** What lies beside it is the data again, and the copy is gone. Where nothing does, the data stays what it is. */
  readonly putBack: (spec: DatabaseSpec) => Effect.Effect<void, RuntimeError>
  /** Nothing lies beside the data any more. */
  readonly forget: (spec: DatabaseSpec) => Effect.Effect<void, RuntimeError>
}
