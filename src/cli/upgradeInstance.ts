/** `coffer instance upgrade`: brings an instance to another version of its datastore, on a copy of its data. */
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, put } from "./client.ts"
import { connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { preview, tellPreview } from "./preview.ts"
import { makeProgress } from "./progress.ts"
import { awaitService, runFailure } from "./waiting.ts"

const version = Flag.String("version").pipe(
  Flag.withDescription("Version of the same datastore, by its name or id; not an older one")
)

export const upgrade = Command.make(
  "upgrade",
  { nameOrId, version, wait, preview, json, ...connectionFlags },
  (asked) =>
    inside(asked, (connection, path, id) =>
      Effect.gen(function* () {
        const body = { instance: { datastore_version: asked.version } }
        if (asked.preview) return yield* tellPreview(connection, asked, "PUT", path, body)
        const before = asked.wait ? yield* historyOf(connection, id) : []
        yield* put(connection, path, body)
        const failure = asked.wait
          ? yield* awaitService(connection, id, yield* makeProgress(before), runFailure(["upgrade"], before))
          : null
        if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
        if (failure !== null)
          return yield* failed(plain(`${asked.nameOrId} was not upgraded, and serves as before: ${failure}`))
        if (asked.json) return
        const done = asked.wait ? "was upgraded" : "is being upgraded"
        yield* Console.log(plain(`${asked.nameOrId} ${done} to version ${asked.version}.`))
      })
    ).pipe(asking)
).pipe(
  Command.withDescription("Bring an instance to another version; it goes back by itself where that does not serve"),
  Command.withExamples([
    { command: "coffer instance upgrade first --version 18 --wait", description: "Until the new version serves" }
  ])
)
