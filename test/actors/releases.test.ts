/** Two releases at once: what the older one cannot read it leaves to the newer one, and nobody is harmed. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Layer, Metric, Option, Scope } from "effect"
import { isOutage } from "../../src/actors/Failing.ts"
import type { Command, State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Tables } from "../../src/layers/memory/MemoryUpgrades.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as Mortal from "../kit/Mortal.ts"
import { olderRelease } from "../kit/OlderRelease.ts"
import * as World from "../kit/World.ts"

const up = Effect.gen(function* () {
  const id = yield* World.create()
  yield* World.passes("5 seconds")
  expect(yield* World.status(id)).toBe("ACTIVE")
  return id
})

const tablesAreNewer = (areNewer: boolean) =>
  Effect.map(Tables, (tables) => {
    tables.areNewer = areNewer
  })

const troubles = (id: InstanceId) =>
  Effect.map(World.story(id), (story) => story.filter((line) => line.startsWith("an internal error")))

const left = Effect.map(Metric.snapshot, (metrics) =>
  metrics.flatMap(({ id, state }) => (id === "coffer_turns_left" && "count" in state ? [Number(state.count)] : []))
)

/** Of kinds that this release does not know, as a newer one may write them. */
const pause: Command = JSON.parse('{"_tag":"Pause"}')
const pausing: State = JSON.parse('{"_tag":"Pausing","operation":"pause-1","deadline":1,"previous":null}')

const written = {
  command: (id: InstanceId) => Effect.flatMap(Lifecycles, (lifecycles) => lifecycles.post(id, "pause:1", pause)),
  state: Effect.fnUntraced(function* (id: InstanceId) {
    const lifecycles = yield* Lifecycles
    const { generation } = Option.getOrThrow(yield* lifecycles.load(id))
    yield* lifecycles.commit(id, { generation, state: pausing, transition: null, handled: [] })
  })
}

describe("what is of no kind that this release knows", () => {
  for (const what of ["command", "state"] as const) {
    it.effect(`a ${what}, is left alone while the tables are newer, and a fault where they are not`, () =>
      World.run(
        Effect.gen(function* () {
          const lifecycles = yield* Lifecycles
          const id = yield* up
          yield* tablesAreNewer(true)
          yield* written[what](id)
          const before = yield* lifecycles.salvage(id)
          const [already = 0] = yield* left
          yield* World.passes("10 minutes", "1 second")
          expect(yield* World.status(id)).toBe(what === "state" ? "UNKNOWN" : "ACTIVE")
          expect(yield* lifecycles.salvage(id)).toEqual(before)
          expect(yield* lifecycles.setAside(id)).toEqual([])
          expect(yield* troubles(id)).toEqual([])
          // Seldom enough to cost nothing, and often enough to be seen.
          const times = ((yield* left)[0] ?? 0) - already
          expect(times).toBeGreaterThan(10)
          expect(times).toBeLessThan(80)

          yield* tablesAreNewer(false)
          yield* World.passes("2 minutes", "1 second")
          expect(yield* World.status(id)).toBe("ERROR")
        })
      )
    )
  }

  it.effect("a state, does not hide the others of its tenant, and lets itself be asked to go", () =>
    World.run(
      Effect.gen(function* () {
        const instances = yield* Instances
        const [id, other] = [yield* up, yield* up]
        yield* tablesAreNewer(true)
        yield* written.state(id)
        const { items } = yield* instances.list(World.project, { limit: 10, marker: null })
        expect(items.map(({ desired, state }) => [desired.id, state])).toEqual([
          [id, "Unknown"],
          [other, "Active"]
        ])
        expect(yield* World.operatingStatus(id)).toBe("")
        expect(yield* World.restart(id)).toBe(false)
        yield* World.remove(id)
        yield* World.passes("2 minutes", "1 second")
        expect(yield* World.status(id)).toBe("UNKNOWN")
        expect((yield* FakeDatabases).servers.size).toBe(2)
        expect((yield* (yield* Lifecycles).count).get("Unknown")).toBe(1)
        yield* World.remove(other)
        yield* World.passes("10 seconds")
        expect(yield* World.status(other)).toBeNull()
      })
    )
  )
})

/** A taskmanager of one release or the other, over what survives it. */
const start = Effect.fnUntraced(function* (release: "older" | "newer") {
  const world = yield* Effect.context<Layer.Success<typeof World.surviving>>()
  const { dying, life } = Mortal.context(world, () => Effect.void)
  const services = release === "older" ? olderRelease(dying) : dying
  // Nobody closes it: who is killed runs no finalizer.
  const scope = yield* Scope.make()
  const built = yield* Layer.buildWithScope(World.process, scope).pipe(Effect.provideContext(services))
  yield* World.passes("200 millis")
  return { life, within: Effect.provideContext(Context.merge(built, world)) }
})

const restarts = (story: ReadonlyArray<string>) => story.filter((line) => line === "Restarting → Active").length

describe("an upgrade", () => {
  it.effect("that goes back and forth in the middle of what only the newer release knows ends it once", () =>
    Effect.gen(function* () {
      const { faults } = yield* FakeDatabases
      let process = yield* start("older")
      const id = yield* process.within(up)
      // Asked for by a client of the newer release, where no taskmanager is of it yet.
      expect(yield* process.within(World.restart(id))).toBe(true)
      yield* World.passes("3 minutes", "1 second")
      expect(yield* process.within(World.status(id))).toBe("REBOOT")
      process.life.over = true

      faults.startTime = Duration.seconds(40)
      process = yield* start("newer")
      yield* World.passes("10 seconds")
      const { operation } = Option.getOrThrow(yield* (yield* Lifecycles).salvage(id))
      expect(operation).toMatch(/^restart-/)
      process.life.over = true

      process = yield* start("older")
      yield* World.passes("3 minutes", "1 second")
      expect(Option.getOrThrow(yield* (yield* Lifecycles).salvage(id)).tag).toBe("Restarting")
      expect(yield* process.within(troubles(id))).toEqual([])
      process.life.over = true

      process = yield* start("newer")
      yield* World.passes("30 seconds")
      yield* process.within(
        Effect.gen(function* () {
          expect(yield* World.status(id)).toBe("ACTIVE")
          expect(restarts(yield* World.story(id))).toBe(1)
          expect(yield* troubles(id)).toEqual([])
          expect(yield* World.unfinished(id)).toEqual([])
        })
      )
    }).pipe(Effect.provide(World.surviving))
  )
})

it("a process of the older release that does not know the workflow is no fault of the instance", () => {
  expect(isOutage(Cause.die(new Error("Entity type 'Workflow/PauseInstance' not registered")))).toBe(true)
  expect(isOutage(Cause.die(new Error("PauseInstance is not registered")))).toBe(false)
})
