/** `coffer instance rename`: gives an instance another name; its id and its address stay. */
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, put } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { look, printJson } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"

const name = Argument.String("name").pipe(Argument.withDescription("What it is called from now on"))

export const rename = Command.make("rename", { nameOrId, name, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      yield* put(connection, path, { instance: { name: asked.name } })
      if (asked.json) return yield* printJson(yield* look(connection, path))
      yield* Console.log(plain(`${asked.nameOrId} is called ${asked.name} now.`))
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Give an instance another name"),
  Command.withExamples([{ command: "coffer instance rename first shop", description: "Its id and its address stay" }])
)
