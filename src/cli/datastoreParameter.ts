/** `coffer datastore parameter …`: for administrators, what tenants can set of a version. */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain, table } from "../layers/config/terminalText.ts"
import { asking, order, put, remove } from "./client.ts"
import { type Connection, connect, connectionFlags, failed } from "./connection.ts"
import { look, read, tell } from "./document.ts"
import { json } from "./instanceFlags.ts"
import {
  datastore,
  either,
  flag,
  type ManagedParameter,
  ShownParameter,
  said,
  version,
  versionIdOf
} from "./managedDatastores.ts"

const pathOf = (connection: Connection, asked: { readonly datastore: string; readonly version: string }) =>
  Effect.map(versionIdOf(connection, asked), (id) => `/mgmt/datastores/versions/${id}/parameters`)

const render = ({ max_size, min_size, name, restart_required, type }: ManagedParameter) =>
  table([
    ["PARAMETER", "TYPE", "MIN", "MAX", "TAKEN"],
    [name, type, `${min_size ?? ""}`, `${max_size ?? ""}`, restart_required ? "with a restart" : "at once"]
  ])

const name = Argument.String("parameter").pipe(Argument.withDescription("What the server calls it"))
const bound = (name: string, description: string) =>
  Flag.Finite(name).pipe(Flag.withDescription(description), Flag.optional)

const details = {
  min: bound("min", "The least that it may be set to"),
  max: bound("max", "The most that it may be set to"),
  restart: flag("restart", "The server takes a change at its next start only")
}

const addFlags = {
  ...{ datastore, version, name },
  type: Flag.String("type").pipe(Flag.withDescription("What it takes: integer, float, boolean or string")),
  ...details,
  json,
  ...connectionFlags
}

const add = Command.make("add", addFlags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const path = yield* pathOf(connection, asked)
    yield* order(connection, path, {
      "configuration-parameter": {
        name: asked.name,
        data_type: asked.type,
        restart_required: asked.restart,
        ...said({ min_size: asked.min, max_size: asked.max })
      }
    })
    yield* tell(connection, asked, yield* look(connection, `${path}/${asked.name}`), ShownParameter, render)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: let tenants set another parameter of a version"),
  Command.withExamples([
    {
      command: "coffer datastore parameter add postgresql 18 auto_explain.log_nested_statements --type boolean",
      description: "One of an extension"
    }
  ])
)

const setFlags = {
  ...{ datastore, version, name, ...details },
  live: flag("live", "The server takes a change at once"),
  json,
  ...connectionFlags
}

const set = Command.make("set", setFlags, (asked) =>
  Effect.gen(function* () {
    if (asked.restart && asked.live) return yield* failed("--restart and --live contradict each other.")
    const connection = yield* connect(asked)
    const path = `${yield* pathOf(connection, asked)}/${encodeURIComponent(asked.name)}`
    const before = yield* read(connection, ShownParameter, yield* look(connection, path))
    // What is not said stays as it is; the API takes the whole.
    const orBefore = (now: Option.Option<number>, then: number | undefined) =>
      Option.orElse(now, () => Option.fromUndefinedOr(then))
    yield* put(connection, path, {
      "configuration-parameter": {
        name: asked.name,
        data_type: before.type,
        restart_required: either(asked.restart, asked.live) ?? before.restart_required,
        ...said({ min_size: orBefore(asked.min, before.min_size), max_size: orBefore(asked.max, before.max_size) })
      }
    })
    yield* tell(connection, asked, yield* look(connection, path), ShownParameter, render)
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: change the range of a parameter, or when a change of it is taken"),
  Command.withExamples([
    {
      command: "coffer datastore parameter set postgresql 18 max_connections --max 500",
      description: "No more than that"
    }
  ])
)

const removal = Command.make("remove", { datastore, version, name, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* remove(connection, `${yield* pathOf(connection, asked)}/${encodeURIComponent(asked.name)}`)
    yield* Console.log(plain(`${asked.name} cannot be set of ${asked.datastore} ${asked.version} any more.`))
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: let nobody set a parameter any more; groups that have it keep it"),
  Command.withExamples([
    { command: "coffer datastore parameter remove postgresql 18 work_mem", description: "It comes back with add" }
  ])
)

export const datastoreParameter = Command.make("parameter").pipe(
  Command.withDescription(
    "For administrators: what tenants can set of a version (see coffer configuration parameters)"
  ),
  Command.withSubcommands([add, set, removal])
)
