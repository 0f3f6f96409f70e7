/**
 * Another version for an instance in service. Its guest tries it on a copy of the data and decides: it switches when the
 * new version has served, or goes back. The operation asks until it knows which, and the record follows.
 *
 * An operation that is called off asks for that as well, for as long as the instance is wanted: a record that says
 * another version than the guest has would be worse than one that waits.
 */
import { Duration, Effect, Option, Schedule, Schema } from "effect"
import { Workflow } from "effect/workflow"
import { findVersion, offered } from "../services/Catalog.ts"
import { Fabric } from "../services/Fabric.ts"
import { GuestApi, guestTopic } from "../services/GuestApi.ts"
import { hasSucceeded, reportOutcome } from "./InstanceMailbox.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { insist, isWanted, Operation, operationEnded, StepFailure, step } from "./Operation.ts"
import { operationsOf } from "./Work.ts"

const Upgrade = Schema.Struct({ ...Operation.fields, version: Schema.String })

export const UpgradeInstance = Workflow.make("UpgradeInstance", {
  payload: Upgrade,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** How soon a guest is asked again how far it is: after 0.5 s, doubling, at most 5 s. */
const pauseAfter = (questions: number) => Duration.min(Duration.millis(500 * 2 ** questions), Duration.seconds(5))

/** Longer than the operation itself may take: that one ends it. */
const attemptDeadline = Duration.hours(24)

/** How long the guest is looked for that is to remove the data of before. */
const forgetWithin = Duration.minutes(5)

const calledOff = new StepFailure({ message: "The upgrade was called off.", detail: "", transient: false })

const guestOf = (operation: Operation) =>
  Effect.map(Fabric, (fabric) => fabric.client(guestTopic(operation.instance), GuestApi))

/** One question to the guest: how the upgrade stands. Null where it does not tell, now. */
const ask = Effect.fnUntraced(function* (
  operation: Operation,
  program: { readonly version: string; readonly image: string },
  called_off: boolean
) {
  const guest = yield* guestOf(operation)
  const { image, version } = program
  const upgrade_info = { operation: operation.operation, datastore_version: version, image, called_off }
  return yield* guest.upgrade({ upgrade_info }).pipe(
    Effect.catchTags({
      GuestRefusal: ({ message }) => Effect.succeed({ state: "failed" as const, message }),
      // Whoever cannot be reached may be back soon, and what a disk does not take it may take then.
      DiskError: () => Effect.succeed(null),
      FabricError: () => Effect.succeed(null)
    })
  )
})

/** A store that is away for a moment calls nothing off. */
const isStillWanted = (operation: Operation) => Effect.catchCause(isWanted(operation), () => Effect.succeed(true))

const upgradeDatabase = (operation: Operation, version: string) =>
  step(operation, {
    name: "upgrade the database",
    waitsFor: "the guest agent to try the new version on a copy of the data, and to switch to it or go back",
    deadline: attemptDeadline,
    execute: Effect.gen(function* () {
      const found = findVersion(yield* offered, version)
      if (found === undefined)
        return yield* new StepFailure({
          message: "The version is not offered any more.",
          detail: version,
          transient: false
        })
      for (let questions = 0; ; questions++) {
        if (!(yield* isStillWanted(operation))) return yield* calledOff
        const standing = yield* ask(operation, found.version, false)
        if (standing?.state === "done") return
        if (standing?.state === "failed")
          return yield* new StepFailure({
            message: standing.message,
            detail: "said by the guest agent",
            transient: false
          })
        yield* Effect.sleep(pauseAfter(questions))
      }
    })
  })

/** Whether the instance has yet to hear how this ended. */
const isAwaited = Effect.fnUntraced(function* ({ instance, operation }: Operation) {
  const loaded = yield* (yield* Lifecycles).load(instance)
  return Option.exists(loaded, ({ state }) => state._tag !== "Deleting" && operationsOf(state).includes(operation))
})

/** Which version serves, from the guest; null where nobody waits for the answer any more. */
const truth = Effect.fnUntraced(function* (operation: Operation) {
  for (let questions = 0; yield* insist(isAwaited(operation)); questions++) {
    const standing = yield* ask(operation, { version: "", image: "" }, true)
    if (standing !== null && standing.state !== "working") return standing.state
    yield* Effect.sleep(pauseAfter(questions))
  }
  return null
})

/** Its failure is told and no more: the guest removes it by itself, once a client can log in. */
const forgetOld = (operation: Operation) =>
  step(operation, {
    name: "remove the data of the version before",
    waitsFor: "the guest agent to remove what the upgrade has kept to go back to",
    deadline: forgetWithin,
    retries: 0,
    execute: Effect.gen(function* () {
      const guest = yield* guestOf(operation)
      yield* guest.post_upgrade({ upgrade_info: { operation: operation.operation } }).pipe(
        Effect.mapError(({ message }) => new StepFailure({ message, detail: "", transient: true })),
        Effect.retry({ while: () => isThere(operation), schedule: Schedule.spaced("2 seconds") })
      )
    })
  }).pipe(Effect.ignore)

const isThere = Effect.fnUntraced(function* ({ instance }: Operation) {
  const loaded = yield* (yield* Lifecycles).load(instance)
  return Option.exists(loaded, ({ state }) => state._tag !== "Deleting" && state._tag !== "Deleted")
})

export const layer = UpgradeInstance.toLayer(
  Effect.fnUntraced(function* ({ version, ...operation }) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.gen(function* () {
        if (yield* insist(hasSucceeded(operation))) return yield* operationEnded(operation)
        yield* operationEnded(operation)
        const standing = yield* truth(operation)
        yield* insist(
          standing === "done" ? reportOutcome(operation, null, { version }) : reportOutcome(operation, cause)
        )
      })
    )
    yield* upgradeDatabase(operation, version)
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null, { version }) })
    yield* forgetOld(operation)
    yield* operationEnded(operation)
  })
)
