/**
 * The texts that a database server writes down, as a port of its runtime: bounded, for a tenant can have anything written,
 * and as fast as the disk takes it. Offsets are bytes and go on over everything that is cut off.
 */
import type { Effect } from "effect"
import type { DatabaseSpec, RuntimeError } from "./DatabaseRuntime.ts"

/** How much of a log is kept when it is cut, in bytes. */
export const keptBytes = 16 * 1024 * 1024

/** What there is of a log: from which offset, to which. */
export interface Extent {
  readonly begins: number
  readonly ends: number
}

/** Whose logs they are. */
export type LogOwner = Pick<DatabaseSpec, "instanceId" | "volume">

export interface LogFiles {
  /** Null where the server does not write it before its next start, as one that an earlier release has started. */
  readonly extent: (owner: LogOwner, log: string) => Effect.Effect<Extent | null, RuntimeError>
  /** Whether more is there than is to be kept, twice at the most: it is to be cut. Asked all the time. */
  readonly isLarge: (owner: LogOwner, log: string) => Effect.Effect<boolean>
  /** What lies at `offset`, `most` bytes at the most: nothing where it lies beyond the extent. */
  readonly read: (owner: LogOwner, log: string, offset: number, most: number) => Effect.Effect<Uint8Array, RuntimeError>
  /**
   * What lies before `offset` is gone after this, and of the rest all but the last `keptBytes`. What the server writes in
   * the moment of the cut may be lost. On a disk without room for the rest, all of it is gone.
   */
  readonly cut: (owner: LogOwner, log: string, offset: number) => Effect.Effect<void, RuntimeError>
}
