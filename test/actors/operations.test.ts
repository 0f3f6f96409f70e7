/** What an operator asks of operations, through mailbox, machine and workflows, on virtual time. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { type Action, OperatorRequests } from "../../src/actors/OperatorRequests.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { type InstanceId, OperationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { Placements } from "../../src/services/Placements.ts"
import { ProvisioningStore } from "../../src/services/Provisioning.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

const ask = (id: InstanceId, action: Action) =>
  Effect.flatMap(OperatorRequests, (requests) => requests.ask(id, action, "ann"))

const refusal = (id: InstanceId, action: Action) =>
  Effect.map(Effect.flip(ask(id, action)), (error) => ("why" in error ? error.why : error._tag))

const run = <A, E>(test: Effect.Effect<A, E, World.World | OperatorRequests>) =>
  World.run(Effect.provide(test, OperatorRequests.layer))

const stuck = (transient: boolean) => new RuntimeError({ message: "The volume is stuck.", detail: "disk", transient })

const held = Effect.flatMap(Quotas, (quotas) =>
  Effect.map(quotas.usage(World.project), (usage) =>
    usage.flatMap(({ inUse, reserved, resource }) => (resource === "instances" ? [inUse, reserved] : []))
  )
)

const building = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  faults.startTime = Duration.hours(1)
  const id = yield* World.create(["shop"])
  yield* World.passes("2 seconds")
  return id
})

const up = Effect.gen(function* () {
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  expect(yield* World.status(id)).toBe("ACTIVE")
  return id
})

/** A delete that has failed for good, with a server left behind. */
const undeleted = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  const id = yield* up
  faults.removeFails = stuck(false)
  yield* World.remove(id)
  yield* World.passes("5 seconds")
  expect(yield* World.status(id)).toBe("ERROR")
  return id
})

describe("cancel", () => {
  it.effect("calls a build off: what it made is taken back, and it ends in ERROR; who asked is told", () =>
    run(
      Effect.gen(function* () {
        const { servers } = yield* FakeDatabases
        const id = yield* building
        yield* ask(id, "cancel")
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* World.fault(id))?.message).toContain("called off by an operator")
        expect(servers.size).toBe(0)
        expect(Option.isNone(yield* (yield* Placements).find(id))).toBe(true)
        expect(yield* World.unfinished(id)).toEqual([])
        const entries = yield* World.entries(id)
        expect(entries).toContainEqual(expect.objectContaining({ text: "asked for by the operator ann: cancel" }))
        expect(entries).toContainEqual(expect.objectContaining({ because: "called off by ann", to: "Failed" }))
        expect(yield* refusal(id, "cancel")).toBe("It is in ERROR, and nothing of it is under way.")
      })
    )
  )

  it.effect("ends the pause of a step that waits for its next attempt", () =>
    run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* up
        faults.removeFails = stuck(true)
        yield* World.remove(id)
        // Far on in the retries a pause is 30 seconds long.
        yield* World.passes("70 seconds")
        yield* ask(id, "cancel")
        yield* World.passes("10 seconds")
        const lifecycles = yield* Lifecycles
        expect(Option.getOrThrow(yield* lifecycles.load(id)).state).toMatchObject({ _tag: "Failed", previous: null })
        faults.removeFails = null
        yield* ask(id, "retry")
        yield* World.passes("10 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect((yield* FakeDatabases).servers.size).toBe(0)
      })
    )
  )

  it.effect("of a delete lasts until what the delete had called off has come to its end", () =>
    run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const { load } = yield* Lifecycles
        const id = yield* building
        faults.removeFails = stuck(true)
        yield* World.remove(id)
        yield* World.passes("2 seconds")
        yield* ask(id, "cancel")
        yield* World.passes("2 seconds")
        expect(Option.getOrThrow(yield* load(id)).state).toMatchObject({ previous: expect.stringContaining("delete-") })
        expect(yield* refusal(id, "compensate")).toBe("What was called off has not come to its end yet.")
        faults.removeFails = null
        yield* World.passes("20 seconds")
        expect(Option.getOrThrow(yield* load(id)).state).toMatchObject({ _tag: "Failed", previous: null })
        expect(yield* World.unfinished(id)).toEqual([])
        expect(servers.size).toBe(0)
      })
    )
  )

  it.effect("leaves a restarting instance in service", () =>
    run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* up
        faults.startTime = Duration.minutes(2)
        yield* World.restart(id)
        yield* World.passes("5 seconds")
        yield* ask(id, "cancel")
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBe("ACTIVE")
        expect(yield* World.unfinished(id)).toEqual([])
        expect(yield* World.entries(id)).toContainEqual(
          expect.objectContaining({ because: "the restart was called off by ann" })
        )
      })
    )
  )

  it.effect("asked for twice at once is done once, and means no operation that comes later", () =>
    run(
      Effect.gen(function* () {
        const id = yield* building
        yield* Effect.all([ask(id, "cancel"), ask(id, "cancel")], { concurrency: 2 })
        yield* World.passes("5 seconds")
        const entries = yield* World.entries(id)
        expect(
          entries.filter((entry) => entry.kind === "transition" && entry.because === "called off by ann")
        ).toHaveLength(1)
        expect(entries.filter((entry) => entry.kind === "report" && entry.text.includes("operator ann"))).toHaveLength(
          1
        )
        yield* (yield* Lifecycles).post(id, "late", {
          _tag: "Cancel",
          operation: OperationId.make("build-long-ago"),
          by: "ann"
        })
        yield* ask(id, "retry")
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBe("BUILD")
      })
    )
  )
})

describe("retry", () => {
  it.effect("builds anew under the same id what has failed, with what was ordered and the quota that it holds", () =>
    run(
      Effect.gen(function* () {
        const { faults, initialised, servers } = yield* FakeDatabases
        const id = yield* building
        yield* ask(id, "cancel")
        yield* World.passes("5 seconds")
        expect(yield* held).toEqual([0, 1])
        expect((yield* (yield* ProvisioningStore).open(id)).databases).toEqual([{ name: "shop" }])
        faults.startTime = Duration.seconds(1)
        yield* ask(id, "retry")
        yield* World.passes("20 seconds")
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
        expect(servers.get(id)?.databases.has("shop")).toBe(true)
        expect(servers.size).toBe(1)
        expect(initialised(id)).toBeGreaterThan(0)
        expect(yield* held).toEqual([1, 0])
        expect(yield* (yield* ProvisioningStore).open(id)).toEqual({ databases: [], users: [] })
        expect(yield* World.story(id)).toContain("build: remove the server of the build before done")
        yield* World.remove(id)
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(yield* held).toEqual([0, 0])
      })
    )
  )

  it.effect("takes back first what the failed build could not", () =>
    run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const id = yield* building
        faults.removeFails = stuck(false)
        yield* ask(id, "cancel")
        yield* World.passes("10 seconds")
        const { find } = yield* Placements
        expect(Option.isSome(yield* find(id))).toBe(true)
        faults.removeFails = null
        faults.startTime = Duration.seconds(1)
        yield* ask(id, "retry")
        yield* World.passes("20 seconds")
        expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
        expect(servers.size).toBe(1)
      })
    )
  )

  it.effect("is not taken in by the guest of the build before", () =>
    run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* building
        faults.removeFails = stuck(false)
        yield* ask(id, "cancel")
        yield* World.passes("10 seconds")
        faults.removeFails = stuck(true)
        yield* ask(id, "retry")
        const now = yield* Clock.currentTimeMillis
        yield* (yield* Observations).record([{ instance: id, status: "healthy", sent: now, receivedAt: now }])
        yield* World.passes("2 seconds")
        faults.removeFails = null
        yield* World.passes("20 seconds")
        expect(yield* World.story(id)).toContain("build: wait for the database running")
        expect(yield* World.status(id)).toBe("BUILD")
      })
    )
  )

  it.effect("is refused while what was called off has not ended, and where nothing has failed", () =>
    run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const other = yield* up
        expect(yield* refusal(other, "retry")).toContain("in service")
        const id = yield* building
        expect(yield* refusal(id, "retry")).toContain("tries again by itself")
        faults.removeFails = stuck(true)
        yield* ask(id, "cancel")
        yield* World.passes("2 seconds")
        expect(yield* refusal(id, "retry")).toBe("What was called off has not come to its end yet.")
        expect(yield* refusal(id, "compensate")).toBe("What was called off has not come to its end yet.")
        yield* World.remove(other)
        expect(yield* refusal(other, "retry")).toContain("Its delete is under way")
        faults.removeFails = null
        yield* World.passes("60 seconds")
        expect(yield* World.status(other)).toBeNull()
      })
    )
  )

  it.effect("asks for a failed delete again", () =>
    run(
      Effect.gen(function* () {
        const id = yield* undeleted
        ;(yield* FakeDatabases).faults.removeFails = null
        yield* ask(id, "retry")
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect((yield* FakeDatabases).servers.size).toBe(0)
      })
    )
  )

  it.effect("brings an instance back that a defect had struck in service", () =>
    run(
      Effect.gen(function* () {
        const id = yield* up
        yield* (yield* Lifecycles).post(id, "poison", JSON.parse('{"_tag":"Explode"}'))
        yield* World.passes("90 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* (yield* OperatorRequests).list)[0]).toMatchObject({
          instance: id,
          standing: "failed",
          operation: null,
          error: expect.stringContaining("An operator has to look at it"),
          detail: expect.stringContaining("the command poison cannot be read")
        })
        expect(yield* refusal(id, "compensate")).toContain("It has a database")
        yield* ask(id, "retry")
        yield* World.passes("60 seconds")
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
      })
    )
  )

  it.effect("goes on in the next process when this one is killed in the middle", () =>
    World.runWithDeath(
      (at, step) => at === "started" && step === "remove the server of the build before",
      Effect.gen(function* () {
        const id = yield* building
        yield* Effect.provide(ask(id, "cancel"), OperatorRequests.layer)
        yield* World.passes("5 seconds")
        ;(yield* FakeDatabases).faults.startTime = Duration.seconds(1)
        yield* Effect.provide(ask(id, "retry"), OperatorRequests.layer)
        yield* World.passes("5 seconds")
        return id
      }),
      (id) =>
        Effect.gen(function* () {
          yield* World.passes("20 seconds")
          expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
          expect((yield* FakeDatabases).servers.size).toBe(1)
        })
    )
  )
})

describe("compensate", () => {
  it.effect("takes back what a failed operation left behind, and leaves the instance in ERROR", () =>
    run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const id = yield* undeleted
        expect(servers.size).toBe(1)
        const fault = yield* World.fault(id)
        faults.removeFails = null
        yield* ask(id, "compensate")
        yield* World.passes("5 seconds")
        expect([yield* World.status(id), yield* World.fault(id)]).toEqual(["ERROR", fault])
        expect(servers.size).toBe(0)
        expect(Option.isNone(yield* (yield* Placements).find(id))).toBe(true)
        expect(yield* World.story(id)).toContain("takeback: remove the server done")
        expect(yield* World.entries(id)).toContainEqual(
          expect.objectContaining({ because: "what was left of it is taken back" })
        )
        yield* World.remove(id)
        yield* World.passes("5 seconds")
        expect(yield* World.status(id)).toBeNull()
      })
    )
  )

  it.effect("says what it could not take back, and can be asked for again", () =>
    run(
      Effect.gen(function* () {
        const id = yield* undeleted
        yield* ask(id, "compensate")
        yield* World.passes("5 seconds")
        expect(yield* World.entries(id)).toContainEqual(
          expect.objectContaining({ because: "not all of it could be taken back: The volume is stuck." })
        )
        ;(yield* FakeDatabases).faults.removeFails = null
        yield* ask(id, "compensate")
        yield* World.passes("5 seconds")
        expect((yield* FakeDatabases).servers.size).toBe(0)
      })
    )
  )

  it.effect("is called off by a delete, which then takes back the rest", () =>
    run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const id = yield* undeleted
        faults.removeFails = stuck(true)
        yield* ask(id, "compensate")
        yield* World.passes("5 seconds")
        faults.removeFails = null
        yield* World.remove(id)
        yield* World.passes("30 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(servers.size).toBe(0)
      })
    )
  )
})

it.effect("the list tells what is under way or stuck, with the step, its attempt and the last error", () =>
  run(
    Effect.gen(function* () {
      const requests = yield* OperatorRequests
      const { faults } = yield* FakeDatabases
      const failed = yield* undeleted
      faults.removeFails = null
      const atRest = yield* up
      faults.removeFails = stuck(true)
      const deleting = yield* up
      yield* World.remove(deleting)
      const now = yield* building
      const list = yield* requests.list
      expect(list.map(({ instance, standing }) => [instance, standing])).toEqual([
        [failed, "failed"],
        [deleting, "running"],
        [now, "running"]
      ])
      expect(list[0]).toMatchObject({ waiting: null, error: "The volume is stuck.", detail: "disk" })
      expect(list[1]?.waiting?.step).toBe("remove the server")
      expect(list[1]?.error).toBe("The volume is stuck.")
      expect(list[2]).toMatchObject({ waiting: { step: "wait for the database", isRunning: true }, error: null })
      const story = yield* requests.show(deleting)
      expect(story.steps.map(({ step }) => step)).toContain("take back the guest's access")
      expect(yield* requests.show(atRest)).toMatchObject({ standing: "at rest", waiting: null, setAside: [] })
      expect((yield* Effect.flip(requests.show("no such id")))._tag).toBe("InstanceNotFound")
      faults.removeFails = null
      yield* World.passes("60 seconds")
    })
  )
)

it.effect("an order's passwords are kept for a retry no longer than the instance", () =>
  run(
    Effect.gen(function* () {
      const store = yield* ProvisioningStore
      const instances = yield* Instances
      const id = yield* building
      yield* ask(id, "cancel")
      yield* World.passes("5 seconds")
      expect(Option.isSome(yield* instances.get("any", id))).toBe(true)
      yield* World.remove(id)
      yield* World.passes("5 seconds")
      expect(yield* store.open(id)).toEqual({ databases: [], users: [] })
    })
  )
)
