/** A configuration group on its way to an instance: live, with a restart, taken back, called off, on virtual time. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { aGroup, answerOverrides, becauses, live, loseGuest, settings } from "./inServiceOperations.ts"

const restart = { max_connections: 42 }

/** What the api does with an attach or a detach; the news of it is lost. */
const attach = Effect.fnUntraced(function* (id: InstanceId, group: string | null) {
  expect(yield* (yield* Configurations).attach(id, group)).toBe(true)
})

const attached = Effect.fnUntraced(function* (values: Values) {
  const id = yield* World.serving
  const group = yield* aGroup(values)
  yield* attach(id, group)
  return { id, group }
})

const update = Effect.fnUntraced(function* (group: string, values: Values) {
  return yield* (yield* Configurations).update(group, { name: null, description: null, values: () => values })
})

const isAtRest = Effect.fnUntraced(function* (id: InstanceId, status: string) {
  expect(yield* World.status(id)).toBe(status)
  expect(yield* World.unfinished(id)).toEqual([])
})

/** What it went back into service from. */
const left = ["Restarting", "Configuring"] as const

const done = "the configuration group is with the guest"
const fatal = (values: Values) => values["max_connections"] === 42

describe("a configuration group", () => {
  it.effect("that needs no restart is taken at once, and let go of at once", () =>
    World.run(
      Effect.gen(function* () {
        const { id } = yield* attached(live)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["RESTART_REQUIRED", ""])
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual(live)
        yield* attach(id, null)
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual({})
        expect(yield* becauses(id, ...left)).toEqual([done, done])
        expect((yield* World.story(id)).filter((line) => line.includes("crash"))).toEqual([])
      })
    )
  )

  it.effect("that needs a restart waits for one, which brings it", () =>
    World.run(
      Effect.gen(function* () {
        const { id } = yield* attached({ ...live, ...restart })
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "RESTART_REQUIRED")
        expect(yield* settings(id)).toEqual({})
        expect(yield* World.restart(id)).toBe(true)
        expect(yield* World.status(id)).toBe("REBOOT")
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual({ ...live, ...restart })
        expect(yield* becauses(id, ...left)).toEqual([done, "the database was restarted"])
      })
    )
  )

  it.effect("may be followed by a restart at once: it comes when the group is there", () =>
    World.run(
      Effect.gen(function* () {
        const { id } = yield* attached(restart)
        yield* World.passes("2100 millis", "10 millis")
        expect(yield* World.restart(id)).toBe(true)
        expect(yield* World.status(id)).toBe("REBOOT")
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual(restart)
      })
    )
  )

  it.effect("that waits for a restart is let go of without one, and another may take its place at once", () =>
    World.run(
      Effect.gen(function* () {
        const { id } = yield* attached(restart)
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "RESTART_REQUIRED")
        yield* attach(id, null)
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        yield* attach(id, yield* aGroup(restart))
        yield* World.passes("5 seconds")
        yield* attach(id, null)
        yield* attach(id, yield* aGroup(live))
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual(live)
      })
    )
  )

  it.effect("that changes is brought to all that have it, also to one that is just restarting", () =>
    World.run(
      Effect.gen(function* () {
        const { group, id } = yield* attached(live)
        yield* World.passes("5 seconds")
        ;(yield* FakeDatabases).faults.startTime = Duration.seconds(3)
        yield* World.restart(id)
        yield* World.passes("1 second")
        expect(yield* update(group, { work_mem: 77 })).toEqual([id])
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual({ work_mem: 77 })
        yield* update(group, { work_mem: 78 })
        yield* update(group, { work_mem: 79, jit: false })
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual({ work_mem: 79, jit: false })
      })
    )
  )

  it.effect("of an order is there when the database is, however much it asks for", () =>
    World.run(
      Effect.gen(function* () {
        const group = yield* aGroup({ ...live, ...restart })
        const id = yield* World.create(["shop"], group)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual({ ...live, ...restart })
        expect((yield* World.story(id)).filter((line) => line.includes("→"))).toEqual([
          "New → Building",
          "Building → Active"
        ])
      })
    )
  )

  it.effect("is there still when a crashed server was started again", () =>
    World.run(
      Effect.gen(function* () {
        const { id } = yield* attached(live)
        yield* World.passes("5 seconds")
        ;(yield* FakeDatabases).crash(id)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual(live)
      })
    )
  )

  it.effect("that asks for less than what a server came up with after a crash waits for a restart", () =>
    World.run(
      Effect.gen(function* () {
        for (const less of [{}, live]) {
          const { group, id } = yield* attached(restart)
          yield* World.passes("5 seconds")
          yield* isAtRest(id, "RESTART_REQUIRED")
          ;(yield* FakeDatabases).crash(id)
          yield* World.passes("20 seconds")
          expect(yield* settings(id)).toEqual(restart)
          yield* update(group, less)
          yield* World.passes("5 seconds")
          expect(yield* settings(id)).toEqual({ ...less, ...restart })
          yield* isAtRest(id, "RESTART_REQUIRED")
          expect(yield* World.restart(id)).toBe(true)
          yield* World.passes("5 seconds")
          yield* isAtRest(id, "ACTIVE")
          expect(yield* settings(id)).toEqual(less)
        }
      })
    )
  )
})

describe("a group with which the server does not run", () => {
  const shown = Effect.fnUntraced(function* (id: InstanceId) {
    return (yield* World.record(id)).configuration?.notApplied
  })

  it.effect("is taken back by the restart, which says so, and not tried again before it has changed", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const { group, id } = yield* attached(live)
        yield* World.passes("5 seconds")
        faults.fatal = fatal
        yield* update(group, restart)
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "RESTART_REQUIRED")
        yield* World.restart(id)
        yield* World.passes("20 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(servers.get(id)).toMatchObject({ running: true, settings: live })
        expect(servers.get(id)?.databases.has("shop")).toBe(true)
        const reason = "it has not got as much memory"
        expect(yield* World.story(id)).toContain(`the configuration group tuned was taken back: ${reason}`)
        expect(yield* shown(id)).toBe(reason)
        yield* World.restart(id)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual(live)
        yield* update(group, { max_connections: 41 })
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "RESTART_REQUIRED")
        yield* World.restart(id)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* settings(id)).toEqual({ max_connections: 41 })
        expect(yield* shown(id)).toBeNull()
      })
    )
  )

  it.effect("is taken back by the guest alone, where a server that waits for its restart crashes", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults, servers } = yield* FakeDatabases
        faults.fatal = fatal
        const { id } = yield* attached(restart)
        yield* World.passes("5 seconds")
        crash(id)
        yield* World.passes("20 seconds")
        expect(servers.get(id)).toMatchObject({ running: true, settings: {} })
        expect((yield* World.story(id)).some((line) => line.includes("the configuration was taken back"))).toBe(true)
        yield* World.restart(id)
        yield* World.passes("20 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* shown(id)).toBe("it has not got as much memory")
      })
    )
  )

  it.effect("is taken back from an order, which is carried out all the same", () =>
    World.run(
      Effect.gen(function* () {
        ;(yield* FakeDatabases).faults.fatal = fatal
        const id = yield* World.create(["shop"], yield* aGroup(restart))
        yield* World.passes("30 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* shown(id)).toBe("it has not got as much memory")
      })
    )
  )

  it.effect("is taken back at once where the running server refuses a value", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const { group, id } = yield* attached({ jit: false })
        yield* World.passes("5 seconds")
        faults.unwilling = "work_mem"
        yield* update(group, { jit: false, ...live })
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(servers.get(id)).toMatchObject({ settings: { jit: false }, file: { jit: false } })
        expect(yield* shown(id)).toBe("The database does not take work_mem.")
        expect((yield* becauses(id, ...left)).at(-1)).toBe(
          "the configuration failed: The database does not take work_mem."
        )
      })
    )
  )

  it.effect("is no reason, where the server does not start with what it had before either", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const { id } = yield* attached({ max_connections: 41 })
        yield* World.passes("5 seconds")
        faults.fatal = () => true
        yield* World.restart(id)
        yield* World.passes("60 seconds")
        faults.fatal = () => false
        yield* World.passes("2 minutes", "500 millis")
        expect(yield* settings(id)).toEqual({ max_connections: 41 })
        expect(yield* shown(id)).toBeNull()
      })
    )
  )
})

describe("a configuration that fails", () => {
  it.effect("for the guest cannot be reached leaves the instance in service, and a restart brings it", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        yield* loseGuest(id)
        yield* attach(id, yield* aGroup(live))
        yield* World.passes("120 seconds", "500 millis")
        yield* isAtRest(id, "RESTART_REQUIRED")
        expect(yield* becauses(id, ...left)).toEqual(["the configuration failed: The guest agent cannot be reached."])
      })
    )
  )

  it.effect("to end by its deadline ends then", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        yield* answerOverrides(id, Effect.never)
        yield* attach(id, yield* aGroup(live))
        yield* World.passes("11 minutes", "1 second")
        yield* isAtRest(id, "RESTART_REQUIRED")
      })
    )
  )
})
