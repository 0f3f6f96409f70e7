/**
 * The resize of an instance, top-down: what its server is and what it is to be, the server made so, and the database told
 * of it, with a restart where it cannot take all of it without. The record of the instance follows when this has
 * succeeded. However it ends, there is an instance still: what fails, or is called off, goes back to what it was.
 *
 * What a volume has grown it keeps: it never shrinks. A database that is down, as of a volume that is full, keeps no
 * volume from growing.
 */
import { Duration, Effect, Exit, Option, Schema } from "effect"
import { Workflow } from "effect/workflow"
import { type Flavor, findFlavor, findVersion, offered } from "../services/Catalog.ts"
import { ServerSpec } from "../services/Compute.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import { History } from "../services/History.ts"
import { Placements } from "../services/Placements.ts"
import { troveOrder } from "../services/TroveOrders.ts"
import { asFailure, askGuest } from "./AskGuest.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { ensureServer } from "./EnsureServer.ts"
import { hasSucceeded, reportOutcome } from "./InstanceMailbox.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { insist, isWanted, noted, Operation, operationEnded, StepFailure, step, takeBack } from "./Operation.ts"

export const ResizeInstance = Workflow.make("ResizeInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

const refuse = (message: string, detail = "") => new StepFailure({ message, detail, transient: false })

const calledOff = refuse("The resize was called off.")

/** As for a restart: an agent that is started anew is back within them. */
const retries = 4
const attemptDeadline = Duration.seconds(400)

/** What the server is, and what it is to be. */
const Plan = Schema.Struct({ before: ServerSpec, after: ServerSpec, what: Schema.Literals(["flavor", "volume"]) })
type Plan = typeof Plan.Type

/** A flavor that is no longer offered has its memory still, and as many processors as who takes its place. */
const sizeOf = (flavor: Flavor | undefined, ram: number, other: Flavor | undefined) => ({
  memoryMb: flavor?.ram ?? ram,
  vcpus: flavor?.vcpus ?? other?.vcpus ?? 1
})

const planOf = Effect.fnUntraced(function* ({ instance, operation }: Operation) {
  const catalog = yield* offered
  const lifecycles = yield* Lifecycles
  const loaded = Option.getOrNull(yield* lifecycles.load(instance))
  if (loaded?.state._tag !== "Resizing" || loaded.state.operation !== operation) return yield* calledOff
  const { to } = loaded.state
  const desired = Option.getOrNull(yield* lifecycles.desired(instance))
  const placement = Option.getOrNull(yield* (yield* Placements).find(instance))
  if (desired === null || placement === null) return yield* refuse("The instance is gone.")
  const found = findVersion(catalog, desired.datastoreVersion)
  if (found === undefined) return yield* refuse(`Datastore version ${desired.datastoreVersion} is no longer offered.`)
  const { agent = "coffer", image, manager, version } = found.version
  const next = to._tag === "Flavor" ? findFlavor(catalog, to.flavor) : undefined
  if (to._tag === "Flavor" && next === undefined) return yield* refuse(`Flavor ${to.flavor} is no longer offered.`)
  const flavor = findFlavor(catalog, desired.flavor)
  if (to._tag === "Volume" && flavor === undefined)
    return yield* refuse(`Flavor ${desired.flavor} is no longer offered. Resize the instance to another flavor first.`)
  const before: ServerSpec = {
    instanceId: instance,
    manager,
    version,
    image,
    agent,
    ...placement,
    ...sizeOf(flavor, desired.ram, next),
    volumeSize: desired.volumeSize
  }
  const after = next === undefined ? before : { ...before, memoryMb: next.ram, vcpus: next.vcpus }
  return to._tag === "Flavor"
    ? { before, after, what: "flavor" as const }
    : { before, after: { ...before, volumeSize: to.size }, what: "volume" as const }
})

const planResize = (operation: Operation) =>
  step(operation, {
    name: "plan the resize",
    waitsFor: "the store",
    success: Plan,
    execute: Effect.gen(function* () {
      const plan = yield* planOf(operation)
      if (plan.after.memoryMb > plan.before.memoryMb && !(yield* (yield* Placements).hasRoom(operation.instance)))
        return yield* refuse("The machine of the database has no memory left for the larger flavor.")
      return plan
    })
  })

const resizeServer = (operation: Operation, { after, what }: Plan) =>
  step(operation, {
    name: "resize the server",
    waitsFor: `its machine to give it the new ${what}`,
    deadline: Duration.minutes(2),
    retries: 8,
    execute: Effect.gen(function* () {
      if (!(yield* isWanted(operation))) return yield* calledOff
      yield* ensureServer(operation.instance, after)
    })
  })

/** Whether the database has to be restarted to have all of it, or because it is down. */
const Takes = Schema.Struct({ restart: Schema.Boolean })

/** Trove's agents stop their server and start it with what they are told, and grow the file system when they are told to. */
const tellTroves = Effect.fnUntraced(function* (spec: ServerSpec, what: Plan["what"]) {
  const guest = (yield* Fabric).client(guestTopic(spec.instanceId), GuestApi)
  const { config_contents, device_path, mount_point } = troveOrder(spec)
  if (what === "volume") yield* guest.resize_fs({ device_path, mount_point, online: true })
  else yield* guest.start_db_with_conf_changes({ config_contents, ds_version: spec.version })
})

const tellGuest = Effect.fnUntraced(function* (spec: ServerSpec, what: Plan["what"]) {
  if (spec.agent === "trove") return yield* Effect.as(tellTroves(spec, what), { restart: false })
  const guest = (yield* Fabric).client(guestTopic(spec.instanceId), GuestApi)
  const { restart_required: restart } = yield* guest.apply_flavor({ memory_mb: spec.memoryMb, vcpus: spec.vcpus })
  return { restart }
})

const applySize = (operation: Operation, { after, what }: Plan) =>
  step(operation, {
    name: what === "flavor" ? "apply the flavor" : "look at the database",
    waitsFor:
      what === "flavor"
        ? "the guest agent to give the database what can be given without a restart"
        : "the guest agent to see its larger volume, and whether the database serves",
    deadline: attemptDeadline,
    retries,
    success: Takes,
    execute: askGuest(operation, "resize", tellGuest(after, what))
  })

const restartDatabase = (operation: Operation, { what }: Plan) =>
  step(operation, {
    name: "restart the database",
    waitsFor:
      what === "flavor"
        ? "the guest agent to start the database with the settings of its new flavor, until a client can log in"
        : "the guest agent to start the database, which was down, until a client can log in",
    deadline: attemptDeadline,
    retries,
    execute: askGuest(operation, "resize", BringConfiguration.restart(operation.instance))
  })

/** Whether it may go back: the operation is the one under way still, or nothing else has begun since. */
const mayGoBack = Effect.fnUntraced(function* ({ instance, operation }: Operation) {
  const loaded = Option.getOrNull(yield* (yield* Lifecycles).load(instance))
  if (loaded === null) return false
  const { state } = loaded
  if (state._tag === "Resizing") return state.operation === operation
  // What was asked for since has a say of its own: only what is at rest in service is touched.
  return state._tag === "Active" || (state._tag === "Failed" && state.again === "service")
})

/** How often a way back is tried again: for eight minutes, where it fails at once, as of a guest that is away. */
const waysBack = 20

/**
 * The database runs with what its server is again. It is restarted once: where nobody tells how that went, or it did not
 * come up, it is seen to by its agent, who answers a question for it when it has.
 */
const giveBackFlavor = (operation: Operation, before: ServerSpec) => {
  let wasRestarted = false
  // A restart is all that Trove's agents can be asked for.
  const told = Effect.mapError(tellGuest(before, "flavor"), (error) => asFailure(error, before.agent !== "trove"))
  const restarted = Effect.mapError(BringConfiguration.restart(operation.instance), (error) => {
    const failure = asFailure(error, false)
    wasRestarted = !failure.transient
    return new StepFailure({ ...failure, transient: true })
  })
  return Effect.gen(function* () {
    const { restart } = yield* told
    if (!restart) return
    if (!wasRestarted) return yield* restarted
    const message = "The database has not come up with its flavor of before yet."
    return yield* new StepFailure({ message, detail: "it was restarted", transient: true })
  })
}

/** The server is again what it was, and its database runs with that. True where only a restart of it is left to do. */
const goBack = Effect.fnUntraced(function* (operation: Operation, { before, what }: Plan) {
  const isDue = insist(mayGoBack(operation))
  if (!(yield* isDue)) return false
  const isBack = yield* takeBack(operation, {
    name: "give the server back its size",
    retries: waysBack,
    isDue,
    execute: ensureServer(operation.instance, before)
  })
  if (!isBack || what === "volume") return false
  const runs = yield* takeBack(operation, {
    name: "give the database back its flavor",
    deadline: attemptDeadline,
    retries: waysBack,
    isDue,
    execute: giveBackFlavor(operation, before)
  })
  return !runs
})

/** The volume has grown, and that is what was asked for; what is the matter with the database is its guest's to see to. */
const noteDown = (operation: Operation, { message }: StepFailure) =>
  noted(
    Effect.flatMap(History, (history) =>
      history.report(operation.instance, `the volume has grown, and the database did not come up yet: ${message}`)
    )
  )

const bringAlong = Effect.fnUntraced(function* (operation: Operation, plan: Plan) {
  const { restart } = yield* applySize(operation, plan)
  if (!restart) return false
  // As with any restart: what fails of it stands in the history, and is shown as what waits for another one.
  yield* Effect.ignore(BringAccess.whereItHasChanged(operation, "resize"))
  yield* restartDatabase(operation, plan)
  return true
})

/** What waited for a restart waits no longer where there was one. */
const report = Effect.fnUntraced(function* (operation: Operation, wasRestarted: boolean) {
  if (yield* hasSucceeded(operation)) return
  const loaded = Option.getOrNull(yield* (yield* Lifecycles).load(operation.instance))
  if (!(yield* isWanted(operation))) return yield* calledOff
  const waited = loaded?.state._tag === "Resizing" && loaded.state.restartRequired === true
  const restartRequired = wasRestarted
    ? (yield* BringConfiguration.isRestartRequired(operation.instance)) ||
      (yield* BringAccess.isBehind(operation.instance))
    : waited
  yield* reportOutcome(operation, null, { restartRequired })
})

/** A volume that has grown is what was asked for, also where its database does not come up. */
const lookAfterVolume = Effect.fnUntraced(function* (operation: Operation, plan: Plan) {
  const exit = yield* Effect.exit(bringAlong(operation, plan))
  if (Exit.isSuccess(exit)) return exit.value
  const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
  if (failure === undefined) return yield* exit
  yield* noteDown(operation, failure.error)
  return false
})

export const layer = ResizeInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    let isRestartLeft = false
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.gen(function* () {
        yield* operationEnded(operation)
        if (yield* insist(hasSucceeded(operation))) return
        yield* insist(reportOutcome(operation, cause, { restartRequired: isRestartLeft }))
      })
    )
    const plan = yield* Workflow.withCompensation(planResize(operation), (plan) =>
      Effect.gen(function* () {
        // It may be called off, or lose its store, between its last word and its end.
        if (!(yield* insist(hasSucceeded(operation)))) isRestartLeft = yield* goBack(operation, plan)
      })
    )
    yield* resizeServer(operation, plan)
    const wasRestarted = yield* plan.what === "flavor" ? bringAlong(operation, plan) : lookAfterVolume(operation, plan)
    yield* step(operation, { name: "report", execute: report(operation, wasRestarted) })
    yield* operationEnded(operation)
  })
)
