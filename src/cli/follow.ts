/** Looks at an instance and its history again and again, however often the service is busy or away for a moment. */
import { Clock, Duration, Effect } from "effect"
import type { HttpClient } from "effect/http"
import { type Entry, History, type Instance, Shown } from "./answers.ts"
import { get } from "./client.ts"
import type { CommandFailed, Connection } from "./connection.ts"
import { isBusy, patiently, standBack } from "./patience.ts"

export interface Sight {
  readonly instance: Instance
  readonly entries: ReadonlyArray<Entry>
}

/** How often it is looked at: often while most happens, then well below the API's rate limit. */
const lookInterval = (looks: number) => Duration.millis(looks < 12 ? 250 : 1000)

/** How long to stand back when the API is away. */
const awayPause = Duration.seconds(1)

/** How long a service that was there may be away, in milliseconds: it may be started anew. */
const maxAway = 60_000

const readHistory = (connection: Connection, id: string) =>
  Effect.map(get(connection, `/instances/${id}/history`, History), ({ history }) => history.entries)

export const historyOf = (connection: Connection, id: string) => patiently(readHistory(connection, id))

const look = (connection: Connection, id: string): Effect.Effect<Sight, CommandFailed, HttpClient.HttpClient> =>
  Effect.map(
    Effect.all([get(connection, `/instances/${id}`, Shown), readHistory(connection, id)]),
    ([{ instance }, entries]) => ({ instance, entries })
  )

/** Shows every sight to `isEnough` until it says so, and gives that one; null once there is nothing to see any more. */
export const follow = Effect.fnUntraced(function* <R>(
  connection: Connection,
  id: string,
  isEnough: (sight: Sight) => Effect.Effect<boolean, never, R>
) {
  let seenAt: number | null = null
  for (let looks = 0; ; looks++) {
    const seen = yield* Effect.result(look(connection, id))
    const now = yield* Clock.currentTimeMillis
    if (seen._tag === "Success") {
      seenAt = now
      if (yield* isEnough(seen.success)) return seen.success
      yield* Effect.sleep(lookInterval(looks))
      continue
    }
    const { failure } = seen
    const { status } = failure
    if (status === 404) return null
    const isAway = (status === null || status >= 500) && seenAt !== null && now - seenAt < maxAway
    if (!isBusy(failure) && !isAway) return yield* failure
    yield* Effect.sleep(isBusy(failure) ? standBack : awayPause)
  }
})
