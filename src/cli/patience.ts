/** A service that is asked too often says so (413): who only looks stands back, and looks again. */
import { Clock, Duration, Effect } from "effect"
import type { CommandFailed } from "./connection.ts"
import { CurrentScreen } from "./terminal.ts"

/** How long to stand back when the service says that it is asked too often. */
export const standBack = Duration.seconds(5)

/** How long it is tried again, in milliseconds: some of the minutes that the service counts its requests by. */
const maxBusy = 300_000

export const isBusy = ({ status }: CommandFailed) => status === 413

/** For what changes nothing. Whoever looks at the screen is told once why it takes long. */
export const patiently = <A, R>(look: Effect.Effect<A, CommandFailed, R>): Effect.Effect<A, CommandFailed, R> =>
  Effect.gen(function* () {
    const begin = yield* Clock.currentTimeMillis
    for (let tries = 0; ; tries++) {
      const seen = yield* Effect.result(look)
      if (seen._tag === "Success") return seen.success
      const { failure } = seen
      if (!isBusy(failure) || (yield* Clock.currentTimeMillis) - begin >= maxBusy) return yield* failure
      if (tries === 0) {
        const { write } = yield* CurrentScreen
        write(`The service is asked too often and wants us to wait; going on every ${Duration.format(standBack)}.\n`)
      }
      yield* Effect.sleep(standBack)
    }
  })
