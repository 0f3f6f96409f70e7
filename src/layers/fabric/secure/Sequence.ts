/**
 * The numbers that a process gives its messages: each greater than all before it, and by its clock, so that a
 * process that was started anew goes on above where it was, without having kept anything.
 *
 * That holds for as long as the clock is not set back further than the process was away: machines of the control
 * plane keep their time by NTP.
 */
import { Clock, Effect } from "effect"

/** Microseconds since the epoch. */
export type Sequence = bigint

export const microsecondsInMilli = 1000n

/** The next number, each time it is run. */
export const make: Effect.Effect<Effect.Effect<Sequence>> = Effect.sync(() => {
  let last = 0n
  return Effect.map(Clock.currentTimeMillis, (millis): Sequence => {
    const now = BigInt(Math.floor(millis)) * microsecondsInMilli
    last = now > last ? now : last + 1n
    return last
  })
})
