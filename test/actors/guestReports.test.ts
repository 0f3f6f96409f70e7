/** How a guest's reports are stamped, over starts and clocks that go wrong. */
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { firstRelease, GuestNotes, noOverrides } from "../../src/guest/GuestNotes.ts"
import * as GuestReports from "../../src/guest/GuestReports.ts"
import { ConductorApi, conductorTopic } from "../../src/services/ConductorApi.ts"
import { DiskError } from "../../src/services/Disk.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import * as ProvenFabric from "../kit/ProvenFabric.ts"

const instanceId = "00000000-0000-4000-8000-000000000001"

/** The guest's disk, which may be full. */
const disk = () => {
  const state = { stamp: 0, writes: 0, full: false }
  const notes = GuestNotes.of({
    release: Effect.succeed(firstRelease),
    keepRelease: () => Effect.void,
    overrides: Effect.succeed(noOverrides),
    keepOverrides: () => Effect.void,
    access: Effect.succeed([]),
    keepAccess: () => Effect.void,
    logs: Effect.succeed({}),
    keepLogs: () => Effect.void,
    phase: Effect.succeed("ready"),
    setPhase: () => Effect.void,
    order: Effect.succeed(Option.none()),
    keepOrder: () => Effect.void,
    adminPassword: Effect.succeed(Redacted.make("admin")),
    stamp: Effect.sync(() => state.stamp),
    reserveStamps: (upTo) =>
      Effect.suspend(() => {
        if (state.full) return new DiskError({ trouble: "DiskFull", detail: "/home/stamp: ENOSPC" })
        state.writes++
        state.stamp = upTo
        return Effect.void
      })
  })
  return { state, layer: Layer.succeed(GuestNotes, notes) }
}

/** The conductor's end: every stamp in the order in which it came. */
const stamps = Effect.gen(function* () {
  const heard: Array<number> = []
  const hear = (sent: number | null | undefined) => Effect.sync(() => void heard.push(sent ?? Number.NaN))
  yield* (yield* Fabric).serve(conductorTopic, ConductorApi, {
    heartbeat: ({ sent }) => hear(sent),
    notify_exc_info: ({ serialized_notification: { sent } }) => hear(sent),
    notify_end: () => Effect.void,
    report_root: () => Effect.void,
    update_backup: () => Effect.void,
    host_report: () => Effect.void
  })
  return heard
})

const rises = (heard: ReadonlyArray<number>) =>
  heard.every((stamp, n) => n === 0 || stamp > (heard[n - 1] ?? Number.POSITIVE_INFINITY))

const start = Effect.suspend(() => GuestReports.make(instanceId, "healthy"))

it.effect("rise with every report, those of one moment as well", () => {
  const { layer } = disk()
  return Effect.gen(function* () {
    const heard = yield* stamps
    const { beat, failed } = yield* start
    yield* Effect.all([beat(null), failed("no image"), beat("one"), beat("two")], { concurrency: "unbounded" })
    yield* TestClock.adjust("30 seconds")
    yield* beat(null)
    expect(heard).toHaveLength(5)
    expect(rises(heard)).toBe(true)
    expect(heard.at(-1)).toBeGreaterThanOrEqual(30)
  }).pipe(Effect.provide(Layer.merge(layer, ProvenFabric.layer)))
})

it.effect("rise over a new start, though the clock was set back", () => {
  const { layer } = disk()
  return Effect.gen(function* () {
    yield* TestClock.setTime(10_000_000)
    const heard = yield* stamps
    for (let n = 0; n < 3; n++) {
      const { beat } = yield* start
      yield* beat(null)
      yield* TestClock.adjust("1 minute")
      yield* beat(null)
      yield* TestClock.setTime(5_000_000 - n * 1000)
      yield* beat(null)
    }
    expect(heard).toHaveLength(9)
    expect(rises(heard)).toBe(true)
  }).pipe(Effect.provide(Layer.merge(layer, ProvenFabric.layer)))
})

it.effect("are reserved seldom", () => {
  const { layer, state } = disk()
  return Effect.gen(function* () {
    const heard = yield* stamps
    const { beat } = yield* start
    for (let n = 0; n < 120; n++) {
      yield* beat(null)
      yield* TestClock.adjust("30 seconds")
    }
    expect(heard).toHaveLength(120)
    expect(state.writes).toBeLessThanOrEqual(7)
    expect(state.stamp).toBeGreaterThan(heard.at(-1) ?? 0)
  }).pipe(Effect.provide(Layer.merge(layer, ProvenFabric.layer)))
})

it.effect("go on where the disk is full, which the log tells once, and once that it is well again", () => {
  const { layer, state } = disk()
  const told: Array<string> = []
  const log = Logger.layer([Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))])
  return Effect.gen(function* () {
    state.full = true
    const heard = yield* stamps
    const { beat } = yield* start
    yield* beat("the disk is full")
    for (let n = 0; n < 100; n++) yield* beat(null)
    expect(heard).toHaveLength(101)
    expect(rises(heard)).toBe(true)
    expect(told).toEqual([expect.stringMatching(/^Error The disk of the database's machine is full\..*ENOSPC/)])
    state.full = false
    yield* beat(null)
    yield* beat(null)
    expect(state.writes).toBe(1)
    expect(told.slice(1)).toEqual([expect.stringMatching(/^Info The disk can be written to again/)])
  }).pipe(Effect.provide(Layer.mergeAll(layer, ProvenFabric.layer, log)))
})

it.effect("are told again when nobody took the last one, and only then", () => {
  const { layer } = disk()
  return Effect.gen(function* () {
    const { become, tellAgain } = yield* start
    yield* become("running")
    yield* tellAgain
    const heard = yield* stamps
    yield* tellAgain
    expect(heard).toHaveLength(1)
    yield* tellAgain
    expect(heard).toHaveLength(1)
  }).pipe(Effect.provide(Layer.merge(layer, ProvenFabric.layer)))
})
