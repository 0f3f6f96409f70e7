/**
 * Moments by which something is to have happened, as nearly all of it does: one timer for all of them, where a fiber
 * and a timer for each would cost more than the message that is waited for.
 */
import { Clock, Effect, Latch, type Scope } from "effect"

export interface Deadlines {
  /** Runs `act`, which throws nothing, after so many milliseconds by the clock, unless its answer is called before. */
  readonly after: (millis: number, act: () => void) => () => void
}

interface Deadline {
  readonly at: number
  readonly act: () => void
}

export const make: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const deadlines = new Set<Deadline>()
  /** What is slept for, which may have been called off. */
  let next = Number.POSITIVE_INFINITY
  /** Opened by one that is before that. */
  const isSooner = yield* Latch.make(false)

  /** Runs what is due, and answers the time until there is more. */
  const expire = Effect.sync(() => {
    isSooner.closeUnsafe()
    const now = clock.currentTimeMillisUnsafe()
    next = Number.POSITIVE_INFINITY
    for (const deadline of deadlines) {
      if (deadline.at > now) next = Math.min(next, deadline.at)
      else {
        deadlines.delete(deadline)
        deadline.act()
      }
    }
    return next - now
  })
  const wait = (left: number) =>
    Number.isFinite(left) ? Effect.raceFirst(isSooner.await, Effect.sleep(left)) : isSooner.await
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(expire, wait)))

  const after: Deadlines["after"] = (millis, act) => {
    const deadline = { at: clock.currentTimeMillisUnsafe() + millis, act }
    deadlines.add(deadline)
    if (deadline.at < next) {
      next = deadline.at
      isSooner.openUnsafe()
    }
    return () => {
      deadlines.delete(deadline)
    }
  }
  return { after } satisfies Deadlines as Deadlines
})
