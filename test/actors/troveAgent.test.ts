/**
 * Builds whose guest is one of Trove's agents. It is played: its reports are stamped later than those of our agent,
 * which is still busy with its own database and is no longer heard.
 */
import { expect, it } from "@effect/vitest"
import { Clock, Duration, Effect } from "effect"
import { ConductorApi, conductorTopic, type ServiceStatus } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

/** In seconds. */
const ahead = 1_000_000

const says = Effect.fnUntraced(function* (instance_id: InstanceId, service_status: ServiceStatus) {
  const sent = (yield* Clock.currentTimeMillis) / 1000 + ahead
  const conductor = (yield* Fabric).client(conductorTopic, ConductorApi)
  yield* conductor.heartbeat({ instance_id, payload: { service_status }, sent })
})

const fails = Effect.fnUntraced(function* (instance_id: InstanceId, message: string) {
  const notification_classname = "trove.common.notification.DBaaSInstanceCreate"
  const conductor = (yield* Fabric).client(conductorTopic, ConductorApi)
  yield* conductor.notify_exc_info({
    serialized_notification: { notification_classname, instance_id },
    message,
    exception: ["Traceback (most recent call last):\n", `TroveError: ${message}\n`]
  })
})

/** An instance that is being built, whose agent has begun. */
const begun = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  faults.startTime = Duration.hours(2)
  const id = yield* World.create(["shop"])
  yield* World.passes("3 seconds")
  yield* says(id, "building")
  yield* World.passes("27 seconds")
  expect(yield* World.status(id)).toBe("BUILD")
  return id
})

it.effect("is built when the agent says healthy", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* begun
      yield* says(id, "healthy")
      yield* World.passes("1 second")
      expect(yield* World.status(id)).toBe("ACTIVE")
      expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
    })
  )
)

it.effect("is built when the agent waits for the rest of its cluster", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* begun
      yield* says(id, "instance ready")
      yield* World.passes("1 second")
      expect(yield* World.status(id)).toBe("ACTIVE")
      expect(yield* World.operatingStatus(id)).toBe("BUILD")
    })
  )
)

it.effect("fails with the reason that the agent tells after it has said that it failed", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* begun
      yield* says(id, "failed to spawn")
      yield* World.passes("1 second")
      expect(yield* World.status(id)).toBe("BUILD")
      yield* fails(id, "There is no such image.")
      yield* World.passes("3 seconds")
      expect(yield* World.status(id)).toBe("ERROR")
      expect((yield* World.fault(id))?.message).toBe("There is no such image.")
      expect((yield* FakeDatabases).servers.size).toBe(0)
    })
  )
)

it.effect("fails as well when the agent never tells why", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* begun
      yield* says(id, "failed to spawn")
      yield* World.passes("4 seconds")
      expect(yield* World.status(id)).toBe("BUILD")
      yield* World.passes("5 seconds")
      expect(yield* World.status(id)).toBe("ERROR")
      expect((yield* World.fault(id))?.message).toBe("The database could not be started.")
    })
  )
)

it.effect("outlives a failure of the agent that becomes healthy after all, and the history tells of it", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* begun
      yield* fails(id, "The database shop could not be made.")
      yield* World.passes("1 minute", "1 second")
      expect(yield* World.status(id)).toBe("BUILD")
      yield* says(id, "healthy")
      yield* World.passes("1 second")
      expect(yield* World.status(id)).toBe("ACTIVE")
      expect(yield* World.story(id)).toContain(
        "the guest: instance create failed: The database shop could not be made."
      )
    })
  )
)

it.effect("and is then served without a doubt, though its heartbeats are 60 to 95 seconds apart", () =>
  World.run(
    Effect.gen(function* () {
      const id = yield* begun
      yield* says(id, "healthy")
      yield* World.passes("1 second")
      for (const gap of [60, 90, 63, 94.5, 94.5, 60]) {
        for (let second = 0; second < gap; second++) {
          yield* World.passes("1 second", "1 second")
          expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
        }
        yield* says(id, "healthy")
      }
      expect((yield* World.story(id)).filter((line) => line.includes("silent"))).toEqual([])
      yield* World.passes("4 minutes", "1 second")
      expect(yield* World.operatingStatus(id)).toBe("ERROR")
      expect((yield* World.story(id)).filter((line) => line.includes("silent"))).toHaveLength(1)
    })
  )
)
