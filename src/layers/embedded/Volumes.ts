/**
 * The volumes of homes, as a port: a folder `volume` in each home, which holds as much as was ordered, where this machine
 * can see to that. Adapters: a file system in a file (LoopVolume), a plain folder. A home keeps for life the kind that
 * it was made with; `VolumeKinds` finds out which one new homes get.
 */
import { join } from "node:path"
import { Effect, Schema } from "effect"
import type { VolumeRoom } from "../../guest/VolumeRoom.ts"
import type { DiskError } from "../../services/Disk.ts"

export const VolumeKind = Schema.Literals(["xfs", "ext4", "folder"])
export type VolumeKind = typeof VolumeKind.Type

/** A volume could not be made, mounted, grown or let go; `detail` is for an operator. */
export class VolumeError extends Schema.TaggedError<VolumeError>()("VolumeError", { detail: Schema.String }) {
  override get message() {
    return "The volume of the database cannot be used."
  }
}

export const gigabyte = 1024 ** 3

/** The volume of one home. Everything is ensured: done twice, it is done once. */
export interface HomeVolume extends Pick<VolumeRoom, "unlimited" | "stats"> {
  /** It is there, empty, with this size in GB, and mounted: for a home that is being made. */
  readonly make: (size: number) => Effect.Effect<void, VolumeError | DiskError>
  /** It is mounted after this, if it was made. */
  readonly mount: Effect.Effect<void, VolumeError>
  /**
   * It has this size, in GB, or is larger already, while a server goes on working in it; false where nothing can be
   * done for that until the server has stopped.
   */
  readonly grow: (size: number) => Effect.Effect<boolean, VolumeError | DiskError>
  /** The same, while no server works in it. */
  readonly growStopped: (size: number) => Effect.Effect<void, VolumeError | DiskError>
  /** It is not mounted after this; not while something works in it. What it holds stays. */
  readonly unmount: Effect.Effect<void, VolumeError>
}

export const folderOf = (home: string) => join(home, "volume")

/** A folder is as large as the disk below it. */
export const plainFolder = (why: string): HomeVolume => ({
  unlimited: why,
  stats: Effect.succeed(null),
  make: () => Effect.void,
  mount: Effect.void,
  grow: () => Effect.succeed(true),
  growStopped: () => Effect.void,
  unmount: Effect.void
})

export interface VolumesShape {
  /** What new homes get. */
  readonly kind: VolumeKind
  readonly of: (kind: VolumeKind, home: string) => HomeVolume
}
