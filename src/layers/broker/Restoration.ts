/**
 * Gives all guests their access again where a broker has lost it, wiped or moved. A guest's password comes of its
 * key, which the store has, so that each is let in again with the link that it was started with.
 */
import { Effect, Option } from "effect"
import type { GuestAccessError } from "../../services/GuestAccess.ts"
import type { InstanceId } from "../../services/Ids.ts"
import type { GuestKey, Keyring } from "../fabric/secure/Keyring.ts"

type Done = Effect.Effect<void, GuestAccessError>

/** How many guests are given their access at a time. */
const concurrency = 8

export interface Restoration {
  readonly keyring: Keyring["Service"]
  readonly isNeeded: Effect.Effect<boolean, GuestAccessError>
  /** What does not belong to one guest. */
  readonly before: Done
  readonly give: (id: InstanceId, known: GuestKey) => Effect.Effect<unknown, GuestAccessError>
  readonly takeBack: (id: InstanceId) => Done
  /** Nobody lacks anything now. */
  readonly after: Done
}

const hosts = 'Logins of guest hosts are not among them: "coffer host add" gives each its own again.'

/** Does nothing while it is not needed. Where some guests could not be served, it is still needed afterwards. */
export const make = ({ after, before, give, isNeeded, keyring, takeBack }: Restoration): Done =>
  Effect.gen(function* () {
    if (!(yield* isNeeded)) return
    yield* before
    const guests = yield* keyring.all
    const outcomes = yield* Effect.forEach(
      guests,
      ({ instance }) =>
        Effect.gen(function* () {
          // Asked for a key, the keyring would draw one for a guest that was deleted just now.
          const known = yield* keyring.find(instance)
          if (Option.isSome(known)) yield* give(instance, known.value)
          return true
        }).pipe(
          Effect.catch(({ detail }) =>
            Effect.as(Effect.logDebug(`the guest could not be given its access again: ${detail}`), false)
          ),
          // One whose key cannot be opened keeps no other one out.
          Effect.catchDefect((defect) =>
            Effect.as(Effect.logWarning("the guest could not be given its access again", defect), false)
          ),
          Effect.annotateLogs({ instance })
        ),
      { concurrency }
    )
    // Who was deleted meanwhile may have been given it after it was taken back.
    const still = new Set((yield* keyring.all).map(({ instance }) => instance))
    const gone = guests.filter(({ instance }) => !still.has(instance))
    yield* Effect.forEach(gone, ({ instance }) => takeBack(instance), { concurrency, discard: true })

    const served = outcomes.filter((isServed) => isServed).length
    const failed = outcomes.length - served
    if (failed > 0) {
      return yield* Effect.logWarning(
        `The broker lacked what was made for guests, as if wiped or moved: ${served} have it again, and ${failed} do not; they are tried ` +
          `again soon. ${hosts}`
      )
    }
    yield* after
    if (served > 0) {
      yield* Effect.logWarning(
        `The broker lacked what was made for guests, as if wiped or moved: all ${served} have it again. ${hosts}`
      )
    }
  })
