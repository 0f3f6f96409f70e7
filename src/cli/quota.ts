/** `coffer quota …`: how much a project may hold, and holds. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { table } from "../layers/config/terminalText.ts"
import { resources } from "../services/Quotas.ts"
import { Quotas } from "./answers.ts"
import { asking, put } from "./client.ts"
import { type Connection, connect, connectionFlags, failed } from "./connection.ts"
import { look, tell } from "./document.ts"
import { json } from "./instanceFlags.ts"

const target = Argument.String("project").pipe(
  Argument.withDescription("Whose; if unset, that of --project"),
  Argument.optional
)

const render = ({ quotas }: typeof Quotas.Type) =>
  table([
    ["RESOURCE", "IN USE", "RESERVED", "LIMIT"],
    ...quotas.map(({ in_use, limit, reserved, resource }) => [
      resource,
      `${in_use}`,
      `${reserved}`,
      limit < 0 ? "none" : `${limit}`
    ])
  ])

const pathOf = ({ project }: Connection, target: Option.Option<string>) =>
  `/mgmt/quotas/${encodeURIComponent(Option.getOrElse(target, () => project))}`

const show = Command.make("show", { target, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, yield* look(connection, pathOf(connection, asked.target)), Quotas, render)
  }).pipe(asking)
).pipe(
  Command.withDescription("Show how much a project holds, and may hold; ram is in MB, volumes in GB"),
  Command.withExamples([
    { command: "coffer quota show", description: "Of the project itself; others are the administrator's" }
  ])
)

const limit = (resource: string, unit: string) =>
  Flag.Int(resource).pipe(Flag.withDescription(`How many ${unit}; -1 is no limit`), Flag.optional)

const setFlags = {
  target,
  instances: limit("instances", "instances it may hold"),
  ram: limit("ram", "MB of memory all of them may have"),
  volumes: limit("volumes", "GB all volumes may have"),
  backups: limit("backups", "backups it may hold"),
  json,
  ...connectionFlags
}

const set = Command.make("set", setFlags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const quotas = Object.fromEntries(
      resources.flatMap((resource) => Option.toArray(asked[resource]).map((limit) => [resource, limit] as const))
    )
    if (Object.keys(quotas).length === 0)
      return yield* failed(`Say what is to change: ${resources.map((resource) => `--${resource}`).join(", ")}.`)
    const path = pathOf(connection, asked.target)
    yield* put(connection, path, { quotas })
    yield* tell(connection, asked, yield* look(connection, path), Quotas, render)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: set how much a project may hold"),
  Command.withExamples([
    { command: "coffer quota set demo --instances 20 --volumes 100", description: "What is not named stays" }
  ])
)

export const quota = Command.make("quota").pipe(
  Command.withDescription("How much a project may hold, and holds"),
  Command.withSubcommands([show, set])
)
