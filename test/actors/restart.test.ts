/** A restart that was asked for, through the guest agent and back, on virtual time. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, GuestRefusal, guestTopic } from "../../src/services/GuestApi.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { serving } from "./inServiceOperations.ts"

const restart = Effect.fnUntraced(function* (id: InstanceId) {
  yield* (yield* Fabric).client(guestTopic(id), GuestApi).restart({})
})

const crashes = Effect.fnUntraced(function* (id: InstanceId) {
  return (yield* World.story(id)).filter((line) => line.includes("crash"))
})

it.effect("stops the database and is answered when a client can log in again; nobody takes it for a crash", () =>
  World.run(
    Effect.gen(function* () {
      const { servers } = yield* FakeDatabases
      const id = yield* serving
      const asked = yield* Effect.forkChild(restart(id))
      yield* World.passes("2900 millis")
      expect(servers.get(id)?.running).toBe(false)
      expect(yield* World.operatingStatus(id)).toBe("RESTARTING")
      expect(asked.pollUnsafe()).toBeUndefined()
      yield* World.passes("200 millis")
      yield* Fiber.join(asked)
      expect(servers.get(id)?.running).toBe(true)
      yield* World.passes("3 seconds")
      expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
      const story = yield* World.story(id)
      expect(story).toContain("the guest: the database is being restarted")
      expect(story).toContain("the guest: the database was restarted")
      expect(yield* crashes(id)).toEqual([])
      expect(servers.get(id)?.databases.has("shop")).toBe(true)
    })
  )
)

it.effect("asked for twice at once is done twice, one after the other", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* serving
      const asked = yield* Effect.forkChild(Effect.all([restart(id), restart(id)], { concurrency: 2 }))
      yield* World.passes("5 seconds")
      expect(yield* World.operatingStatus(id)).toBe("RESTARTING")
      yield* World.passes("2 seconds")
      yield* Fiber.join(asked)
      expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
      const story = yield* World.story(id)
      expect(story.filter((line) => line === "the guest: the database was restarted")).toHaveLength(2)
      expect(yield* crashes(id)).toEqual([])
    })
  )
)

it.effect("brings a database back that is down", () =>
  World.run(
    Effect.gen(function* () {
      const { crash, servers } = yield* FakeDatabases
      const id = yield* serving
      crash(id)
      const asked = yield* Effect.forkChild(restart(id))
      yield* World.passes("8 seconds")
      yield* Fiber.join(asked)
      expect(servers.get(id)?.running).toBe(true)
      expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
    })
  )
)

it.effect("is refused before there is a database", () =>
  World.run(
    Effect.gen(function* () {
      const { faults } = yield* FakeDatabases
      faults.startTime = Duration.hours(1)
      const id = yield* World.create()
      yield* World.passes("5 seconds")
      const refusal = yield* Effect.flip(restart(id))
      expect(refusal).toEqual(new GuestRefusal({ message: "There is no database yet." }))
    })
  )
)

it.effect("that fails is refused with the reason, and the agent goes on trying", () =>
  World.run(
    Effect.gen(function* () {
      const { faults } = yield* FakeDatabases
      const id = yield* serving
      faults.startFails = new RuntimeError({ message: "The volume is full.", detail: "28", transient: false })
      const asked = yield* Effect.forkChild(Effect.flip(restart(id)))
      yield* World.passes("3 seconds")
      expect(yield* Fiber.join(asked)).toEqual(new GuestRefusal({ message: "The volume is full." }))
      expect(yield* World.operatingStatus(id)).toBe("SHUTDOWN")
      faults.startFails = null
      yield* World.passes("10 seconds")
      expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
    })
  )
)

it.effect("is given up before whoever asked gives up, and the database comes back all the same", () =>
  World.run(
    Effect.gen(function* () {
      const { faults } = yield* FakeDatabases
      const id = yield* serving
      faults.startTime = Duration.minutes(5)
      const asked = yield* Effect.forkChild(Effect.flip(restart(id)))
      yield* World.passes("175 seconds", "1 second")
      expect(yield* Fiber.join(asked)).toMatchObject({
        _tag: "GuestRefusal",
        message: "The database was not restarted within 2m 50s."
      })
      yield* World.passes("6 minutes", "1 second")
      expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
    })
  )
)
