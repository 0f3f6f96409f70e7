/** The token by which we are known to Keystone: got when it is needed, and anew before it ends or when it is refused. */
import { Cache, Duration, Effect, Exit, type Redacted } from "effect"
import type { KeystoneUnusable, OwnToken as Token } from "./Keystone.ts"

/** It is replaced so long before its end, or when half its time is over. */
const margin = Duration.minutes(1)

/** How long nobody tries again after it could not be got: guessing at a password locks its user. */
export const pauseAfterFailure = Duration.seconds(1)

export interface OwnToken {
  readonly current: Effect.Effect<Redacted.Redacted, KeystoneUnusable>
  /** Keystone took this one no more: the next. Those who were refused with it share one. */
  readonly instead: (refused: Redacted.Redacted) => Effect.Effect<Redacted.Redacted, KeystoneUnusable>
}

const useful = ({ lasts }: Token) => Duration.subtract(lasts, Duration.min(margin, Duration.divideUnsafe(lasts, 2)))

export const make = Effect.fnUntraced(function* (
  enter: Effect.Effect<Token, KeystoneUnusable>
): Effect.fn.Return<OwnToken> {
  const cache = yield* Cache.makeWith((_own: "own") => enter, {
    capacity: 1,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? useful(exit.value) : pauseAfterFailure)
  })
  const current = Effect.map(Cache.get(cache, "own"), ({ token }) => token)
  return {
    current,
    instead: (refused) =>
      Cache.invalidateWhen(cache, "own", ({ token }) => token === refused).pipe(Effect.andThen(current))
  }
})
