/** The resize of an instance as an operation: held from the quota, done by machine and guest, and taken back where it fails. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, Result } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { QuotaExceeded } from "../../src/services/Instances.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import type { ResizeTarget } from "../../src/services/Resizes.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as Fleet from "../kit/Fleet.ts"
import * as World from "../kit/World.ts"
import { attempts, becauses, held, isOf, loseGuest, medium, serving } from "./inServiceOperations.ts"

const small: ResizeTarget = { _tag: "Flavor", flavor: "1", ram: 512 }
const volume = (size: number): ResizeTarget => ({ _tag: "Volume", size })

const cancel = Effect.fnUntraced(function* (id: InstanceId) {
  const lifecycles = yield* Lifecycles
  const { state } = Option.getOrThrow(yield* lifecycles.load(id))
  if (state._tag !== "Resizing") return expect.unreachable(`it is ${state._tag}`)
  yield* lifecycles.post(id, "cancel", { _tag: "Cancel", operation: state.operation, by: "ann" })
})

describe("a resize to another flavor", () => {
  it.effect("gives server and database what they are to have, with a restart, and shows RESIZE meanwhile", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        expect(yield* World.resize(id, medium)).toBe(true)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["RESIZE", ""])
        expect(yield* held).toEqual([512, 512, 1, 0])
        expect((yield* World.record(id)).desired.flavor).toBe("1")
        yield* World.passes("1 second")
        expect(yield* World.status(id)).toBe("RESIZE")
        yield* World.passes("5 seconds")
        yield* isOf(id, 1024, 1)
        expect(yield* becauses(id, "Resizing")).toEqual(["the instance has flavor 2"])
        expect(yield* attempts(id, "resize")).toEqual([
          "plan the resize 1 done",
          "resize the server 1 done",
          "apply the flavor 1 done",
          "restart the database 1 done",
          "report 1 done"
        ])
        expect(yield* World.resize(id, small)).toBe(true)
        expect(yield* held).toEqual([1024, 0, 1, 0])
        yield* World.passes("6 seconds")
        yield* isOf(id, 512, 1)
      })
    )
  )

  it.effect("is refused where the quota does not hold it, and nothing is held then", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* (yield* Quotas).setLimits(World.project, { ram: 1023 })
        expect(yield* Effect.result(World.resize(id, medium))).toEqual(
          Result.fail(new QuotaExceeded({ resources: ["ram"] }))
        )
        yield* isOf(id, 512, 1)
        yield* (yield* Quotas).setLimits(World.project, { ram: 1024 })
        expect(yield* World.resize(id, medium)).toBe(true)
        yield* World.passes("6 seconds")
        yield* isOf(id, 1024, 1)
      })
    )
  )

  it.effect("with which the server does not come up goes back, and the history says why", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        faults.mostMemory = 600
        yield* World.resize(id, medium)
        yield* World.passes("2 minutes", "500 millis")
        yield* isOf(id, 512, 1)
        expect(yield* becauses(id, "Resizing")).toEqual([
          "the resize failed: The database server could not be started."
        ])
        expect(yield* attempts(id, "resize")).toEqual(
          expect.arrayContaining(["give the server back its size 1 done", "give the database back its flavor 1 done"])
        )
        faults.mostMemory = Number.POSITIVE_INFINITY
        expect(yield* World.resize(id, medium)).toBe(true)
        yield* World.passes("6 seconds")
        yield* isOf(id, 1024, 1)
      })
    )
  )

  it.effect("that is called off goes back, and is RESIZE until it is back", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        faults.startTime = Duration.seconds(20)
        yield* World.resize(id, medium)
        yield* World.passes("2 seconds")
        yield* cancel(id)
        yield* World.passes("4 seconds")
        expect(yield* World.status(id)).toBe("RESIZE")
        expect(yield* held).toEqual([512, 512, 1, 0])
        yield* World.passes("2 minutes", "500 millis")
        yield* isOf(id, 512, 1)
        expect(yield* becauses(id, "Resizing")).toEqual([
          "the resize was called off by ann",
          "the resize failed: The resize was called off."
        ])
      })
    )
  )

  it.effect("goes back by one restart, however slowly the database comes up", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        faults.startTime = Duration.seconds(100)
        yield* World.resize(id, medium)
        yield* World.passes("2 seconds")
        // Its database comes up with what it is to have, and once more with what it had.
        yield* cancel(id)
        yield* World.passes("210 seconds", "500 millis")
        yield* isOf(id, 512, 1)
        const ways = (yield* attempts(id, "resize")).filter((line) =>
          line.startsWith("give the database back its flavor")
        )
        expect(ways).toEqual(["give the database back its flavor 1 done"])
      })
    )
  )

  it.effect("goes back where its database takes longer than anybody waits for an answer", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        yield* World.resize(id, medium)
        yield* World.passes("2 seconds")
        yield* cancel(id)
        yield* World.passes("3 seconds", "20 millis")
        faults.startTime = Duration.seconds(200)
        yield* World.passes("15 minutes", "1 second")
        yield* isOf(id, 512, 1)
      })
    )
  )

  it.effect("goes back when its machine is there again", () =>
    Fleet.run(
      Effect.gen(function* () {
        const machine = yield* Fleet.machine("one", "10.1.0.0/24")
        yield* machine.start
        yield* World.passes("1 second")
        const id = yield* World.create(["shop"])
        yield* World.passes("5 seconds")
        machine.databases.faults.startTime = Duration.seconds(3)
        yield* World.resize(id, medium)
        yield* World.passes("2 seconds")
        yield* cancel(id)
        yield* machine.cut
        yield* World.passes("2 minutes", "500 millis")
        expect(yield* World.status(id)).toBe("RESIZE")
        yield* machine.start
        yield* World.passes("2 minutes", "500 millis")
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
        expect(machine.databases.servers.get(id)).toMatchObject({ running: true, memoryMb: 512, fileMb: 512 })
      })
    )
  )

  it.effect("is not taken back from what was asked for meanwhile", () =>
    Fleet.run(
      Effect.gen(function* () {
        const machine = yield* Fleet.machine("one", "10.1.0.0/24")
        yield* machine.start
        yield* World.passes("1 second")
        const id = yield* World.create(["shop"])
        yield* World.passes("5 seconds")
        yield* World.resize(id, medium)
        yield* World.passes("300 millis")
        yield* cancel(id)
        yield* machine.cut
        yield* World.passes("20 seconds", "500 millis")
        yield* World.remove(id)
        yield* machine.start
        yield* World.passes("1 minute", "500 millis")
        expect(yield* World.status(id)).toBeNull()
        expect(machine.databases.servers.size).toBe(0)
      })
    )
  )

  it.effect("whose guest cannot be reached is given up, holds nothing any more, and waits for a restart", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* loseGuest(id)
        yield* World.resize(id, medium)
        yield* World.passes("40 minutes", "5 seconds")
        expect(yield* World.status(id)).toBe("RESTART_REQUIRED")
        expect(yield* held).toEqual([512, 0, 1, 0])
        expect((yield* World.record(id)).desired.flavor).toBe("1")
      })
    )
  )
})

describe("a resize of the volume", () => {
  it.effect("grows it, and cuts nobody off", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        expect(yield* World.resize(id, volume(3))).toBe(true)
        expect(yield* World.status(id)).toBe("RESIZE")
        expect(yield* held).toEqual([512, 0, 1, 2])
        yield* World.passes("2 seconds")
        yield* isOf(id, 512, 3)
        expect(yield* becauses(id, "Resizing")).toEqual(["the instance has a volume of 3 GB"])
        expect(yield* attempts(id, "resize")).toEqual([
          "plan the resize 1 done",
          "resize the server 1 done",
          "look at the database 1 done",
          "report 1 done"
        ])
      })
    )
  )

  it.effect("is done where the database is down, which comes up again then", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults } = yield* FakeDatabases
        const id = yield* serving
        faults.mostMemory = 1
        crash(id)
        yield* World.passes("10 seconds")
        expect(yield* World.operatingStatus(id)).toBe("SHUTDOWN")
        yield* World.resize(id, volume(2))
        faults.mostMemory = Number.POSITIVE_INFINITY
        yield* World.passes("1 minute")
        yield* isOf(id, 512, 2)
      })
    )
  )

  it.effect("is done where the database stays down, and the history says so", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults } = yield* FakeDatabases
        const id = yield* serving
        faults.mostMemory = 1
        crash(id)
        yield* World.passes("10 seconds")
        yield* World.resize(id, volume(2))
        yield* World.passes("5 minutes", "1 second")
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "SHUTDOWN"])
        expect((yield* World.record(id)).desired.volumeSize).toBe(2)
        expect(yield* held).toEqual([512, 0, 2, 0])
        expect(yield* World.story(id)).toContain(
          "the volume has grown, and the database did not come up yet: The database server could not be started."
        )
      })
    )
  )
})
