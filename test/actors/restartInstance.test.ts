/** The restart of an instance as an operation: asked of the store, done by the guest, told in the history. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Option, type Scope } from "effect"
import { RpcGroup } from "effect/rpc"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { call } from "../../src/services/Contract.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestRefusal, guestTopic } from "../../src/services/GuestApi.ts"
import { type InstanceId, operationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

/** A database that serves, and takes three seconds for its next start. */
const serving = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
  faults.startTime = Duration.seconds(3)
  return id
})

const isBack = Effect.fnUntraced(function* (id: InstanceId) {
  const { servers } = yield* FakeDatabases
  expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
  expect(servers.get(id)).toMatchObject({ running: true })
  expect(servers.get(id)?.databases.has("shop")).toBe(true)
  expect(yield* World.unfinished(id)).toEqual([])
})

/** Why the instance went back to where it was. */
const becauses = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) => (entry.kind === "transition" && entry.from === "Restarting" ? [entry.because] : []))
})

/** What the steps of the restart came to, in order. */
const attempts = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) =>
    entry.kind === "step" && entry.operationName === "restart"
      ? [`${entry.step} ${entry.attempt} ${entry.outcome}`]
      : []
  )
})

const RestartOnly = RpcGroup.make(call("restart", {}, { error: GuestRefusal, timeout: "180 seconds" }))

/** Speaks for the guest for as long as the scope is open; then nobody does. */
const speakFor = (id: InstanceId, restart: Effect.Effect<void, GuestRefusal>) =>
  Effect.flatMap(Fabric, (fabric) => fabric.serve(guestTopic(id), RestartOnly, { restart: () => restart }))

const loseGuest = (id: InstanceId) => Effect.scoped(speakFor(id, Effect.void))

describe("a restart", () => {
  it.effect("stops the database and starts it again; it shows REBOOT meanwhile, and keeps its data", () =>
    World.run(
      Effect.gen(function* () {
        const { servers } = yield* FakeDatabases
        const id = yield* serving
        expect(yield* World.restart(id)).toBe(true)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["REBOOT", ""])
        yield* World.passes("2900 millis")
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["REBOOT", ""])
        expect(servers.get(id)?.running).toBe(false)
        yield* World.passes("2 seconds")
        yield* isBack(id)
        expect(yield* attempts(id)).toEqual(["restart the database 1 done", "report 1 done"])
        expect(yield* becauses(id)).toEqual(["the database was restarted"])
        expect(yield* World.story(id)).toEqual(
          expect.arrayContaining([
            "Active → Restarting",
            "Restarting → Active",
            "the guest: the database was restarted"
          ])
        )
      })
    )
  )

  it.effect("asked for twice is done once, and then again when it is asked for again", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        const asked = yield* Effect.all([World.restart(id), World.restart(id)], { concurrency: 2 })
        expect(asked.toSorted()).toEqual([false, true])
        yield* World.passes("2 seconds")
        expect(yield* World.restart(id)).toBe(false)
        yield* World.passes("3 seconds")
        yield* isBack(id)
        expect(yield* World.restart(id)).toBe(true)
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect(yield* becauses(id)).toEqual(["the database was restarted", "the database was restarted"])
      })
    )
  )

  it.effect("is done although the news of it was lost", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* (yield* Instances).requestRestart(id)
        yield* World.passes("10 seconds")
        yield* isBack(id)
        expect(yield* becauses(id)).toEqual(["the database was restarted"])
      })
    )
  )

  it.effect("is refused of what is not in service", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.create()
        expect(yield* World.restart(id)).toBe(false)
        yield* World.passes("5 seconds")
        yield* World.remove(id)
        expect(yield* World.restart(id)).toBe(false)
        yield* World.passes("5 seconds")
        expect(yield* World.restart(id)).toBe(false)
        expect(yield* World.status(id)).toBeNull()
      })
    )
  )
})

describe("a restart that fails", () => {
  it.effect("for the guest cannot be reached is tried for a while, and leaves the instance in service", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* loseGuest(id)
        yield* World.restart(id)
        yield* World.passes("100 seconds", "500 millis")
        expect(yield* World.status(id)).toBe("REBOOT")
        yield* World.passes("10 seconds")
        yield* isBack(id)
        expect(yield* becauses(id)).toEqual(["the restart failed: The guest agent cannot be reached."])
        const tried = (yield* World.entries(id)).filter((entry) => entry.kind === "step" && entry.outcome === "failed")
        expect(tried).toHaveLength(5)
        expect(tried.at(-1)).toMatchObject({
          operationName: "restart",
          step: "restart the database",
          error: "The guest agent cannot be reached.",
          detail: expect.stringContaining("Unreachable")
        })
        expect(yield* World.fault(id)).toBeNull()
      })
    )
  )

  it.effect("only at first, for the guest was away, is done", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* loseGuest(id)
        yield* World.restart(id)
        yield* World.passes("30 seconds")
        yield* speakFor(id, Effect.void)
        yield* World.passes("3 seconds")
        yield* isBack(id)
        expect(yield* becauses(id)).toEqual(["the database was restarted"])
      })
    )
  )

  it.effect("for the guest refuses is not tried again, and the reason is the guest's", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        faults.startFails = new RuntimeError({ message: "The volume is full.", detail: "28", transient: false })
        yield* World.restart(id)
        yield* World.passes("5 seconds")
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "SHUTDOWN"])
        expect(yield* becauses(id)).toEqual(["the restart failed: The volume is full."])
        expect(yield* attempts(id)).toEqual(["restart the database 1 failed"])
        // The agent goes on trying, as after a crash, and a restart can be asked for again.
        faults.startFails = null
        expect(yield* World.restart(id)).toBe(true)
        yield* World.passes("40 seconds")
        yield* isBack(id)
      })
    )
  )

  it.effect("for the guest does not answer is not asked for twice: it may have happened", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        let asked = 0
        const silence = Effect.andThen(
          Effect.sync(() => asked++),
          Effect.never
        )
        yield* speakFor(id, silence)
        yield* World.restart(id)
        yield* World.passes("179 seconds", "500 millis")
        expect(yield* World.status(id)).toBe("REBOOT")
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect(yield* becauses(id)).toEqual(["the restart failed: The guest agent did not tell how it went."])
        expect(asked).toBe(1)
      })
    )
  )

  it.effect("to end by its deadline ends then, and asks the guest for nothing any more", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        let asked = 0
        const silence = Effect.andThen(
          Effect.sync(() => asked++),
          Effect.never
        )
        yield* speakFor(id, silence)
        // What is left when a process dies after its decision and before the work that it asks for.
        const lifecycles = yield* Lifecycles
        const { generation } = Option.getOrThrow(yield* lifecycles.load(id))
        const deadline = (yield* Clock.currentTimeMillis) + 30_000
        const state = { _tag: "Restarting" as const, operation: operationId("restart", "late"), deadline }
        yield* lifecycles.commit(id, { generation, state, transition: null, handled: [] })
        yield* World.passes("29 seconds")
        expect([yield* World.status(id), asked]).toEqual(["REBOOT", 1])
        yield* World.passes("10 seconds")
        yield* isBack(id)
        expect(yield* becauses(id)).toEqual([
          'the restart passed its deadline: in the step "restart the database" it waited for the guest agent to stop the database and start it again, until a client can log in'
        ])
        expect(yield* attempts(id)).toEqual(["restart the database 1 failed"])
        yield* World.passes("5 minutes", "1 second")
        expect([yield* World.status(id), asked]).toEqual(["ACTIVE", 1])
      })
    )
  )
})

const steps = ["restart the database", "report"]

describe("a process that is killed in a restart", () => {
  for (const step of steps) {
    for (const call of ["started", "ended"] as const) {
      it.effect(`when "${step}" has ${call} leaves a restart that goes on`, () => {
        let restarting = false
        return World.runWithDeath(
          (at, name) => restarting && at === call && name === step,
          Effect.gen(function* () {
            const id = yield* serving
            restarting = true
            yield* World.restart(id)
            yield* World.passes("5 seconds")
            return id
          }),
          (id) =>
            Effect.gen(function* () {
              yield* World.passes("30 seconds")
              yield* isBack(id)
              expect((yield* FakeDatabases).initialised(id)).toBe(1)
              expect(yield* becauses(id)).toEqual(["the database was restarted"])
            })
        )
      })
    }
  }
})

describe("a store that is away for a moment", () => {
  for (const step of steps) {
    it.effect(`while "${step}" runs does not make the restart fail`, () => {
      let outage = 0
      return World.runWithOutage(
        (name) => name === step && outage-- > 0,
        Effect.gen(function* () {
          const id = yield* serving
          outage = 2
          yield* World.restart(id)
          yield* World.passes("20 seconds")
          expect(outage).toBeLessThanOrEqual(0)
          expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
          expect(yield* becauses(id)).toEqual(["the database was restarted"])
        })
      )
    })
  }
})

describe("a delete", () => {
  const isGone = Effect.fnUntraced(function* (id: InstanceId) {
    expect(yield* World.status(id)).toBeNull()
    expect((yield* FakeDatabases).servers.size).toBe(0)
    expect(yield* World.unfinished(id)).toEqual([])
  })

  for (const step of steps) {
    for (const call of ["started", "ended"] as const) {
      it.effect(`at the moment that "${step}" of a restart has ${call} leaves nothing`, () => {
        let restarting = false
        return World.runWithDelete(
          (at, name) => restarting && at === call && name === step,
          Effect.gen(function* () {
            const id = yield* serving
            restarting = true
            yield* World.restart(id)
            yield* World.passes("20 seconds")
            yield* isGone(id)
          })
        )
      })
    }
  }

  const withoutAnEnd: ReadonlyArray<
    readonly [string, (id: InstanceId) => Effect.Effect<void, never, Fabric | Scope.Scope>]
  > = [
    ["does not come to its end", (id) => speakFor(id, Effect.never)],
    ["waits for its guest", loseGuest]
  ]

  for (const [what, spoil] of withoutAnEnd) {
    it.effect(`does not wait for a restart that ${what}`, () =>
      World.run(
        Effect.gen(function* () {
          const id = yield* serving
          yield* spoil(id)
          yield* World.restart(id)
          yield* World.passes("50 seconds")
          yield* World.remove(id)
          expect(yield* World.status(id)).toBe("SHUTDOWN")
          yield* World.passes("10 seconds")
          yield* isGone(id)
          expect(yield* World.story(id)).toEqual(
            expect.arrayContaining([
              "Restarting → Deleting",
              "delete: call off what ran before done",
              "Deleting → Deleted"
            ])
          )
        })
      )
    )
  }

  for (const millis of [0, 100, 1000, 2900, 3000, 3100]) {
    it.effect(`${millis} ms into a restart leaves nothing`, () =>
      World.run(
        Effect.gen(function* () {
          const id = yield* serving
          yield* World.restart(id)
          yield* World.passes(Duration.millis(millis), "10 millis")
          yield* World.remove(id)
          expect(yield* World.status(id)).toBe("SHUTDOWN")
          yield* World.passes("10 seconds")
          yield* isGone(id)
        })
      )
    )
  }
})
