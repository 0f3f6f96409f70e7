/**
 * Refuses a message that was taken before. Several processes send to one party, so that their numbers come mixed: a
 * message may be behind the newest one, by as much as `window`, if its id was not seen. What is older is refused.
 *
 * The receiver's clock plays no part, for a guest's clock may be wrong by years. So a sender whose clock is ahead
 * shuts the others out for as long as it is ahead by more than the window: machines of the control plane keep
 * their time by NTP.
 */
import { Effect, Semaphore } from "effect"
import type { DiskError } from "../../../services/Disk.ts"
import { microsecondsInMilli, type Sequence } from "./Sequence.ts"

/** How far behind the newest message one may be, in microseconds: 60 seconds. */
export const window = 60_000n * microsecondsInMilli

/** How many ids are remembered. Beyond that the oldest go, and what is as old as they is refused. */
export const maxRemembered = 10_000

/** What outlives the receiver: the highest number that it has taken. */
export interface ReplayFloor {
  /** 0 where nothing was written yet. */
  readonly read: Effect.Effect<Sequence>
  /** Kept when this ends well; else it is as it was. */
  readonly write: (highest: Sequence) => Effect.Effect<void, DiskError>
}

export interface ReplayGuard {
  /**
   * Whether this is the first time; the message must be proven to be its sender's before. After a yes a repeat is
   * refused even by a receiver that was started anew: the number is kept before the message is handed on. Such a
   * receiver refuses everything up to the highest number it had taken, for it knows no ids any more. Where the number
   * cannot be kept, the message is neither taken nor refused.
   */
  readonly accept: (sequence: Sequence, id: string) => Effect.Effect<boolean, DiskError>
  /** What was accepted was not handled after all, and is taken by this receiver when it comes again. */
  readonly release: (sequence: Sequence, id: string) => Effect.Effect<void>
}

/** For receivers that keep nothing: of a process whose messages may be taken again by the next one. */
export const inMemory: Effect.Effect<ReplayFloor> = Effect.sync(() => {
  let highest = 0n
  return {
    read: Effect.sync(() => highest),
    write: (sequence) =>
      Effect.sync(() => {
        highest = sequence
      })
  }
})

interface Taken {
  readonly sequence: Sequence
  readonly id: string
}

/**
 * `remembers`: how many ids, see `maxRemembered`. `behind`: how far behind the newest message one may be; null where
 * nothing is refused for its age as long as its id would be remembered, so that what a server gave back, or an operator
 * replays, is taken.
 */
export const make = Effect.fnUntraced(function* (
  kept: ReplayFloor,
  remembers: number = maxRemembered,
  behind: bigint | null = window
): Effect.fn.Return<ReplayGuard> {
  let highest = yield* kept.read
  let floor = highest
  /** In the order of their numbers. Those before `from` are forgotten. */
  let taken: Array<Taken> = []
  let from = 0
  const ids = new Set<string>()
  const inTurn = (yield* Semaphore.make(1)).withPermits(1)

  const remember = (message: Taken) => {
    const place = taken.findLastIndex(({ sequence }) => sequence <= message.sequence) + 1
    taken.splice(place, 0, message)
    ids.add(message.id)
    const tooMany = taken.length - from > remembers ? (taken[from]?.sequence ?? 0n) : 0n
    const tooOld = behind === null ? 0n : highest - behind
    for (const least of [tooOld, tooMany]) if (least > floor) floor = least
    for (let oldest = taken[from]; oldest !== undefined && oldest.sequence <= floor; oldest = taken[++from]) {
      ids.delete(oldest.id)
    }
    // Not for each: it moves all the others.
    if (from * 2 > taken.length) {
      taken = taken.slice(from)
      from = 0
    }
  }

  const accept: ReplayGuard["accept"] = (sequence, id) =>
    Effect.suspend(() => {
      if (sequence <= floor || ids.has(id)) return Effect.succeed(false)
      const keep = sequence > highest ? kept.write(sequence) : Effect.void
      return Effect.map(keep, () => {
        if (sequence > highest) highest = sequence
        remember({ sequence, id })
        return true
      })
    }).pipe(Effect.uninterruptible, inTurn)

  const release: ReplayGuard["release"] = (sequence, id) =>
    inTurn(
      Effect.sync(() => {
        const place = taken.findLastIndex((message) => message.id === id && message.sequence === sequence)
        if (place < from) return
        taken.splice(place, 1)
        ids.delete(id)
      })
    )

  return { accept, release }
})

/**
 * Of reports, which bear the time at which they were told: the store of reports drops what is not newer than what it
 * holds, whichever conductor took it, and nothing need be remembered here for each of many guests.
 */
export const toldElsewhere: ReplayGuard = { accept: () => Effect.succeed(true), release: () => Effect.void }
