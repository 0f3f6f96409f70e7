/** Lets so many do their work at once and so many more wait; whoever comes beyond that is turned away at once. */
import { Effect, Semaphore } from "effect"

export interface Turnstile<E> {
  readonly through: <A, E2, R>(work: Effect.Effect<A, E2, R>) => Effect.Effect<A, E | E2, R>
}

export const make = Effect.fnUntraced(function* <E>(options: {
  readonly atOnce: number
  readonly waiting: number
  readonly full: E
}): Effect.fn.Return<Turnstile<E>> {
  const semaphore = yield* Semaphore.make(options.atOnce)
  let inside = 0
  const enter = Effect.suspend(() => {
    if (inside >= options.atOnce + options.waiting) return Effect.fail(options.full)
    inside++
    return Effect.void
  })
  const leave = Effect.sync(() => {
    inside--
  })
  return {
    through: (work) =>
      Effect.acquireUseRelease(
        enter,
        () => semaphore.withPermit(work),
        () => leave
      )
  }
})
