/** Waits until what an operator asked of an operation has come to its end. */
import { Effect } from "effect"
import { type OperationStory, ShownOperation } from "./answers.ts"
import { get } from "./client.ts"
import type { Connection } from "./connection.ts"
import { follow } from "./follow.ts"
import { patiently } from "./patience.ts"
import type { Progress } from "./progress.ts"

/** The operation of an instance; null where there is no such instance (any more). */
export const operationOf = (connection: Connection, id: string) =>
  Effect.map(
    patiently(get(connection, `/mgmt/operations/${id}`, ShownOperation)),
    ({ operation }): OperationStory | null => operation
  ).pipe(
    Effect.catchIf(
      ({ status }) => status === 404,
      () => Effect.succeed(null)
    )
  )

/** The instance has gone on from where it stood `before`, and nothing of it is under way. */
const isAtRest = (before: OperationStory, { operation_id, since, standing }: OperationStory) =>
  (since !== before.since || operation_id !== before.operation_id) && standing !== "running" && standing !== "ending"

/** A build that is called off leaves an instance in ERROR, which is no failure of that. */
const failureOf = (action: string, { error, standing, steps }: OperationStory): string | null => {
  const isUndone = action === "retry" ? standing === "failed" : steps.at(-1)?.outcome === "failed"
  return isUndone && action !== "cancel" ? (error ?? "it is in ERROR.") : null
}

/** Answers null when it has ended well, else why not. An instance that is gone has. */
export const awaitRest = Effect.fnUntraced(function* (
  connection: Connection,
  before: OperationStory,
  progress: Progress,
  action: string
) {
  let last: OperationStory | null = null
  const sight = yield* follow(
    connection,
    before.instance_id,
    Effect.fnUntraced(function* (sight) {
      // The history of this sight was read after the operation, so that nothing of what ended it is missing.
      const wasAtRest = last !== null && isAtRest(before, last)
      yield* progress.show(sight)
      if (wasAtRest) return true
      // Where this one look fails, the next tells.
      last = yield* Effect.orElseSucceed(operationOf(connection, before.instance_id), () => null)
      return false
    })
  ).pipe(Effect.ensuring(progress.end))
  return sight === null || last === null ? null : failureOf(action, last)
})
