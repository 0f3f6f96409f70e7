/** How commands wait until what was changed of an instance, its settings or who reaches it, is with its guest. */
import { Effect } from "effect"
import type { Entry } from "./answers.ts"
import type { Connection } from "./connection.ts"
import { follow } from "./follow.ts"
import { makeProgress } from "./progress.ts"

/** The steps of the last operation that brought something to the guest, each as it went the last time. */
const lastOf = (entries: ReadonlyArray<Entry>) => {
  const steps = entries.filter(({ kind, operation }) => kind === "step" && operation === "configure")
  const id = steps.at(-1)?.operation_id
  const last = new Map(steps.filter(({ operation_id }) => operation_id === id).map((entry) => [entry.step, entry]))
  return { id, steps: [...last.values()] }
}

/** Until it is with the guest; null then, else why it is not. */
export const awaitConfigured = Effect.fnUntraced(function* (
  connection: Connection,
  id: string,
  before: ReadonlyArray<Entry>
) {
  const progress = yield* makeProgress(before)
  const isOver = (entries: ReadonlyArray<Entry>) =>
    lastOf(entries).id !== lastOf(before).id &&
    ["Active", "Failed", "Deleting"].includes(entries.findLast(({ kind }) => kind === "transition")?.to ?? "")
  const last = yield* follow(connection, id, (sight) => Effect.as(progress.show(sight), isOver(sight.entries))).pipe(
    Effect.ensuring(progress.end)
  )
  if (last === null) return "it is gone: somebody has deleted it."
  const failed = lastOf(last.entries).steps.find(({ outcome }) => outcome !== "done")
  return failed === undefined ? null : (failed.error ?? "it was called off.")
})
