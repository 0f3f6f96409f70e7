/**
 * Transactions that stood in each other's way: PostgreSQL lets one go on and undoes the other as a whole (a deadlock, or
 * access that cannot be serialized). The one that was undone is run again, from its beginning, by what it reads then.
 */
import { type Cause, Duration, Effect, Predicate, Schedule } from "effect"

/** How often one is run again. Whoever loses more often than that meets a store that is busy, and is told so. */
export const maxAgain = 5

/** The pause before that: 10 ms, doubling, each time another part of it, so that the same two do not meet again. */
const pauses = Schedule.exponential(Duration.millis(10)).pipe(Schedule.jittered)

const conflicts: ReadonlySet<unknown> = new Set(["DeadlockError", "SerializationError"])

const isUndone = (error: unknown): boolean =>
  Predicate.isObject(error) &&
  error["_tag"] === "SqlError" &&
  Predicate.isObject(error["reason"]) &&
  conflicts.has(error["reason"]["_tag"])

/** Whether all that failed is a transaction that was undone in favour of another. */
export const isConflict = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.length > 0 &&
  cause.reasons.every(
    (reason) => (reason._tag === "Die" && isUndone(reason.defect)) || (reason._tag === "Fail" && isUndone(reason.error))
  )

/** A whole transaction, or a statement that is one: never a part of one, for what came before it is undone as well. */
export const again = <A, E, R>(transaction: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  transaction.pipe(
    Effect.sandbox,
    Effect.retry({ while: isConflict, times: maxAgain, schedule: pauses }),
    Effect.catch(Effect.failCause)
  )
