/**
 * Where local guests live, as a port: one home a guest, named after its instance, with its volume, its notes and
 * its way into the fabric: all that its agent needs to be started again. Adapters: folders, memory.
 */
import { Context, type Effect, type Option, Redacted, Schema } from "effect"
import type { GuestNotes } from "../../guest/GuestNotes.ts"
import type { VolumeRoom } from "../../guest/VolumeRoom.ts"
import type { ServerSpec } from "../../services/Compute.ts"
import type { DiskError } from "../../services/Disk.ts"
import type { GuestLink } from "../../services/GuestAccess.ts"
import type { Millis } from "../../services/Ids.ts"
import type { ReplayFloor } from "../fabric/secure/ReplayGuard.ts"
import type { HomeVolume } from "./Volumes.ts"

export interface GuestHome {
  readonly spec: ServerSpec
  /** Its own way into the fabric; null where guests need none. */
  readonly link: GuestLink | null
  /** What it has heard, so that nothing of it is heard again. */
  readonly replayFloor: ReplayFloor
  /** Which database runtime it was made for; it keeps it for life. */
  readonly runtime: "docker" | "process"
  /** The folder that is the volume. */
  readonly volume: string
  /** What bounds it: which is mounted before its server is started, and let go with the home. */
  readonly disk: HomeVolume & Pick<VolumeRoom, "size">
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

/** Whether two links are the same way into the fabric. */
export const isSameLink = (one: GuestLink | null, other: GuestLink | null): boolean => {
  if (one === null || other === null) return one === other
  const told = ({ controlExchange, key, protocol, urls }: GuestLink) =>
    JSON.stringify([urls.map(Redacted.value), controlExchange, protocol, Redacted.value(key)])
  return told(one) === told(other)
}

/** What a home is from now on that was made for `known`: what `wanted` says of its size, and nothing else of it. */
export const resizedSpec = (known: ServerSpec, { memoryMb, vcpus, volumeSize }: ServerSpec): ServerSpec => ({
  ...known,
  memoryMb,
  vcpus,
  volumeSize: Math.max(known.volumeSize, volumeSize)
})

export const isSameSize = (one: ServerSpec, other: ServerSpec) =>
  one.memoryMb === other.memoryMb && one.vcpus === other.vcpus && one.volumeSize === other.volumeSize

export class GuestHosts extends Context.Service<
  GuestHosts,
  {
    /** Every home that exists, as after a reboot; one that is damaged is logged and left out. */
    readonly list: Effect.Effect<ReadonlyArray<GuestHome>>
    readonly find: (instanceId: string) => Effect.Effect<Option.Option<GuestHome>, GuestHostsError>
    /**
     * The home of this instance, made if there is none. One that is there stays as it was made, but for its link, its
     * memory and its processors, and for the size of its volume, which is told to be the larger one: who asks for it has
     * had the volume grow before.
     */
    readonly ensure: (
      spec: ServerSpec,
      link: GuestLink | null,
      runtime: GuestHome["runtime"]
    ) => Effect.Effect<GuestHome, GuestHostsError | DiskError>
    /** The folder below which every volume lies. */
    readonly root: string
    /** Where the volume of this instance lies, or would. */
    readonly volumeOf: (instanceId: string) => string
    /** Whatever is here of any home, whole or not: whose it is by its name, and since when, where that is known. */
    readonly remains: Effect.Effect<
      ReadonlyArray<{ readonly instanceId: string; readonly since: Millis | null }>,
      GuestHostsError
    >
    /** The home with everything in it is gone. */
    readonly remove: (instanceId: string) => Effect.Effect<void, GuestHostsError>
  }
>()("coffer/layers/embedded/GuestHosts") {}
