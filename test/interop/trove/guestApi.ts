/** Guest agents asked as Trove's own services ask them: by Trove's client class, in a process for each question. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect, Schema } from "effect"
import { debianPython } from "../../support/packages.ts"

const run = promisify(execFile)

const Answer = Schema.fromJsonString(
  Schema.Union([Schema.Struct({ result: Schema.Unknown }), Schema.Struct({ failure: Schema.String })])
)
const decodeAnswer = Schema.decodeUnknownSync(Answer)

/** The exception that Trove's client raised: its class and what it says. */
export class GuestFailed extends Schema.TaggedError<GuestFailed>()("GuestFailed", { message: Schema.String }) {}

/**
 * Asks one guest, whose key is in the database of the conductor with this configuration: a method of
 * `trove.guestagent.api.API` with its arguments by name. Null for a cast.
 */
export const guestApi =
  (configuration: string, instanceId: string) => (method: string, args: Readonly<Record<string, unknown>>) =>
    Effect.tryPromise({
      try: async () => {
        const asking = run(debianPython, [join(import.meta.dirname, "guest_api.py"), configuration, instanceId])
        asking.child.stdin?.end(JSON.stringify({ method, args }))
        return decodeAnswer((await asking).stdout)
      },
      catch: (error) => new GuestFailed({ message: String(error) })
    }).pipe(
      Effect.flatMap((answer) =>
        "failure" in answer ? new GuestFailed({ message: answer.failure }) : Effect.succeed(answer.result)
      )
    )
