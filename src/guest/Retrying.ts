/** What is done at each look, and may go wrong at each: told once, and after a pause tried again. */
import { Clock, Duration, Effect } from "effect"

interface Failure {
  readonly told: string
  /** In milliseconds since the epoch. */
  readonly again: number
}

/**
 * Does the work for `key` unless it failed less than `pause` ago, and warns of a failure that is not the one that it had
 * last. `tell` makes a line of the log of it.
 */
export const makeRetrying = <E>(pause: Duration.Duration, tell: (error: E) => string) => {
  const failures = new Map<string, Failure>()
  const attempt = (key: string, work: Effect.Effect<void, E>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const before = failures.get(key)
      if (before !== undefined && now < before.again) return
      yield* Effect.matchEffect(work, {
        onSuccess: () => Effect.sync(() => void failures.delete(key)),
        onFailure: (error) => {
          const told = tell(error)
          failures.set(key, { told, again: now + Duration.toMillis(pause) })
          return told === before?.told ? Effect.void : Effect.logWarning(told)
        }
      })
    })
  /** It is tried at once when it is asked for next. */
  const forget = (key: string) => {
    failures.delete(key)
  }
  return { attempt, forget }
}
