/** What goes wrong with one instance's own mail, state or turn stays with it, and ends. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Metric, Option, Scope } from "effect"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { maxFailures } from "../../src/actors/Failing.ts"
import type { Command, State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Observations } from "../../src/services/Observations.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as Mortal from "../kit/Mortal.ts"
import * as World from "../kit/World.ts"

/** Of no kind that anybody knows, as a row may be. */
const nonsense: Command = JSON.parse('{"_tag":"Explode"}')

const stateOf = (id: InstanceId) =>
  Effect.flatMap(Lifecycles, (lifecycles) =>
    Effect.map(lifecycles.load(id), (loaded) => Option.getOrThrow(loaded).state)
  )

const post = (id: InstanceId, key: string, command: Command) =>
  Effect.flatMap(Lifecycles, (lifecycles) => lifecycles.post(id, key, command))

const troubles = (id: InstanceId) =>
  Effect.map(World.story(id), (story) => story.filter((line) => line.startsWith("an internal error")))

const up = Effect.gen(function* () {
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  expect(yield* World.status(id)).toBe("ACTIVE")
  return id
})

describe("a command that cannot be read", () => {
  it.effect("is set aside after a bounded number of turns; its instance is in ERROR, and others go on", () =>
    World.run(
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const [id, other] = [yield* up, yield* up]
        yield* post(id, "poison", nonsense)
        yield* World.passes("30 seconds")
        // It has its chances, and so has whoever mends the store meanwhile.
        expect(yield* World.status(id)).toBe("ACTIVE")
        yield* World.restart(other)
        yield* World.passes("60 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect(yield* World.fault(id)).toMatchObject({
          message: expect.stringContaining("An operator has to look at it"),
          details: expect.stringContaining("the command poison cannot be read")
        })
        expect(yield* lifecycles.setAside(id)).toMatchObject([
          { key: "poison", reason: expect.stringContaining("cannot be read") }
        ])
        expect(yield* troubles(id)).toHaveLength(maxFailures)
        yield* World.passes("5 minutes", "1 second")
        expect(yield* troubles(id)).toHaveLength(maxFailures)
        expect(yield* World.operatingStatus(other)).toBe("HEALTHY")
        expect((yield* World.story(other)).filter((line) => line === "Restarting → Active")).toHaveLength(1)
      })
    )
  )

  it.effect("holds up what came after it, and no delete for ever", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* up
        yield* post(id, "poison", nonsense)
        yield* World.passes("5 seconds")
        yield* World.remove(id)
        yield* World.passes("90 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect((yield* FakeDatabases).servers.size).toBe(0)
      })
    )
  )

  it.effect("calls off the operation under way, and what it made is taken back", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        faults.startTime = Duration.hours(1)
        const id = yield* World.create()
        yield* World.passes("1 second")
        yield* post(id, "poison", nonsense)
        yield* World.passes("90 seconds")
        expect(yield* stateOf(id)).toMatchObject({ _tag: "Failed", previous: null, again: "build" })
        expect(servers.size).toBe(0)
        expect(yield* World.unfinished(id)).toEqual([])
      })
    )
  )
})

/** A turn in which something dies: whatever `strikes` gives, as long as it gives it. */
const runStruck = <A, E>(strike: () => unknown, test: Effect.Effect<A, E, World.World>) =>
  World.run(
    Effect.gen(function* () {
      const observations = yield* Observations
      const { get } = observations
      Object.assign(observations, {
        get: (id: InstanceId) =>
          Effect.suspend(() => {
            const struck = strike()
            return struck === null ? get(id) : Effect.die(struck)
          })
      })
      return yield* test
    })
  )

describe("a bug in a turn", () => {
  it.effect("puts the instance into ERROR with the fault, takes back what was made, and lets it be deleted", () => {
    let bug: unknown = null
    return runStruck(
      () => bug,
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        faults.startTime = Duration.hours(1)
        const id = yield* World.create()
        yield* World.passes("1 second")
        bug = new TypeError("undefined is not a function")
        yield* World.passes("2 minutes")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* World.fault(id))?.details).toContain("undefined is not a function")
        expect(yield* troubles(id)).toHaveLength(maxFailures)
        expect(servers.size).toBe(0)
        yield* World.remove(id)
        yield* World.passes("10 seconds")
        expect(yield* World.status(id)).toBeNull()
      })
    )
  })

  it.effect("that is never over keeps nobody from deleting the instance once it is mended", () =>
    World.run(
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const { desired } = lifecycles
        const { faults, servers } = yield* FakeDatabases
        faults.startTime = Duration.hours(1)
        const id = yield* World.create()
        yield* World.passes("1 second")
        // Whatever the work of a state is, it cannot be asked for.
        Object.assign(lifecycles, { desired: () => Effect.die(new TypeError("undefined is not a function")) })
        yield* World.passes("5 minutes", "1 second")
        expect(yield* stateOf(id)).toMatchObject({ _tag: "Failed", previous: null })
        const lines = yield* troubles(id)
        yield* World.passes("10 minutes", "1 second")
        expect(yield* troubles(id)).toEqual(lines)
        Object.assign(lifecycles, { desired })
        yield* World.remove(id)
        yield* World.passes("20 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(servers.size).toBe(0)
      })
    )
  )

  it.effect("that is over before it was met too often leaves no more than a line", () => {
    let times = 0
    return runStruck(
      () => (times-- > 0 ? new TypeError("for a while") : null),
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        faults.startTime = Duration.minutes(3)
        const id = yield* World.create()
        yield* World.passes("1 second")
        times = maxFailures - 1
        yield* World.passes("4 minutes")
        expect(yield* World.status(id)).toBe("ACTIVE")
        expect(yield* troubles(id)).toHaveLength(maxFailures - 1)
      })
    )
  })
})

it.effect("a store that is away is no fault of the instance, however long", () => {
  let isAway = false
  const reason = new ConnectionError({ cause: new Error("ECONNREFUSED"), message: "away" })
  return runStruck(
    () => (isAway ? new SqlError({ reason }) : null),
    Effect.gen(function* () {
      const { faults } = yield* FakeDatabases
      faults.startTime = Duration.minutes(5)
      const id = yield* World.create()
      yield* World.passes("1 second")
      isAway = true
      yield* World.passes("10 minutes", "1 second")
      expect(yield* World.status(id)).toBe("BUILD")
      expect(yield* troubles(id)).toEqual([])
      isAway = false
      yield* World.passes("5 seconds")
      expect(yield* World.status(id)).toBe("ACTIVE")
    })
  )
})

it.effect("a state that cannot be read becomes ERROR, with what it names called off", () =>
  World.run(
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const { faults, servers } = yield* FakeDatabases
      faults.startTime = Duration.hours(1)
      const id = yield* World.create()
      yield* World.passes("1 second")
      const { generation, state } = Option.getOrThrow(yield* lifecycles.load(id))
      const garbled: State = JSON.parse(JSON.stringify({ ...state, deadline: "soon" }))
      yield* lifecycles.commit(id, { generation, state: garbled, transition: null, handled: [] })
      yield* World.passes("2 minutes")
      expect(yield* stateOf(id)).toMatchObject({ _tag: "Failed", again: "build", previous: null })
      expect(servers.size).toBe(0)
      yield* World.remove(id)
      yield* World.passes("10 seconds")
      expect(yield* World.status(id)).toBeNull()
    })
  )
)

const overdue = (kind: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics.flatMap(({ attributes, id, state }) =>
      id === "coffer_operations_overdue" && attributes?.["kind"] === kind && "count" in state
        ? [Number(state.count)]
        : []
    )
  )

it.effect("an operation that passes its deadline says what it waited for, and is counted", () =>
  World.run(
    Effect.gen(function* () {
      const [before = 0] = yield* overdue("build")
      const { faults } = yield* FakeDatabases
      faults.startTime = Duration.hours(2)
      const id = yield* World.create()
      yield* World.passes("31 minutes", "1 second")
      expect(yield* World.status(id)).toBe("ERROR")
      const becauses = (yield* World.entries(id)).flatMap((entry) =>
        entry.kind === "transition" ? [entry.because] : []
      )
      expect(becauses).toContain(
        'the build passed its deadline: in the step "wait for the database" it waited for the guest to see that a client can log in'
      )
      expect(yield* overdue("build")).toEqual([before + 1])
    })
  )
)

/** A process that can be killed, over what survives it; `deadly`: it dies by itself when it is to commit a command. */
const start = Effect.fnUntraced(function* (deadly = false) {
  const world = yield* Effect.context<Layer.Success<typeof World.surviving>>()
  const { dying, life } = Mortal.context(world, () => Effect.void)
  const lifecycles = Context.get(dying, Lifecycles)
  const commit: typeof lifecycles.commit = (id, commit) =>
    Effect.suspend(() => {
      life.over ||= commit.handled.length > 0
      return life.over ? Effect.never : lifecycles.commit(id, commit)
    })
  const services = deadly ? Context.add(dying, Lifecycles, { ...lifecycles, commit }) : dying
  // Nobody closes it: who is killed runs no finalizer.
  const scope = yield* Scope.make()
  const built = yield* Layer.buildWithScope(World.process, scope).pipe(Effect.provideContext(services))
  yield* World.passes("200 millis")
  return { life, within: Effect.provideContext(Context.merge(built, world)) }
})

const failuresOf = (id: InstanceId) =>
  Effect.flatMap(Lifecycles, (lifecycles) =>
    Effect.map(lifecycles.load(id), (loaded) => Option.getOrThrow(loaded).failures.count)
  )

describe("a count of turns that failed", () => {
  it.effect("goes on in the process that takes over", () =>
    Effect.gen(function* () {
      const first = yield* start()
      const id = yield* first.within(up)
      yield* post(id, "poison", nonsense)
      yield* World.passes("10 seconds")
      const counted = yield* failuresOf(id)
      expect(counted).toBeGreaterThan(1)
      expect(counted).toBeLessThan(maxFailures)
      first.life.over = true
      const second = yield* start()
      yield* World.passes("90 seconds")
      yield* second.within(
        Effect.gen(function* () {
          expect(yield* World.status(id)).toBe("ERROR")
          expect(yield* troubles(id)).toHaveLength(maxFailures)
        })
      )
      expect(yield* failuresOf(id)).toBe(0)
    }).pipe(Effect.provide(World.surviving))
  )

  it.effect("has those in it that ended the process, and so ends", () =>
    Effect.gen(function* () {
      const healthy = yield* start()
      const id = yield* healthy.within(up)
      healthy.life.over = true
      yield* post(id, "poison", { _tag: "Restart" })
      // At first it may be as well that nobody was there.
      yield* World.passes("40 seconds", "1 second")
      for (let deaths = 1; deaths <= maxFailures; deaths++) {
        const { life } = yield* start(true)
        yield* World.passes("70 seconds", "1 second")
        expect([life.over, yield* failuresOf(id)]).toEqual([true, deaths])
      }
      const { life, within } = yield* start(true)
      yield* World.passes("70 seconds", "1 second")
      expect(life.over).toBe(false)
      expect(yield* within(World.status(id))).toBe("ERROR")
      expect(yield* (yield* Lifecycles).setAside(id)).toMatchObject([
        { key: "poison", reason: expect.stringContaining("each taskmanager that worked on it ended") }
      ])
    }).pipe(Effect.provide(World.surviving))
  )

  it.effect("is not kept of mail that waited for long and was handled, nor of a store that was away", () =>
    Effect.gen(function* () {
      const first = yield* start()
      const id = yield* first.within(up)
      first.life.over = true
      yield* post(id, "late", { _tag: "Restart" })
      yield* World.passes("5 minutes", "5 seconds")
      const noted: Array<InstanceId> = []
      const lifecycles = yield* Lifecycles
      const { commit, noteFailure } = lifecycles
      let isAway = true
      Object.assign(lifecycles, {
        noteFailure: (id: InstanceId) => Effect.tap(noteFailure(id), () => Effect.sync(() => noted.push(id))),
        commit: (...args: Parameters<typeof commit>) =>
          isAway
            ? Effect.die(new SqlError({ reason: new ConnectionError({ cause: new Error("away") }) }))
            : commit(...args)
      })
      const second = yield* start()
      yield* World.passes("20 seconds")
      expect(noted.length).toBeGreaterThan(2)
      expect(yield* failuresOf(id)).toBe(0)
      isAway = false
      yield* World.passes("10 seconds")
      expect(yield* failuresOf(id)).toBe(0)
      const story = yield* second.within(World.story(id))
      expect(story).toContain("Restarting → Active")
      expect(yield* second.within(troubles(id))).toEqual([])
    }).pipe(Effect.provide(World.surviving))
  )
})
