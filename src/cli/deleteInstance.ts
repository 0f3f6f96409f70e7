/** `coffer instance delete`: gives an instance back, with everything in it. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, remove } from "./client.ts"
import { connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { makeProgress } from "./progress.ts"
import { awaitEnd } from "./waiting.ts"

export const deletion = Command.make("delete", { nameOrId, wait, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path, id) =>
    Effect.gen(function* () {
      const before = asked.wait ? yield* historyOf(connection, id) : []
      yield* remove(connection, path)
      const failure = asked.wait ? yield* awaitEnd(connection, id, yield* makeProgress(before)) : null
      if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
      if (failure !== null) return yield* failed(plain(`The delete of ${asked.nameOrId} failed: ${failure}`))
      if (asked.json) return
      yield* Console.log(plain(`${asked.nameOrId} ${asked.wait ? "is gone" : "is being deleted"}.`))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Delete an instance and everything in it, whatever it is doing"),
  Command.withExamples([{ command: "coffer instance delete --wait first", description: "Until nothing is left of it" }])
)
