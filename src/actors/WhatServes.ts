/** What is left of a stop, a start or a rebuild that failed: a guest that did not tell how it went may serve all the same. */
import { type Cause, Effect, Option } from "effect"
import type { InstanceId } from "../services/Ids.ts"
import { Observations } from "../services/Observations.ts"
import { isServing } from "../services/Status.ts"
import * as BringAccess from "./BringAccess.ts"
import * as BringConfiguration from "./BringConfiguration.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { insist, type Operation, operationEnded } from "./Operation.ts"

/** Whether its guest was last heard to serve. */
export const isSeenToServe = Effect.fnUntraced(function* (instance: InstanceId) {
  const observed = yield* (yield* Observations).get(instance)
  return Option.exists(observed, isServing)
})

/** Whether what serves is not all that it is to be. */
const isBehind = (instance: InstanceId) =>
  Effect.map(
    Effect.all([BringConfiguration.isBehind(instance), BringAccess.isBehind(instance)]),
    ([configuration, access]) => configuration || access
  )

/** The end of a start or a rebuild that failed. */
export const reportWhatServes = Effect.fnUntraced(function* (operation: Operation, cause: Cause.Cause<unknown>) {
  yield* operationEnded(operation)
  const serves = yield* insist(isSeenToServe(operation.instance))
  const restartRequired = yield* insist(isBehind(operation.instance))
  yield* insist(reportOutcome(operation, cause, { serves, restartRequired }))
})
