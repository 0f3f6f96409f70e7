/** What commands about one instance and what is inside share: which it is, and what to do where it refuses. */
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import { plain } from "../layers/config/terminalText.ts"
import { type CommandFailed, type Connection, type ConnectionFlags, connect, failed } from "./connection.ts"
import { idOf } from "./instances.ts"

/** What somebody can do about a refusal, by what the service says; `{}` is the instance. */
const advices: ReadonlyArray<readonly [refusal: RegExp, advice: string]> = [
  [/ is not ready| is not currently available/, "See what it does: coffer instance show --watch {}"],
  [/^Resource /, "See which instances there are: coffer instance list"],
  [/^Database /, "See which there are: coffer database list {}"],
  [/^User .* has no access to /, "See who may use what: coffer user list {}"],
  [/^User /, "See which there are: coffer user list {}"],
  [/^Log '.*' is not defined/, "See which there are: coffer log list {}"],
  [/^Root user has never been enabled/, "Enable it: coffer root enable {}"]
]

/** The refusal, with what to do about it. */
const advised = (nameOrId: string) => (refusal: CommandFailed) => {
  const advice = refusal.status === null ? undefined : advices.find(([words]) => words.test(refusal.message))?.[1]
  return advice === undefined
    ? refusal
    : failed(plain(`${refusal.message} ${advice.replace("{}", nameOrId)}`), refusal.status)
}

interface Asked extends ConnectionFlags {
  /** The instance. */
  readonly nameOrId: string
}

/** Finds the instance, and goes on with the path of its resource in the API. */
export const inside = <A>(
  asked: Asked,
  use: (connection: Connection, path: string, id: string) => Effect.Effect<A, CommandFailed, HttpClient.HttpClient>
) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const id = yield* idOf(connection, asked.nameOrId)
    return yield* Effect.mapError(use(connection, `/instances/${id}`, id), advised(asked.nameOrId))
  })
