/** How an operation asks a guest that may be away for a while, for as long as anybody waits for the operation. */
import { Duration, Effect, Schedule } from "effect"
import { type DiskError, diskMessageOr } from "../services/Disk.ts"
import type { FabricError } from "../services/Fabric.ts"
import type { GuestRefusal } from "../services/GuestApi.ts"
import { isWanted, type Operation, StepFailure } from "./Operation.ts"

/** How long one attempt looks for a guest that cannot be reached before it says so, and how often it looks. */
const guestWait = Duration.seconds(20)
const guestPoll = Duration.seconds(2)

/** How often an attempt looks whether anybody waits for it any more. */
const lookInterval = Duration.millis(250)

/** What may be under way still is not asked for again: a tenant's clients are to be cut off once. */
export const asFailure = (error: GuestRefusal | DiskError | FabricError, isHarmlessTwice: boolean) => {
  if (error._tag === "DiskError")
    return new StepFailure({ message: error.message, detail: error.detail, transient: true })
  if (error._tag === "GuestRefusal")
    return new StepFailure({
      message: error.message,
      detail: "said by the guest agent",
      transient: error.transient ?? false
    })
  const neverBegan = error.reason !== "Timeout" && error.reason !== "Undecodable" && error.reason !== "Crashed"
  const message = neverBegan
    ? diskMessageOr(error.reason, "The guest agent cannot be reached.")
    : "The guest agent did not tell how it went."
  const isOpen = isHarmlessTwice && error.reason !== "Undecodable"
  return new StepFailure({ message, detail: error.message, transient: neverBegan || isOpen })
}

/** A store that is away for a moment calls nothing off. */
const isStillWanted = (operation: Operation) => Effect.catchCause(isWanted(operation), () => Effect.succeed(true))

/**
 * Asks, again while the guest cannot be reached, until the operation is called off. `what` is a noun. What is harmless
 * twice is asked for again also where the guest did not tell how it went.
 */
export const askGuest = Effect.fnUntraced(function* <A, R>(
  operation: Operation,
  what: string,
  asked: Effect.Effect<A, GuestRefusal | DiskError | FabricError, R>,
  { isHarmlessTwice = false }: { readonly isHarmlessTwice?: boolean } = {}
) {
  const calledOff = new StepFailure({ message: `The ${what} was called off.`, detail: "", transient: false })
  const untilCalledOff = isStillWanted(operation).pipe(
    Effect.repeat({ while: (isWanted) => isWanted, schedule: Schedule.spaced(lookInterval) }),
    Effect.andThen(Effect.fail(calledOff))
  )
  if (!(yield* isStillWanted(operation))) return yield* calledOff
  const done = Effect.mapError(asked, (error) => asFailure(error, isHarmlessTwice)).pipe(
    Effect.retry({
      while: ({ transient }) => transient,
      times: Duration.toMillis(guestWait) / Duration.toMillis(guestPoll),
      schedule: Schedule.spaced(guestPoll)
    })
  )
  return yield* Effect.raceFirst(done, untilCalledOff)
})
