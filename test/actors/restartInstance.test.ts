/** The restart of an instance: what the guest does, and what it comes to. What all operations do is in inService.test.ts. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { operationId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { answerRestart, attempts, becauses, isBack, loseGuest, serving } from "./inServiceOperations.ts"

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
        expect(yield* attempts(id, "restart")).toEqual(["restart the database 1 done", "report 1 done"])
        expect(yield* becauses(id, "Restarting")).toEqual(["the database was restarted"])
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

  it.effect("is done again when it is asked for again", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        for (let n = 0; n < 2; n++) {
          expect(yield* World.restart(id)).toBe(true)
          yield* World.passes("5 seconds")
          yield* isBack(id)
        }
        expect(yield* becauses(id, "Restarting")).toEqual(["the database was restarted", "the database was restarted"])
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
        expect(yield* becauses(id, "Restarting")).toEqual(["the restart failed: The guest agent cannot be reached."])
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
        yield* answerRestart(id, Effect.void)
        yield* World.passes("3 seconds")
        yield* isBack(id)
        expect(yield* becauses(id, "Restarting")).toEqual(["the database was restarted"])
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
        expect(yield* becauses(id, "Restarting")).toEqual(["the restart failed: The volume is full."])
        expect(yield* attempts(id, "restart")).toEqual(["restart the database 1 failed"])
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
        yield* answerRestart(id, silence)
        yield* World.restart(id)
        yield* World.passes("179 seconds", "500 millis")
        expect(yield* World.status(id)).toBe("REBOOT")
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect(yield* becauses(id, "Restarting")).toEqual([
          "the restart failed: The guest agent did not tell how it went."
        ])
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
        yield* answerRestart(id, silence)
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
        expect(yield* becauses(id, "Restarting")).toEqual([
          'the restart passed its deadline: in the step "restart the database" it waited for the guest agent to stop the database and start it again, until a client can log in'
        ])
        expect(yield* attempts(id, "restart")).toEqual(["restart the database 1 failed"])
        yield* World.passes("5 minutes", "1 second")
        expect([yield* World.status(id), asked]).toEqual(["ACTIVE", 1])
      })
    )
  )
})
