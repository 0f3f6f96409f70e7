/**
 * The build of an instance, top-down: an address, a server with its guest, the order handed over, and then
 * waiting for the guest to say that a client can log in. What a failed build made is taken back.
 */
import { Duration, Effect, Option, Schedule } from "effect"
import { DurableDeferred, Workflow } from "effect/workflow"
import { Addresses } from "../services/Addresses.ts"
import { Catalog, findFlavor, findVersion } from "../services/Catalog.ts"
import { Compute, ServerSpec } from "../services/Compute.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import { History } from "../services/History.ts"
import type { OperationId } from "../services/Ids.ts"
import { Observations } from "../services/Observations.ts"
import { ProvisioningStore } from "../services/Provisioning.ts"
import { hasSucceeded, reportOutcome } from "./InstanceMailbox.ts"
import { deadlineOf } from "./Lifecycle.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { insist, noted, Operation, StepFailure, step, takeBack } from "./Operation.ts"
import { teardown } from "./Teardown.ts"

export const BuildInstance = Workflow.make("BuildInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** Settled by the actor when the guest is seen ready, or says that it failed. */
export const GuestVerdict = DurableDeferred.make("GuestVerdict", { error: StepFailure })

const refuse = (message: string, detail = "") => new StepFailure({ message, detail, transient: false })

/** What to build, from the order and the catalog. */
const planServer = Effect.fnUntraced(function* ({ instance }: Operation) {
  const catalog = yield* Catalog
  const desired = yield* (yield* Lifecycles).desired(instance)
  if (Option.isNone(desired)) return yield* refuse("The instance is gone.")
  const { datastoreVersion, flavor: flavorId, volumeSize } = desired.value
  const flavor = findFlavor(catalog, flavorId)
  const found = findVersion(catalog, datastoreVersion)
  if (flavor === undefined) return yield* refuse(`Flavor ${flavorId} is no longer offered.`)
  if (found === undefined) return yield* refuse(`Datastore version ${datastoreVersion} is no longer offered.`)
  const { image, manager, name } = found.version
  return { instanceId: instance, manager, version: name, image, memoryMb: flavor.ram, vcpus: flavor.vcpus, volumeSize }
})

const allocateAddress = (operation: Operation) =>
  step(operation, {
    name: "allocate an address",
    success: ServerSpec,
    execute: Effect.gen(function* () {
      const plan = yield* planServer(operation)
      const port = (yield* Compute).portOf(plan.manager)
      const address = yield* (yield* Addresses)
        .ensure(operation.instance, port)
        .pipe(Effect.mapError(({ range }) => refuse("No address is left for another database.", `range ${range}`)))
      return { ...plan, address }
    })
  })

const createServer = (operation: Operation, spec: ServerSpec) =>
  step(operation, {
    name: "create the server",
    waitsFor: "the volume, and the guest agent to start",
    deadline: Duration.minutes(2),
    execute: Effect.gen(function* () {
      yield* (yield* Compute).ensure(spec)
    }).pipe(
      Effect.catchTag("ComputeError", ({ detail, message, transient }) =>
        Effect.fail(new StepFailure({ message, detail, transient }))
      )
    )
  })

/** How long a guest may take to confirm that it has begun; then it is told again. */
const confirmation = Duration.seconds(15)

/** The order reaches the guest for certain: it is told until it is seen to have begun. */
const handOver = (operation: Operation, spec: ServerSpec) =>
  step(operation, {
    name: "hand the order to the guest",
    waitsFor: "the guest agent to confirm that it has begun",
    deadline: confirmation,
    retries: 20,
    execute: Effect.gen(function* () {
      const observations = yield* Observations
      const order = yield* (yield* ProvisioningStore).open(operation.instance)
      const guest = (yield* Fabric).client(guestTopic(operation.instance), GuestApi)
      yield* guest
        .prepare({ ...order, memory_mb: spec.memoryMb, root_password: null, ds_version: spec.version })
        .pipe(
          Effect.mapError(
            (error) =>
              new StepFailure({ message: "The guest agent cannot be reached.", detail: error.message, transient: true })
          )
        )
      yield* Effect.gen(function* () {
        // A delete need not wait for a guest that nobody wants any more.
        if (yield* wasCalledOff(operation)) return yield* refuse("The build was called off.")
        return Option.exists(yield* observations.get(operation.instance), ({ status }) => status !== "new")
      }).pipe(Effect.repeat({ until: (begun) => begun, schedule: Schedule.spaced("20 millis") }))
    })
  })

const wasCalledOff = Effect.fnUntraced(function* ({ instance, operation }: Operation) {
  const loaded = yield* (yield* Lifecycles).load(instance)
  return !Option.exists(loaded, ({ state }) => state._tag === "Building" && state.operation === operation)
})

const waitKey = (operation: OperationId) => ({ operation, step: "wait for the database", attempt: 1 })

const closeWait = (
  { instance, operation }: Operation,
  outcome: "done" | "failed" | "interrupted",
  failure: StepFailure | null
) =>
  noted(
    Effect.flatMap(History, (history) =>
      history.stepEnded(instance, {
        ...waitKey(operation),
        outcome,
        error: failure?.message ?? null,
        detail: failure?.detail ?? null
      })
    )
  )

/** Not a step, for it holds nothing while it waits; its line in the history is opened and closed by hand. */
const awaitGuest = Effect.fnUntraced(function* (operation: Operation) {
  const history = yield* History
  const lifecycles = yield* Lifecycles
  yield* noted(
    Effect.gen(function* () {
      const loaded = yield* lifecycles.load(operation.instance)
      yield* history.stepStarted(operation.instance, {
        ...waitKey(operation.operation),
        operationName: "build",
        waitsFor: "the guest to see that a client can log in",
        deadline: Option.getOrNull(Option.map(loaded, ({ state }) => deadlineOf(state)))
      })
    })
  )
  yield* DurableDeferred.await(GuestVerdict).pipe(Effect.tapError((failure) => closeWait(operation, "failed", failure)))
  yield* closeWait(operation, "done", null)
})

export const layer = BuildInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.gen(function* () {
        // It may be called off, or lose its store, between its last word and its end.
        if (yield* insist(hasSucceeded(operation))) return
        yield* closeWait(operation, "interrupted", null)
        for (const { execute, name } of teardown(operation)) yield* takeBack(operation, { name, execute })
        yield* insist(reportOutcome(operation, cause))
      })
    )
    const spec = yield* allocateAddress(operation)
    yield* createServer(operation, spec)
    yield* handOver(operation, spec)
    yield* awaitGuest(operation)
    yield* step(operation, {
      name: "report",
      execute: Effect.gen(function* () {
        // What is handed over need not be kept: with the order go the passwords in it.
        yield* (yield* ProvisioningStore).forget(operation.instance)
        yield* reportOutcome(operation, null)
      })
    })
  })
)
