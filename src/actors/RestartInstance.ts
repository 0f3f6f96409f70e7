/**
 * The restart of an instance's database: its guest is told, and answers when a client can log in again. However
 * that ends, there is an instance still: a restart that fails is told in the history, and is no ERROR. What its
 * configuration group has for the next start of the server, it brings along.
 *
 * Cut off in the middle it is asked for again: a database that was restarted twice was restarted.
 */
import { Duration, Effect } from "effect"
import { Workflow } from "effect/workflow"
import { askGuest } from "./AskGuest.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { insist, Operation, operationEnded, StepFailure, step } from "./Operation.ts"

export const RestartInstance = Workflow.make("RestartInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** For a minute and three quarters in all: an agent that is started anew is back by then. */
const retries = 4

/**
 * Longer than the wait for the guest and its 180 s, so that it is the call that says what was the matter; twice, where
 * what the server does not start with is taken back.
 */
const attemptDeadline = Duration.seconds(400)

const restartDatabase = (operation: Operation) =>
  step(operation, {
    name: "restart the database",
    waitsFor: "the guest agent to stop the database and start it again, until a client can log in",
    deadline: attemptDeadline,
    retries,
    execute: askGuest(operation, "restart", BringConfiguration.restart(operation.instance))
  })

export const layer = RestartInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.andThen(operationEnded(operation), insist(reportOutcome(operation, cause)))
    )
    // What fails of it stands in the history, and is tried again with the next; the database is restarted all the same.
    yield* Effect.ignore(BringAccess.whereItHasChanged(operation, "restart"))
    yield* restartDatabase(operation)
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
