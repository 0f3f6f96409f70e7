/**
 * The restart of an instance's database: its guest is told, and answers when a client can log in again. However
 * that ends, there is an instance still: a restart that fails is told in the history, and is no ERROR.
 *
 * Cut off in the middle it is asked for again: a database that was restarted twice was restarted.
 */
import { Duration, Effect, Schedule } from "effect"
import { Workflow } from "effect/workflow"
import { type DiskError, diskMessageOr } from "../services/Disk.ts"
import { Fabric, type FabricError } from "../services/Fabric.ts"
import { GuestApi, type GuestRefusal, guestTopic } from "../services/GuestApi.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { insist, isWanted, Operation, operationEnded, StepFailure, step } from "./Operation.ts"

export const RestartInstance = Workflow.make("RestartInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** How long one attempt looks for a guest that cannot be reached before it says so, and how often it looks. */
const guestWait = Duration.seconds(20)
const guestPoll = Duration.seconds(2)

/** For a minute and three quarters in all: an agent that is started anew is back by then. */
const retries = 4

/** Longer than the wait for the guest and its 180 s, so that it is the call that says what was the matter. */
const attemptDeadline = Duration.seconds(210)

/** How often an attempt looks whether anybody waits for it any more. */
const lookInterval = Duration.millis(250)

/** What may be under way still is not asked for again: a tenant's clients are to be cut off once. */
const asFailure = (error: GuestRefusal | DiskError | FabricError) => {
  if (error._tag === "DiskError")
    return new StepFailure({ message: error.message, detail: error.detail, transient: true })
  if (error._tag === "GuestRefusal")
    return new StepFailure({ message: error.message, detail: "said by the guest agent", transient: false })
  const neverBegan = error.reason !== "Timeout" && error.reason !== "Undecodable" && error.reason !== "Crashed"
  const message = neverBegan
    ? diskMessageOr(error.reason, "The guest agent cannot be reached.")
    : "The guest agent did not tell how it went."
  return new StepFailure({ message, detail: error.message, transient: neverBegan })
}

/** A store that is away for a moment calls nothing off. */
const isStillWanted = (operation: Operation) => Effect.catchCause(isWanted(operation), () => Effect.succeed(true))

const calledOff = new StepFailure({ message: "The restart was called off.", detail: "", transient: false })

const untilCalledOff = (operation: Operation) =>
  isStillWanted(operation).pipe(
    Effect.repeat({ while: (isWanted) => isWanted, schedule: Schedule.spaced(lookInterval) }),
    Effect.andThen(Effect.fail(calledOff))
  )

const restartDatabase = (operation: Operation) =>
  step(operation, {
    name: "restart the database",
    waitsFor: "the guest agent to stop the database and start it again, until a client can log in",
    deadline: attemptDeadline,
    retries,
    execute: Effect.gen(function* () {
      const guest = (yield* Fabric).client(guestTopic(operation.instance), GuestApi)
      if (!(yield* isStillWanted(operation))) return yield* calledOff
      const restarted = Effect.mapError(guest.restart({}), asFailure).pipe(
        Effect.retry({
          while: ({ transient }) => transient,
          times: Duration.toMillis(guestWait) / Duration.toMillis(guestPoll),
          schedule: Schedule.spaced(guestPoll)
        })
      )
      yield* Effect.raceFirst(restarted, untilCalledOff(operation))
    })
  })

export const layer = RestartInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.andThen(operationEnded(operation), insist(reportOutcome(operation, cause)))
    )
    yield* restartDatabase(operation)
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
