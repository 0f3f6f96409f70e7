/** `coffer instance access`: who may reach an instance. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { accessFlags, accessOf, inWords } from "./accessFlags.ts"
import { asking, put } from "./client.ts"
import { awaitConfigured } from "./configuring.ts"
import { connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { preview, tellPreview } from "./preview.ts"

export const access = Command.make(
  "access",
  { nameOrId, ...accessFlags, wait, preview, json, ...connectionFlags },
  (asked) =>
    inside(asked, (connection, path, id) =>
      Effect.gen(function* () {
        const access = accessOf(asked)
        const body = { instance: { access } }
        if (asked.preview) return yield* tellPreview(connection, asked, "PUT", path, body)
        const before = yield* historyOf(connection, id)
        yield* put(connection, path, body)
        const failure = asked.wait ? yield* awaitConfigured(connection, id, before) : null
        if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
        if (failure !== null) return yield* failed(plain(`${asked.nameOrId} is not restricted so: ${failure}`))
        if (!asked.json) yield* Console.log(plain(`${asked.nameOrId} is to be reached by ${inWords(access)}.`))
      })
    ).pipe(asking)
).pipe(
  Command.withDescription("Say who may reach an instance, in the place of what was said before"),
  Command.withExamples([
    { command: "coffer instance access first --allow 10.0.0.0/8 --wait", description: "Nobody else, from then on" },
    { command: "coffer instance access first --wait", description: "Everybody again" }
  ])
)
