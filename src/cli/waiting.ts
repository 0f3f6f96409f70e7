/** Waits for what was asked for to come to its end, and says what kept it from ending well. */
import { Clock, Effect } from "effect"
import type { Entry, Instance } from "./answers.ts"
import type { Connection } from "./connection.ts"
import { follow } from "./follow.ts"
import type { Progress } from "./progress.ts"

/** How long a database that is ACTIVE may take until it is seen to be healthy, in milliseconds. */
const healthyWithin = 60_000

/** How long a delete may take until its actor has taken it: until then the instance shows what it was before. */
const begunWithin = 15_000

/** A client can log in. */
export const isHealthy = ({ operating_status, status }: Instance) =>
  status === "ACTIVE" && (operating_status === "HEALTHY" || operating_status === "ACTIVE")

/** What is stopped shows what its guest is, and what is being deleted does not. */
const isStopped = ({ operating_status, status }: Instance) => status === "SHUTDOWN" && operating_status !== ""

const goes = "it is being deleted, or stopped."
const gone = "it is gone: somebody has deleted it."

/** The steps of the last operation of these kinds that the history tells of. */
const lastRun = (kinds: ReadonlyArray<string>, entries: ReadonlyArray<Entry>) => {
  const steps = entries.filter(({ kind, operation = "" }) => kind === "step" && kinds.includes(operation))
  const id = steps.at(-1)?.operation_id
  return { id, steps: steps.filter(({ operation_id }) => operation_id === id) }
}

/**
 * Why the operation failed that was asked for after `before`, at rest; null when it did not. It has succeeded when that was
 * about to be reported, whatever failed on the way.
 */
export const runFailure =
  (kinds: ReadonlyArray<string>, before: ReadonlyArray<Entry>) =>
  (entries: ReadonlyArray<Entry>): string | null => {
    const { id, steps } = lastRun(kinds, entries)
    const isOurs = id !== undefined && id !== lastRun(kinds, before).id
    if (isOurs && steps.some(({ outcome, step }) => step === "report" && outcome !== "failed")) return null
    const failed = isOurs ? steps.findLast(({ error }) => error !== null && error !== undefined) : undefined
    return failed?.error ?? "it was called off."
  }

/** Waits until the instance serves. Answers null then, else why it does not. */
export const awaitService = Effect.fnUntraced(function* (
  connection: Connection,
  id: string,
  progress: Progress,
  failureOf: (entries: ReadonlyArray<Entry>) => string | null = () => null
) {
  let failure: string | null = null
  let unhealthySince: number | null = null
  const isOver = Effect.fnUntraced(function* ({
    entries,
    instance
  }: {
    instance: Instance
    entries: ReadonlyArray<Entry>
  }) {
    const { fault, operating_status, operating_status_reason: reason, status } = instance
    if (status === "ERROR") failure = fault?.message ?? "it is in ERROR."
    if (status === "SHUTDOWN") failure = isStopped(instance) ? (failureOf(entries) ?? "it is stopped.") : goes
    if (status === "ACTIVE" || status === "RESTART_REQUIRED") failure = failureOf(entries)
    // Back in service, and waiting for a restart that was not this one.
    if (failure !== null || isHealthy(instance) || status === "RESTART_REQUIRED") return true
    if (status !== "ACTIVE") return false
    const now = yield* Clock.currentTimeMillis
    unhealthySince ??= now
    if (now - unhealthySince > healthyWithin)
      failure = `it is ACTIVE, but its database is ${operating_status}${reason === undefined ? "" : `: ${reason}`}.`
    return failure !== null
  })
  const last = yield* follow(connection, id, (sight) => Effect.andThen(progress.show(sight), isOver(sight))).pipe(
    Effect.ensuring(progress.end)
  )
  return last === null ? gone : failure
})

/** Waits until the database is stopped. Answers null then, else why it is not. */
export const awaitStopped = Effect.fnUntraced(function* (
  connection: Connection,
  id: string,
  progress: Progress,
  failureOf: (entries: ReadonlyArray<Entry>) => string | null
) {
  let failure: string | null = null
  const isOver = ({ entries, instance }: { instance: Instance; entries: ReadonlyArray<Entry> }) => {
    const { fault, status } = instance
    if (status === "ERROR") failure = fault?.message ?? "it is in ERROR."
    if (status === "ACTIVE" || status === "RESTART_REQUIRED") failure = failureOf(entries) ?? "it is started again."
    return failure !== null || isStopped(instance)
  }
  const last = yield* follow(connection, id, (sight) => Effect.as(progress.show(sight), isOver(sight))).pipe(
    Effect.ensuring(progress.end)
  )
  return last === null ? gone : failure
})

/** Waits until the instance is gone. Answers null then, else why it is not. */
export const awaitEnd = Effect.fnUntraced(function* (connection: Connection, id: string, progress: Progress) {
  const begin = yield* Clock.currentTimeMillis
  let hasBegun = false
  const isOver = Effect.fnUntraced(function* ({ instance: { status } }: { instance: Instance }) {
    hasBegun ||= status === "SHUTDOWN" || (yield* Clock.currentTimeMillis) - begin > begunWithin
    return hasBegun && status !== "SHUTDOWN"
  })
  const last = yield* follow(connection, id, (sight) => Effect.andThen(progress.show(sight), isOver(sight))).pipe(
    Effect.ensuring(progress.end)
  )
  return last === null ? null : (last.instance.fault?.message ?? `it is ${last.instance.status} still.`)
})
