/** The resize of an instance as an operation: held from the quota, done by machine and guest, and taken back where it fails. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, Result, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import { call } from "../../src/services/Contract.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { guestTopic } from "../../src/services/GuestApi.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { QuotaExceeded } from "../../src/services/Instances.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { Resizes, type ResizeTarget } from "../../src/services/Resizes.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as Fleet from "../kit/Fleet.ts"
import * as World from "../kit/World.ts"

const medium: ResizeTarget = { _tag: "Flavor", flavor: "2", ram: 1024 }
const small: ResizeTarget = { _tag: "Flavor", flavor: "1", ram: 512 }
const volume = (size: number): ResizeTarget => ({ _tag: "Volume", size })

/** A database of the small flavor that serves, and takes three seconds for its next start. */
const serving = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
  faults.startTime = Duration.seconds(3)
  return id
})

/** What the project holds, in use and reserved. */
const held = Effect.gen(function* () {
  const usage = yield* (yield* Quotas).usage(World.project)
  const of = (resource: string) => usage.find((one) => one.resource === resource)
  return [of("ram")?.inUse, of("ram")?.reserved, of("volumes")?.inUse, of("volumes")?.reserved]
})

/** At rest with this size, everywhere where it is known; and with nothing held beyond it. */
const isOf = Effect.fnUntraced(function* (id: InstanceId, memoryMb: number, volumeSize: number) {
  const { servers } = yield* FakeDatabases
  expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
  const { desired } = yield* World.record(id)
  expect(desired).toMatchObject({ flavor: memoryMb === 512 ? "1" : "2", ram: memoryMb, volumeSize })
  const home = Option.getOrThrow(yield* (yield* GuestHosts).find(id))
  expect(home.spec).toMatchObject({ memoryMb, vcpus: memoryMb / 512, volumeSize })
  expect(servers.get(id)).toMatchObject({ running: true, memoryMb, fileMb: memoryMb, limitMb: memoryMb })
  expect(servers.get(id)?.databases.has("shop")).toBe(true)
  expect(yield* held).toEqual([memoryMb, 0, volumeSize, 0])
  expect(yield* World.unfinished(id)).toEqual([])
})

/** Why the instance went on from Resizing. */
const becauses = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) => (entry.kind === "transition" && entry.from === "Resizing" ? [entry.because] : []))
})

/** What the steps of the resize came to, in order. */
const attempts = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) =>
    entry.kind === "step" && entry.operationName === "resize" ? [`${entry.step} ${entry.outcome}`] : []
  )
})

const Silent = RpcGroup.make(call("rpc_ping", {}, { success: Schema.Boolean, timeout: "15 seconds" }))

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
        expect(yield* becauses(id)).toEqual(["the instance has flavor 2"])
        expect(yield* attempts(id)).toEqual([
          "plan the resize done",
          "resize the server done",
          "apply the flavor done",
          "restart the database done",
          "report done"
        ])
        expect(yield* World.resize(id, small)).toBe(true)
        expect(yield* held).toEqual([1024, 0, 1, 0])
        yield* World.passes("6 seconds")
        yield* isOf(id, 512, 1)
      })
    )
  )

  it.effect("is one at a time, and none while a restart is under way", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        const asked = yield* Effect.all([World.resize(id, medium), World.resize(id, medium)], { concurrency: 2 })
        expect(asked.toSorted()).toEqual([false, true])
        expect(yield* World.restart(id)).toBe(false)
        yield* World.passes("6 seconds")
        yield* isOf(id, 1024, 1)
        expect(yield* World.restart(id)).toBe(true)
        expect(yield* World.resize(id, small)).toBe(false)
        yield* World.passes("6 seconds")
        yield* isOf(id, 1024, 1)
      })
    )
  )

  it.effect("is done although the news of it was lost", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* (yield* Resizes).request(id, (yield* World.record(id)).desired, medium)
        yield* World.passes("12 seconds")
        yield* isOf(id, 1024, 1)
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
        expect(yield* becauses(id)).toEqual(["the resize failed: The database server could not be started."])
        expect(yield* attempts(id)).toEqual(
          expect.arrayContaining(["give the server back its size done", "give the database back its flavor done"])
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
        expect(yield* becauses(id)).toEqual([
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
        const ways = (yield* attempts(id)).filter((line) => line.startsWith("give the database back its flavor"))
        expect(ways).toEqual(["give the database back its flavor done"])
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
        // Somebody else speaks for the guest for a while, and is not heard any more then: nobody speaks for it.
        const fabric = yield* Fabric
        yield* Effect.scoped(fabric.serve(guestTopic(id), Silent, { rpc_ping: () => Effect.succeed(true) }))
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
        expect(yield* becauses(id)).toEqual(["the instance has a volume of 3 GB"])
        expect(yield* attempts(id)).toEqual([
          "plan the resize done",
          "resize the server done",
          "look at the database done",
          "report done"
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

const steps = ["plan the resize", "resize the server", "apply the flavor", "restart the database", "report"]

describe("a process that is killed in a resize", () => {
  for (const step of steps) {
    for (const call of ["started", "ended"] as const) {
      it.effect(`when "${step}" has ${call} leaves a resize that goes on`, () => {
        let resizing = false
        return World.runWithDeath(
          (at, name) => resizing && at === call && name === step,
          Effect.gen(function* () {
            const id = yield* serving
            resizing = true
            yield* World.resize(id, medium)
            yield* World.passes("10 seconds")
            return id
          }),
          (id) =>
            Effect.gen(function* () {
              yield* World.passes("40 seconds")
              yield* isOf(id, 1024, 1)
              expect(yield* becauses(id)).toEqual(["the instance has flavor 2"])
            })
        )
      })
    }
  }
})

describe("a delete", () => {
  for (const step of steps) {
    for (const call of ["started", "ended"] as const) {
      it.effect(`at the moment that "${step}" of a resize has ${call} leaves nothing`, () => {
        let resizing = false
        return World.runWithDelete(
          (at, name) => resizing && at === call && name === step,
          Effect.gen(function* () {
            const id = yield* serving
            resizing = true
            yield* World.resize(id, medium)
            yield* World.passes("30 seconds")
            expect(yield* World.status(id)).toBeNull()
            expect((yield* FakeDatabases).servers.size).toBe(0)
            expect(yield* held).toEqual([0, 0, 0, 0])
            expect(yield* World.unfinished(id)).toEqual([])
          })
        )
      })
    }
  }
})
