/** `coffer configuration attach`, `detach`: what an instance is set to, or is set to no more. */
import { Console, Effect, type Schema } from "effect"
import { Command } from "effect/cli"
import type { HttpClient } from "effect/http"
import { plain } from "../layers/config/terminalText.ts"
import { asking, put } from "./client.ts"
import { group, groupIdOf } from "./configurationGroups.ts"
import { awaitConfigured } from "./configuring.ts"
import { type CommandFailed, type Connection, connectionFlags, failed } from "./connection.ts"
import { printJson, readInstance, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { preview, tellPreview } from "./preview.ts"

const instanceOf = (connection: Connection, whole: Schema.Json | null) =>
  whole === null ? Effect.succeed(null) : readInstance(connection, whole)

interface Asked {
  readonly nameOrId: string
  readonly wait: boolean
  readonly preview: boolean
  readonly json: boolean
}

const change = <A extends Asked>(
  asked: A & Parameters<typeof inside>[0],
  configurationOf: (connection: Connection) => Effect.Effect<string | null, CommandFailed, HttpClient.HttpClient>,
  done: string
) =>
  inside(asked, (connection, path, id) =>
    Effect.gen(function* () {
      const configuration = yield* configurationOf(connection)
      if (asked.preview) return yield* tellPreview(connection, asked, "PUT", path, { instance: { configuration } })
      const before = yield* historyOf(connection, id)
      const was = yield* instanceOf(connection, yield* wholeInstance(connection, id))
      const isNothing = configuration === null && was?.configuration === undefined
      yield* put(connection, path, { instance: { configuration } })
      const failure = asked.wait && !isNothing ? yield* awaitConfigured(connection, id, before) : null
      const now = yield* wholeInstance(connection, id)
      if (asked.json) yield* printJson({ instance: now })
      if (failure !== null) return yield* failed(plain(`${asked.nameOrId} does not take the settings: ${failure}`))
      if (asked.json) return
      const is = yield* instanceOf(connection, now)
      const then =
        asked.wait && is?.status === "RESTART_REQUIRED"
          ? ` It waits for a restart: coffer instance restart ${asked.nameOrId}`
          : ""
      yield* Console.log(plain(`${asked.nameOrId}: ${done}.${then}`))
    })
  ).pipe(asking)

export const attach = Command.make("attach", { nameOrId, group, wait, preview, json, ...connectionFlags }, (asked) =>
  change(asked, (connection) => groupIdOf(connection, asked.group), "the group is attached")
).pipe(
  Command.withDescription("Attach a configuration group to an instance, of which it may have one"),
  Command.withExamples([
    { command: "coffer configuration attach first tuned --wait", description: "Until it is there" }
  ])
)

export const detach = Command.make("detach", { nameOrId, wait, preview, json, ...connectionFlags }, (asked) =>
  change(asked, () => Effect.succeed(null), "no group is attached")
).pipe(
  Command.withDescription(
    "Detach the configuration group of an instance, which goes back to what it was set to before"
  ),
  Command.withExamples([{ command: "coffer configuration detach first", description: "Whichever it has" }])
)
