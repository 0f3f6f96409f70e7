/** `coffer instance show`: what an instance is, and why it is where it is. */
import { Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { asking, get } from "./client.ts"
import { connect, connectionFlags, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { follow, type Sight } from "./follow.ts"
import { renderHistory } from "./historyView.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { idOf } from "./instances.ts"
import { patiently } from "./patience.ts"
import { isHealthy } from "./waiting.ts"

const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Go on showing it until it is at rest"),
  Flag.withDefault(false)
)

const WholeHistory = Schema.Struct({ history: Schema.Json })

export const show = Command.make("show", { nameOrId, watch, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const id = yield* idOf(connection, asked.nameOrId)
    // On a terminal the picture is drawn over the one before.
    const over = asked.watch && process.stdout.isTTY === true ? "\u001b[2J\u001b[H" : ""
    let picture = ""
    const draw = Effect.fnUntraced(function* ({ entries, instance }: Sight) {
      const next = renderHistory(instance, entries)
      if (next !== picture && !asked.json) yield* Console.log(`${over}${next}`)
      picture = next
      return !asked.watch || instance.status === "ERROR" || isHealthy(instance)
    })
    const last = yield* follow(connection, id, draw)
    if (last === null && picture === "") return yield* failed(plain(`There is no instance ${asked.nameOrId}.`), 404)
    if (last === null && !asked.json) return yield* Console.log("It is gone.")
    if (!asked.json) return
    const instance = last === null ? null : yield* wholeInstance(connection, id)
    const { history } =
      instance === null
        ? { history: null }
        : yield* patiently(get(connection, `/instances/${id}/history`, WholeHistory))
    yield* printJson({ instance, history })
  }).pipe(asking)
).pipe(
  Command.withDescription("Show an instance with its history: every transition and step, and what it waits for"),
  Command.withExamples([{ command: "coffer instance show --watch first", description: "Watch a build, live" }])
)
