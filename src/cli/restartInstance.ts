/** `coffer instance restart`: stops the database of an instance, and starts it again. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, order } from "./client.ts"
import { connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { makeProgress } from "./progress.ts"
import { awaitService, failureOf } from "./waiting.ts"

export const restart = Command.make("restart", { nameOrId, wait, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path, id) =>
    Effect.gen(function* () {
      const before = asked.wait ? yield* historyOf(connection, id) : []
      yield* order(connection, `${path}/action`, { restart: {} })
      const failure = asked.wait
        ? yield* awaitService(connection, id, yield* makeProgress(before), failureOf("restart", before))
        : null
      if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
      if (failure !== null) return yield* failed(plain(`The restart of ${asked.nameOrId} failed: ${failure}`))
      if (asked.json) return
      yield* Console.log(plain(`${asked.nameOrId} ${asked.wait ? "was restarted" : "is being restarted"}.`))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Stop the database of an instance and start it again; its clients are cut off"),
  Command.withExamples([{ command: "coffer instance restart --wait first", description: "Until a client can log in" }])
)
