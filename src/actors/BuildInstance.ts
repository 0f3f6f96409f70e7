/**
 * The build of an instance, top-down: a host and an address there, a server with its guest, the order handed over,
 * and then waiting for the guest to say that a client can log in. What a failed build made is taken back.
 */
import { Duration, Effect, Option, Schedule, Schema } from "effect"
import { DurableDeferred, Workflow } from "effect/workflow"
import { findFlavor, findVersion, offered } from "../services/Catalog.ts"
import { Compute, ServerSpec } from "../services/Compute.ts"
import { Configurations } from "../services/configuration/Configurations.ts"
import { Fabric, MessageKey } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import { History } from "../services/History.ts"
import type { OperationId } from "../services/Ids.ts"
import { Observations } from "../services/Observations.ts"
import { type NoAddressLeft, type NoHost, Placements } from "../services/Placements.ts"
import { ProvisioningStore } from "../services/Provisioning.ts"
import { troveOrder } from "../services/TroveOrders.ts"
import { askGuest } from "./AskGuest.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { ensureServer, serverFailure } from "./EnsureServer.ts"
import { hasSucceeded, reportOutcome, wake } from "./InstanceMailbox.ts"
import { Lifecycles } from "./Lifecycles.ts"
import {
  insist,
  isWanted,
  noted,
  notedEnd,
  Operation,
  operationEnded,
  StepFailure,
  step,
  takeBack
} from "./Operation.ts"
import { teardown } from "./Teardown.ts"
import { deadlineOf } from "./Work.ts"

export const BuildInstance = Workflow.make("BuildInstance", {
  payload: Schema.Struct({ ...Operation.fields, anew: Schema.optionalKey(Schema.Boolean) }),
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** Settled by the actor when the guest is seen ready, or says that it failed. */
export const GuestVerdict = DurableDeferred.make("GuestVerdict", { error: StepFailure })

const refuse = (message: string, detail = "") => new StepFailure({ message, detail, transient: false })

const calledOff = refuse("The build was called off.")

/** What to build, from the order and the catalog, and in which zone. */
const planServer = Effect.fnUntraced(function* ({ instance }: Operation) {
  const catalog = yield* offered
  const desired = yield* (yield* Lifecycles).desired(instance)
  if (Option.isNone(desired)) return yield* refuse("The instance is gone.")
  const { datastoreVersion, flavor: flavorId, volumeSize, zone = null } = desired.value
  const flavor = findFlavor(catalog, flavorId)
  const found = findVersion(catalog, datastoreVersion)
  if (flavor === undefined) return yield* refuse(`Flavor ${flavorId} is no longer offered.`)
  if (found === undefined) return yield* refuse(`Datastore version ${datastoreVersion} is no longer offered.`)
  const { agent = "coffer", image, manager, version } = found.version
  const { ram: memoryMb, vcpus } = flavor
  return { plan: { instanceId: instance, manager, version, image, agent, memoryMb, vcpus, volumeSize }, zone }
})

/** What a tenant and an operator are told where there is no place for an instance; hosts may yet come. */
const noPlace = (error: NoHost | NoAddressLeft) => {
  if (error._tag === "NoAddressLeft") {
    const detail = `host ${error.host}, range ${error.range}: every address is taken, or cannot be listened on`
    return refuse("No address is left for another database.", detail)
  }
  if (error.agent === "trove") {
    return refuse("Databases of this kind cannot be made here.", "there is no compute_command")
  }
  const machine = error.zone === null ? "No machine" : `No machine of the availability zone ${error.zone}`
  const wanted = error.unguarded === true ? "restrict who reaches a database (allowed_cidrs)" : "take another database"
  const message = `${machine} can ${wanted} now; the build waits for one.`
  return new StepFailure({ message, detail: error.message, transient: true })
}

/** How long one attempt looks for a host before it says that there is none, and how often it looks. */
const hostWait = Duration.seconds(20)
const hostPoll = Duration.seconds(2)

const allocateAddress = (operation: Operation) =>
  step(operation, {
    name: "allocate an address",
    waitsFor: "a guest host that is alive and has the memory, and a free address of its range",
    // Hosts that do not answer are passed over one by one.
    deadline: Duration.minutes(1),
    // More than a build's deadline has time for: a fleet may be without room for long.
    retries: 60,
    success: ServerSpec,
    execute: Effect.gen(function* () {
      const { plan, zone } = yield* planServer(operation)
      const { agent, memoryMb } = plan
      const port = (yield* Compute).portOf(plan.manager)
      const placements = yield* Placements
      // Asked each time: who may reach it can change while there is no host for it.
      const placement = yield* BringAccess.isRestricted(operation.instance).pipe(
        Effect.flatMap((guarded) => placements.ensure(operation.instance, { port, memoryMb, agent, zone, guarded })),
        Effect.retry({
          // A delete need not wait for a host that nobody wants any more.
          while: (error) =>
            error._tag === "NoHost" && agent === "coffer"
              ? Effect.map(wasCalledOff(operation), (isOver) => !isOver)
              : false,
          times: Duration.toMillis(hostWait) / Duration.toMillis(hostPoll),
          schedule: Schedule.spaced(hostPoll)
        }),
        Effect.mapError((error) => {
          if (error._tag === "PlaceUnwanted") return calledOff
          return error._tag === "ComputeError" ? serverFailure(error) : noPlace(error)
        })
      )
      return { ...plan, ...placement }
    })
  })

const createServer = (operation: Operation, spec: ServerSpec) =>
  step(operation, {
    name: "create the server",
    waitsFor: "the volume, and the guest agent to start",
    deadline: Duration.minutes(2),
    execute: Effect.gen(function* () {
      // Another process may have taken it back since, where this one was held up.
      if (yield* wasCalledOff(operation)) return yield* calledOff
      yield* ensureServer(operation.instance, spec)
    })
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
      const isTroves = spec.agent === "trove"
      yield* guest
        .prepare({
          ...order,
          packages: "",
          memory_mb: spec.memoryMb,
          root_password: null,
          ds_version: spec.version,
          ...(isTroves ? troveOrder(spec) : { device_path: null, mount_point: null, config_contents: null })
        })
        .pipe(
          // Trove's agents carry out each order that they hear, also on top of one that they are carrying out.
          Effect.provideService(MessageKey, isTroves ? operation.operation : null),
          Effect.mapError(
            (error) =>
              new StepFailure({ message: "The guest agent cannot be reached.", detail: error.message, transient: true })
          )
        )
      yield* Effect.gen(function* () {
        // A delete need not wait for a guest that nobody wants any more.
        if (yield* wasCalledOff(operation)) return yield* calledOff
        return Option.exists(yield* observations.get(operation.instance), ({ status }) => status !== "new")
      }).pipe(Effect.repeat({ until: (begun) => begun, schedule: Schedule.spaced("20 millis") }))
    })
  })

const wasCalledOff = (operation: Operation) => Effect.map(isWanted(operation), (isWanted) => !isWanted)

const waitKey = (operation: OperationId) => ({ operation, step: "wait for the database", attempt: 1 })

const closeWait = ({ instance, operation }: Operation, outcome: "done" | "failed", failure: StepFailure | null) =>
  notedEnd(
    Effect.flatMap(History, (history) =>
      history.stepEnded(instance, {
        ...waitKey(operation),
        outcome,
        error: failure?.message ?? null,
        detail: failure?.detail ?? null
      })
    )
  )

/** How soon after the wait has begun it is looked whether the guest was ready before. */
const lookAfter = Duration.millis(50)

/** Not a step, for it holds nothing while it waits; its line in the history is opened and closed by hand. */
const awaitGuest = Effect.fnUntraced(function* (operation: Operation) {
  const history = yield* History
  const lifecycles = yield* Lifecycles
  yield* noted(
    Effect.gen(function* () {
      const loaded = yield* lifecycles.load(operation.instance)
      yield* history.waitStarted(operation.instance, {
        ...waitKey(operation.operation),
        operationName: "build",
        waitsFor: "the guest to see that a client can log in",
        deadline: Option.getOrNull(Option.map(loaded, ({ state }) => deadlineOf(state)))
      })
    })
  )
  // The verdict is told to who waits for it. Losing this look costs a moment; a sweep has another.
  yield* Effect.forkDetach(Effect.delay(wake(operation.instance), lookAfter))
  yield* DurableDeferred.await(GuestVerdict).pipe(Effect.tapError((failure) => closeWait(operation, "failed", failure)))
  yield* closeWait(operation, "done", null)
})

/** Nobody has used the database yet: it is started anew with its configuration group, whatever that holds. */
const configure = Effect.fnUntraced(function* (operation: Operation) {
  const configurations = yield* Configurations
  if (Option.isNone(yield* insist(configurations.attachedTo(operation.instance)))) return
  yield* step(operation, {
    name: "configure the database",
    waitsFor: "the guest agent to start the database with its configuration group",
    deadline: Duration.seconds(400),
    execute: askGuest(operation, "build", BringConfiguration.restart(operation.instance))
  })
})

/** What an earlier build may have left is nothing to build on. */
const clear = Effect.fnUntraced(function* (operation: Operation) {
  for (const part of teardown(operation, "keep the order")) {
    yield* step(operation, { ...part, name: `${part.name} of the build before`, deadline: Duration.minutes(2) })
  }
})

export const layer = BuildInstance.toLayer(
  Effect.fnUntraced(function* ({ anew, ...operation }) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.gen(function* () {
        // It may be called off, or lose its store, between its last word and its end.
        if (yield* insist(hasSucceeded(operation))) return yield* operationEnded(operation)
        yield* operationEnded(operation)
        for (const { execute, name } of teardown(operation, "keep the order")) {
          // What leads to a thing that is still there is kept with it, for the delete to find.
          if (!(yield* takeBack(operation, { name, execute }))) break
        }
        yield* insist(reportOutcome(operation, cause))
      })
    )
    if (anew === true) yield* clear(operation)
    const spec = yield* allocateAddress(operation)
    yield* createServer(operation, spec)
    yield* BringAccess.ofNew(operation)
    yield* handOver(operation, spec)
    yield* awaitGuest(operation)
    yield* configure(operation)
    yield* step(operation, {
      name: "report",
      execute: Effect.gen(function* () {
        // Whoever takes over a build that was called off may not hear of that, and what it made is being taken back.
        if (!(yield* hasSucceeded(operation)) && (yield* wasCalledOff(operation))) return yield* calledOff
        // What is handed over need not be kept: with the order go the passwords in it.
        yield* (yield* ProvisioningStore).forget(operation.instance)
        yield* reportOutcome(operation, null)
      })
    })
    yield* operationEnded(operation)
  })
)
