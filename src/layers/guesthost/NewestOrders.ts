/**
 * Which order for each server is the newest that was heard, so that a late one, of a taskmanager that was replaced
 * since, is known and carried out no more. Kept in memory for the servers that were heard of last; of all others, and of
 * all that a process before this one has heard, the largest number is known, which is on the disk before an order is
 * carried out. Who is refused for that alone asks again, with a newer number.
 */
import { Effect, Semaphore } from "effect"
import type { DiskError } from "../../services/Disk.ts"

/** Of how many servers it is remembered: more than a machine has, and those that it lately had. */
export const maxRemembered = 10_000

/** Where the largest number that was heard is kept; 0 where none was. */
export interface OrderFloor {
  readonly read: Effect.Effect<bigint>
  /** It is on the disk when this is done. */
  readonly write: (largest: bigint) => Effect.Effect<void, DiskError>
}

export const unkept: OrderFloor = { read: Effect.succeed(0n), write: () => Effect.void }

export interface NewestOrders {
  /** Call when an order comes, and before it is carried out. */
  readonly hear: (server: string, order: number) => Effect.Effect<void>
  /** Whether a newer one has come since, or may have come. */
  readonly isLate: (server: string, order: number) => boolean
}

export const make = Effect.fnUntraced(function* (kept: OrderFloor) {
  const newest = new Map<string, number>()
  let floor = Number(yield* kept.read)
  let largest = floor
  let written = floor
  const writing = yield* Semaphore.make(1)

  const forgetOldest = () => {
    for (const [server, order] of newest) {
      newest.delete(server)
      floor = Math.max(floor, order)
      return
    }
  }

  /** Those that come while one is written are written together. */
  const keep = (order: number) =>
    Effect.suspend(() => {
      if (written >= order) return Effect.void
      const upTo = largest
      return Effect.andThen(
        kept.write(BigInt(upTo)),
        Effect.sync(() => {
          written = upTo
        })
      )
    }).pipe(
      // A disk that is full must not keep servers from being removed.
      Effect.catchCause((cause) => Effect.logError("the newest order could not be kept on the disk", cause)),
      writing.withPermits(1)
    )

  const orders: NewestOrders = {
    hear: (server, order) =>
      Effect.suspend(() => {
        // What is late moves nothing on.
        if (order < (newest.get(server) ?? floor)) return Effect.void
        // At the end again: the first is the one that was not heard of for the longest.
        newest.delete(server)
        newest.set(server, order)
        if (newest.size > maxRemembered) forgetOldest()
        largest = Math.max(largest, order)
        return keep(order)
      }),
    isLate: (server, order) => order < (newest.get(server) ?? floor)
  }
  return orders
})
