/** Homes of guests in memory, for tests on virtual time: the twin of FolderGuestHosts, with a disk that can be full. */
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { firstRelease, GuestNotes, type Logs, noOverrides, type Phase } from "../../guest/GuestNotes.ts"
import { DiskError, type DiskTrouble } from "../../services/Disk.ts"
import type { Provisioning } from "../../services/Provisioning.ts"
import {
  type GuestHome,
  GuestHosts,
  GuestHostsError,
  isSameLink,
  isSameSize,
  resizedSpec
} from "../embedded/GuestHosts.ts"
import { gigabyte, type HomeVolume } from "../embedded/Volumes.ts"
import type { ReplayFloor } from "../fabric/secure/ReplayGuard.ts"

/** What is the matter with the disk of all homes now. */
export const MemoryDisk = Context.Reference<{ readonly trouble: DiskTrouble | null }>(
  "coffer/layers/memory/MemoryDisk",
  { defaultValue: () => ({ trouble: null }) }
)

/** How full the volumes of homes are, by instance: bytes of them that are used. What is not there cannot be measured. */
export const MemoryVolumes = Context.Reference<Map<string, number>>("coffer/layers/memory/MemoryVolumes", {
  defaultValue: () => new Map()
})

/** As large as it was told to be last. */
const makeVolume = (instanceId: string, used: ReadonlyMap<string, number>): HomeVolume => {
  let total = 0
  const grow = (size: number) =>
    Effect.sync(() => {
      total = Math.max(total, size * gigabyte)
    })
  return {
    unlimited: null,
    make: grow,
    mount: Effect.void,
    grow: (size) => Effect.as(grow(size), true),
    growStopped: grow,
    unmount: Effect.void,
    stats: Effect.sync(() => {
      const bytes = used.get(instanceId)
      return bytes === undefined ? null : { total, used: bytes }
    })
  }
}

/** Writes at `path`, if the disk takes it. */
type Write = (path: string, write: () => void) => Effect.Effect<void, DiskError>

const makeNotes = (home: string, writing: Write): GuestNotes["Service"] => {
  let phase: Phase = "new"
  let order: Option.Option<Provisioning> = Option.none()
  let stamp = 0
  let isDrawn = false
  const drawn = Redacted.make("admin")
  let overrides = noOverrides
  let release = firstRelease
  let access: ReadonlyArray<string> = []
  let logs: Logs = {}
  return GuestNotes.of({
    phase: Effect.sync(() => phase),
    setPhase: (next) =>
      writing(`${home}/notes.json`, () => {
        phase = next
        if (next === "ready" || next === "failed") order = Option.none()
      }),
    order: Effect.sync(() => order),
    keepOrder: (kept) =>
      writing(`${home}/order.json`, () => {
        order = Option.some(kept)
      }),
    overrides: Effect.sync(() => overrides),
    keepOverrides: (kept) =>
      writing(`${home}/overrides.json`, () => {
        overrides = kept
      }),
    release: Effect.sync(() => release),
    keepRelease: (kept) =>
      writing(`${home}/release.json`, () => {
        release = kept
      }),
    access: Effect.sync(() => access),
    keepAccess: (networks) =>
      writing(`${home}/access.json`, () => {
        access = networks
      }),
    logs: Effect.sync(() => logs),
    keepLogs: (kept) =>
      writing(`${home}/logs.json`, () => {
        logs = kept
      }),
    stamp: Effect.sync(() => stamp),
    reserveStamps: (upTo) =>
      writing(`${home}/stamp`, () => {
        stamp = upTo
      }),
    adminPassword: Effect.suspend(() => {
      const draw = writing(`${home}/admin`, () => {
        isDrawn = true
      })
      return Effect.as(isDrawn ? Effect.void : draw, drawn)
    })
  })
}

/** A number takes the room of one that is as long. */
const makeFloor = (home: string, writing: Write): ReplayFloor => {
  let highest = 0n
  return {
    read: Effect.sync(() => highest),
    write: (sequence) => {
      const write = () => {
        highest = sequence
      }
      const takesNoRoom = highest > 0n && String(highest).length === String(sequence).length
      return takesNoRoom ? Effect.sync(write) : writing(`${home}/replay`, write)
    }
  }
}

export const layer: Layer.Layer<GuestHosts> = Layer.effect(
  GuestHosts,
  Effect.gen(function* () {
    const disk = yield* MemoryDisk
    const used = yield* MemoryVolumes
    const homes = new Map<string, GuestHome>()
    const root = "/volumes"
    const homeAt = (instanceId: string) => `${root}/${instanceId}`
    const volumeOf = (instanceId: string) => `${homeAt(instanceId)}/volume`
    const writing: Write = (path, write) =>
      Effect.suspend(() => {
        const { trouble } = disk
        return trouble === null
          ? Effect.sync(write)
          : Effect.fail(new DiskError({ trouble, detail: `${path}: ${trouble === "DiskFull" ? "ENOSPC" : "EIO"}` }))
      })
    return GuestHosts.of({
      root,
      volumeOf,
      remains: Effect.sync(() => [...homes.keys()].map((instanceId) => ({ instanceId, since: null }))),
      list: Effect.sync(() => [...homes.values()]),
      find: (id) => Effect.sync(() => Option.fromNullishOr(homes.get(id))),
      ensure: (spec, link, runtime) =>
        Effect.suspend(() => {
          const id = spec.instanceId
          const home = homeAt(id)
          const found = homes.get(id)
          const known = found ?? {
            spec,
            runtime,
            volume: volumeOf(id),
            disk: {
              ...makeVolume(id, used),
              size: Effect.sync(() => homes.get(id)?.spec.volumeSize ?? spec.volumeSize)
            },
            notes: makeNotes(home, writing),
            replayFloor: makeFloor(home, writing),
            link
          }
          const made: GuestHome = { ...known, link, spec: resizedSpec(known.spec, spec) }
          const keep = () => void homes.set(id, made)
          const isThere = homes.has(id) && isSameSize(known.spec, made.spec) && isSameLink(known.link, link)
          const kept = isThere ? Effect.sync(keep) : writing(`${home}/server.json`, keep)
          return made.disk.make(made.spec.volumeSize).pipe(
            Effect.mapError((error) =>
              error._tag === "DiskError" ? error : new GuestHostsError({ detail: error.detail })
            ),
            Effect.andThen(Effect.as(kept, made))
          )
        }),
      remove: (id) =>
        Effect.sync(() => {
          homes.delete(id)
        })
    })
  })
)
