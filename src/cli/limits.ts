/** `coffer limits`: what a project may hold, and how often it may ask. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { table } from "../layers/config/terminalText.ts"
import { Limits } from "./answers.ts"
import { asking } from "./client.ts"
import { connect, connectionFlags } from "./connection.ts"
import { look, tell } from "./document.ts"
import { json } from "./instanceFlags.ts"

const limitOf = (limit: string | number) => (Number(limit) < 0 ? "none" : `${limit}`)

/** Beside the rates of all requests there are Trove's of mgmt, which no request ever uses up: not shown. */
const render = ({ limits }: typeof Limits.Type) => {
  const rows = limits.flatMap((limit) => {
    if ("uri" in limit) {
      const { remaining, uri, value, verb } = limit
      return uri === "*" ? [[`${verb} requests a minute`, `${value}`, `${remaining}`]] : []
    }
    return Object.entries(limit)
      .filter(([name]) => name !== "verb")
      .map(([name, value]) => [name.replace("max_", ""), limitOf(value), ""])
  })
  return table([["WHAT", "LIMIT", "LEFT"], ...rows])
}

export const limits = Command.make("limits", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, yield* look(connection, "/limits"), Limits, render)
  }).pipe(asking)
).pipe(
  Command.withDescription("Show what the project may hold, and how often it may ask"),
  Command.withExamples([{ command: "coffer limits", description: "What is held is told by coffer quota show" }])
)
