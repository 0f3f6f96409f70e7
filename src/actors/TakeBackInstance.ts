/**
 * Takes back what a failed operation has left behind, because an operator wants it now. What the tenant ordered stays:
 * the build can be done anew.
 */
import { Duration, Effect } from "effect"
import { Workflow } from "effect/workflow"
import { reportOutcome } from "./InstanceMailbox.ts"
import { insist, Operation, operationEnded, StepFailure, step } from "./Operation.ts"
import { teardown } from "./Teardown.ts"

export const TakeBackInstance = Workflow.make("TakeBackInstance", {
  payload: Operation,
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

export const layer = TakeBackInstance.toLayer(
  Effect.fnUntraced(function* (operation) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.andThen(operationEnded(operation), insist(reportOutcome(operation, cause)))
    )
    for (const part of teardown(operation, "keep the order")) {
      yield* step(operation, { ...part, deadline: Duration.minutes(2), retries: 4 })
    }
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
