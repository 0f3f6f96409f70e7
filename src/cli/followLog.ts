/** Tells the lines of a log as its server writes them, however the instance, or the service, is away for a moment. */
import { Clock, Console, Duration, Effect } from "effect"
import { plain } from "../layers/config/terminalText.ts"
import { LogLines } from "./answers.ts"
import { get } from "./client.ts"
import type { CommandFailed, Connection } from "./connection.ts"
import { isBusy, patiently, standBack } from "./patience.ts"
import { CurrentScreen } from "./terminal.ts"

/** How often it is asked for more. */
const pause = Duration.seconds(1)

/** How long it may be that nobody tells more, in milliseconds: a restart takes less. */
const maxAway = 60_000

/** A server that is started again, an agent or a service that is: it will tell more. */
const passes = ({ status }: CommandFailed) => status === null || status === 422 || status === 400 || status >= 500

export const tellLines = (lines: ReadonlyArray<string>) =>
  lines.length === 0 ? Effect.void : Console.log(lines.map(plain).join("\n"))

/** `path`: the log in the API. */
export const lastLinesOf = (connection: Connection, path: string, lines: number) =>
  patiently(get(connection, `${path}?lines=${lines}`, LogLines))

/** Never ends by itself. */
export const followLog = Effect.fnUntraced(function* (connection: Connection, path: string, from: number) {
  const { write } = yield* CurrentScreen
  let next = from
  let toldAt = yield* Clock.currentTimeMillis
  while (true) {
    const seen = yield* Effect.result(get(connection, `${path}?offset=${next}&lines=1000`, LogLines))
    const now = yield* Clock.currentTimeMillis
    if (seen._tag === "Failure") {
      const { failure } = seen
      if (!isBusy(failure) && (!passes(failure) || now - toldAt > maxAway)) return yield* failure
      yield* Effect.sleep(isBusy(failure) ? standBack : pause)
      continue
    }
    const { log } = seen.success
    toldAt = now
    if (log.rotated) write("The log was cut: some of its lines are not told.\n")
    yield* tellLines(log.lines)
    const isMore = log.next > next && log.lines.length > 0
    next = log.next
    yield* Effect.sleep(isMore ? Duration.millis(50) : pause)
  }
})
