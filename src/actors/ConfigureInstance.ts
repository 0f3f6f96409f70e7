/**
 * Brings to an instance what its tenant has changed of it. Who may reach it is enforced at once. Its configuration group, or
 * that it has none any more: its guest keeps it for the server's next start, and where all that has changed can be taken at once, the server takes it. Else it waits for a
 * restart. However that ends, there is an instance still.
 */
import { Duration, Effect, Result } from "effect"
import { Workflow } from "effect/workflow"
import { askGuest } from "./AskGuest.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { insist, Operation, operationEnded, StepFailure, step } from "./Operation.ts"

export const ConfigureInstance = Workflow.make("ConfigureInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** As for a restart: an agent that is started anew is back within them. */
const retries = 4
const attemptDeadline = Duration.seconds(400)

const writeConfiguration = (operation: Operation) =>
  step(operation, {
    name: "write the configuration",
    waitsFor: "the guest agent to keep the settings for the next start of the database",
    deadline: attemptDeadline,
    retries,
    execute: askGuest(operation, "configuration", BringConfiguration.write(operation.instance))
  })

const applyConfiguration = (operation: Operation) =>
  step(operation, {
    name: "apply the configuration",
    waitsFor: "the guest agent to have the database take the settings, where that needs no restart",
    deadline: attemptDeadline,
    retries,
    execute: askGuest(operation, "configuration", BringConfiguration.applyLive(operation.instance))
  })

const report = Effect.fnUntraced(function* (operation: Operation) {
  const restartRequired = yield* BringConfiguration.isRestartRequired(operation.instance)
  yield* reportOutcome(operation, null, { restartRequired })
})

export const layer = ConfigureInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.gen(function* () {
        yield* operationEnded(operation)
        // What did not get there now, a restart brings.
        const restartRequired = yield* insist(BringConfiguration.isBehind(operation.instance))
        yield* insist(reportOutcome(operation, cause, { restartRequired }))
      })
    )
    // Neither is to wait for what keeps the other from the guest.
    const access = yield* Effect.result(BringAccess.whereItHasChanged(operation, "configuration"))
    yield* writeConfiguration(operation)
    yield* applyConfiguration(operation)
    if (Result.isFailure(access)) return yield* access.failure
    yield* step(operation, { name: "report", execute: report(operation) })
    yield* operationEnded(operation)
  })
)
