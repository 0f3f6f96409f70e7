/** Homes of guests in memory, for tests on virtual time: the twin of FolderGuestHosts. */
import { Effect, Layer, Option, Redacted } from "effect"
import { GuestNotes, noOverrides, type Phase } from "../../guest/GuestNotes.ts"
import type { Provisioning } from "../../services/Provisioning.ts"
import { type GuestHome, GuestHosts } from "../embedded/GuestHosts.ts"
import { inMemory } from "../fabric/secure/ReplayGuard.ts"

const makeNotes = (): GuestNotes["Service"] => {
  let phase: Phase = "new"
  let order: Option.Option<Provisioning> = Option.none()
  let stamp = 0
  let overrides = noOverrides
  return GuestNotes.of({
    phase: Effect.sync(() => phase),
    setPhase: (next) =>
      Effect.sync(() => {
        phase = next
        if (next === "ready" || next === "failed") order = Option.none()
      }),
    order: Effect.sync(() => order),
    keepOrder: (kept) =>
      Effect.sync(() => {
        order = Option.some(kept)
      }),
    overrides: Effect.sync(() => overrides),
    keepOverrides: (kept) =>
      Effect.sync(() => {
        overrides = kept
      }),
    stamp: Effect.sync(() => stamp),
    reserveStamps: (upTo) =>
      Effect.sync(() => {
        stamp = upTo
      }),
    adminPassword: Effect.succeed(Redacted.make("admin"))
  })
}

export const layer: Layer.Layer<GuestHosts> = Layer.sync(GuestHosts, () => {
  const homes = new Map<string, GuestHome>()
  const root = "/volumes"
  const volumeOf = (instanceId: string) => `${root}/${instanceId}`
  return GuestHosts.of({
    root,
    volumeOf,
    remains: Effect.sync(() => [...homes.keys()].map((instanceId) => ({ instanceId, since: null }))),
    list: Effect.sync(() => [...homes.values()]),
    find: (id) => Effect.sync(() => Option.fromNullishOr(homes.get(id))),
    ensure: (spec, link, runtime) =>
      Effect.map(inMemory, (replayFloor) => {
        const volume = volumeOf(spec.instanceId)
        const known = homes.get(spec.instanceId) ?? { spec, runtime, volume, notes: makeNotes(), replayFloor }
        const home: GuestHome = { ...known, link }
        homes.set(spec.instanceId, home)
        return home
      }),
    remove: (id) =>
      Effect.sync(() => {
        homes.delete(id)
      })
  })
})
