/** The life of an instance on virtual time, through the real actors, workflows, conductor and guest agents. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

const buildSteps = [
  "allocate an address",
  "create the server",
  "hand the order to the guest",
  "wait for the database",
  "report"
]

describe("build", () => {
  it.effect("becomes ACTIVE and HEALTHY, with the databases that were asked for", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.create(["shop"])
        expect(yield* World.status(id)).toBe("BUILD")
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBe("ACTIVE")
        expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
        const { servers } = yield* FakeDatabases
        expect(servers.get(id)?.databases.has("shop")).toBe(true)
        expect(yield* World.story(id)).toEqual(expect.arrayContaining(buildSteps.map((step) => `build: ${step} done`)))
      })
    )
  )

  it.effect("may take many minutes", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        faults.startTime = Duration.minutes(8)
        const id = yield* World.create()
        yield* World.passes("7 minutes", "1 second")
        expect(yield* World.status(id)).toBe("BUILD")
        yield* World.passes("2 minutes", "1 second")
        expect(yield* World.status(id)).toBe("ACTIVE")
      })
    )
  )

  it.effect("tries a start that failed for a moment again", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, initialised } = yield* FakeDatabases
        faults.flakyStarts = 3
        const id = yield* World.create()
        yield* World.passes("10 seconds")
        expect(yield* World.status(id)).toBe("ACTIVE")
        expect(initialised(id)).toBe(1)
      })
    )
  )

  it.effect("that fails ends in ERROR with a fault, and what it made is taken back", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        faults.startFails = new RuntimeError({ message: "There is no such image.", detail: "404", transient: false })
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* World.fault(id))?.message).toBe("There is no such image.")
        expect(servers.size).toBe(0)
        const story = yield* World.story(id)
        expect(story).toContain("the guest: instance create failed: There is no such image.")
        expect(story).toContain("build: remove the server done")
      })
    )
  )

  it.effect("that passes its deadline ends in ERROR, and what it made is taken back", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        faults.startTime = Duration.hours(2)
        const id = yield* World.create()
        yield* World.passes("29 minutes", "1 second")
        expect(yield* World.status(id)).toBe("BUILD")
        yield* World.passes("2 minutes", "1 second")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* World.fault(id))?.message).toContain("not ready in time")
        expect(servers.size).toBe(0)
      })
    )
  )
})

describe("a build that was called off", () => {
  it.effect("is found by the sweep and taken back, although nobody was told", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        faults.startTime = Duration.hours(2)
        const id = yield* World.create()
        yield* World.passes("3 seconds")
        // What is left when a process dies after its decision and before the work that it asks for.
        const lifecycles = yield* Lifecycles
        const { generation, state } = Option.getOrThrow(yield* lifecycles.load(id))
        const previous = "operation" in state ? state.operation : null
        const fault = { message: "late", details: null, at: 0 }
        const commit = { generation, state: { _tag: "Failed" as const, fault, previous }, handled: [] }
        yield* lifecycles.commit(id, { ...commit, transition: null })
        yield* World.passes("10 seconds")
        expect(servers.size).toBe(0)
        expect(yield* World.story(id)).toContain("build: remove the server done")
        expect(Option.getOrThrow(yield* lifecycles.load(id)).state).toMatchObject({ _tag: "Failed", previous: null })
      })
    )
  )
})

describe("a store that is away for a moment", () => {
  for (const step of buildSteps.filter((step) => step !== "wait for the database")) {
    it.effect(`while "${step}" runs does not make the build fail`, () => {
      let outage = 2
      return World.runWithOutage(
        (name) => name === step && outage-- > 0,
        Effect.gen(function* () {
          const id = yield* World.create(["shop"])
          yield* World.passes("30 seconds")
          expect(yield* World.status(id)).toBe("ACTIVE")
          expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
          expect((yield* FakeDatabases).servers.size).toBe(1)
        })
      )
    })
  }
})

describe("delete", () => {
  it.effect("leaves nothing", () =>
    World.run(
      Effect.gen(function* () {
        const { servers } = yield* FakeDatabases
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        yield* World.remove(id)
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(servers.size).toBe(0)
        const usage = yield* (yield* Quotas).usage(World.project)
        expect(usage.map(({ inUse, reserved }) => inUse + reserved)).toEqual([0, 0, 0, 0])
      })
    )
  )

  it.effect("tries again what fails for a moment", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        faults.removeFails = new RuntimeError({ message: "The engine is away.", detail: "", transient: true })
        yield* World.remove(id)
        yield* World.passes("3 seconds")
        expect(yield* World.status(id)).toBe("SHUTDOWN")
        faults.removeFails = null
        yield* World.passes("20 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(servers.size).toBe(0)
      })
    )
  )

  it.effect("that cannot be done says so, and can be asked for again", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        faults.removeFails = new RuntimeError({ message: "The volume is stuck.", detail: "", transient: false })
        yield* World.remove(id)
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* World.fault(id))?.message).toBe("The volume is stuck.")
        faults.removeFails = null
        yield* World.remove(id)
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBeNull()
      })
    )
  )

  for (const step of buildSteps) {
    for (const call of ["started", "ended"] as const) {
      it.effect(`at the moment that "${step}" of the build has ${call} leaves nothing either`, () =>
        World.runWithDelete(
          (at, name) => at === call && name === step,
          Effect.gen(function* () {
            const { servers } = yield* FakeDatabases
            const id = yield* World.create(["shop"])
            yield* World.passes("20 seconds")
            expect(yield* World.status(id)).toBeNull()
            expect(servers.size).toBe(0)
            expect(yield* World.unfinished(id)).toEqual([])
          })
        )
      )
    }
  }

  for (const millis of [0, 1, 300, 900, 1100]) {
    it.effect(`${millis} ms into the build leaves nothing either`, () =>
      World.run(
        Effect.gen(function* () {
          const { servers } = yield* FakeDatabases
          const id = yield* World.create(["shop"])
          yield* World.passes(Duration.millis(millis), "10 millis")
          yield* World.remove(id)
          expect(yield* World.status(id)).toBe("SHUTDOWN")
          yield* World.passes("10 seconds")
          expect(yield* World.status(id)).toBeNull()
          expect(servers.size).toBe(0)
          expect(yield* World.unfinished(id)).toEqual([])
        })
      )
    )
  }
})

describe("a process that is killed", () => {
  for (const step of buildSteps) {
    for (const call of ["started", "ended"] as const) {
      it.effect(`when "${step}" has ${call} leaves a build that goes on: one database and not two`, () =>
        World.runWithDeath(
          (at, name) => at === call && name === step,
          Effect.gen(function* () {
            const id = yield* World.create(["shop"])
            yield* World.passes("5 seconds")
            return id
          }),
          (id) =>
            Effect.gen(function* () {
              yield* World.passes("20 seconds")
              expect(yield* World.status(id)).toBe("ACTIVE")
              expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
              const { initialised, servers } = yield* FakeDatabases
              expect(initialised(id)).toBe(1)
              expect(servers.size).toBe(1)
            })
        )
      )
    }
  }

  for (const step of ["remove the server", "release the address", "forget what was known of the guest", "report"]) {
    it.effect(`in a delete at "${step}" leaves a delete that goes on`, () => {
      let deleting = false
      return World.runWithDeath(
        (_, name) => deleting && name === step,
        Effect.gen(function* () {
          const id = yield* World.create()
          yield* World.passes("5 seconds")
          deleting = true
          yield* World.remove(id)
          yield* World.passes("5 seconds")
          return id
        }),
        (id) =>
          Effect.gen(function* () {
            yield* World.passes("20 seconds")
            expect(yield* World.status(id)).toBeNull()
            expect((yield* FakeDatabases).servers.size).toBe(0)
          })
      )
    })
  }
})

describe("a database", () => {
  it.effect("that crashes is seen, started again, and the history says so", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults } = yield* FakeDatabases
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        faults.startTime = Duration.seconds(3)
        crash(id)
        yield* World.passes("1200 millis")
        expect(yield* World.operatingStatus(id)).toBe("SHUTDOWN")
        yield* World.passes("5 seconds")
        expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
        expect(yield* World.story(id)).toContain("the guest: the database has crashed; it is being started again")
      })
    )
  )

  it.effect("whose guest goes silent shows ERROR, and the history says so", () => {
    let up = false
    return World.runWithDeath(
      () => up,
      Effect.gen(function* () {
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        up = true
        // Any line of the history kills the process now; the home of the guest burns down with it.
        const other = yield* World.create()
        yield* World.passes("1 second")
        yield* (yield* GuestHosts).remove(id)
        return { id, other }
      }),
      ({ id }) =>
        Effect.gen(function* () {
          expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
          yield* World.passes("4 minutes", "1 second")
          expect(yield* World.status(id)).toBe("ACTIVE")
          expect(yield* World.operatingStatus(id)).toBe("ERROR")
          expect(yield* World.story(id)).toContain("the guest has gone silent: no heartbeat came in time")
        })
    )
  })
})
