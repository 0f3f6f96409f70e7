/** `coffer configuration …`: settings of database servers, kept as groups that are attached to instances. */
import { Console, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { attach, detach } from "./attachConfiguration.ts"
import { asking, patch, post, put, remove } from "./client.ts"
import { allGroups, group, groupIdOf, settings, valuesOf } from "./configurationGroups.ts"
import {
  AttachedInstances,
  Groups,
  Parameter,
  Parameters,
  renderGroup,
  renderGroups,
  renderInstances,
  renderParameter,
  renderParameters,
  ShownGroup
} from "./configurationView.ts"
import { type Connection, connect, connectionFlags } from "./connection.ts"
import { look, tell } from "./document.ts"
import { json } from "./instanceFlags.ts"
import { allPages } from "./pages.ts"
import { preview, tellPreview } from "./preview.ts"

const Document = Schema.Record(Schema.String, Schema.Json)

const showGroup = Effect.fnUntraced(function* (connection: Connection, id: string, asked: { readonly json: boolean }) {
  yield* tell(connection, asked, yield* look(connection, `/configurations/${id}`), ShownGroup, renderGroup)
})

const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, { configurations: yield* allGroups(connection) }, Groups, renderGroups)
  }).pipe(asking)
).pipe(
  Command.withDescription("List the configuration groups of a project"),
  Command.withExamples([{ command: "coffer configuration list", description: "What can be attached" }])
)

const show = Command.make("show", { group, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* showGroup(connection, yield* groupIdOf(connection, asked.group), asked)
  }).pipe(asking)
).pipe(
  Command.withDescription("Show a configuration group with its settings"),
  Command.withExamples([{ command: "coffer configuration show tuned", description: "By its name" }])
)

const datastore = Flag.String("datastore").pipe(
  Flag.withDescription("What it is for; if unset, the service's default"),
  Flag.optional
)
const version = Flag.String("version").pipe(
  Flag.withDescription("Which version of that; if unset, its default"),
  Flag.optional
)
const description = Flag.String("description").pipe(Flag.withDescription("For people to read"), Flag.optional)

const createFlags = {
  name: Argument.String("name").pipe(Argument.withDescription("What it is to be called")),
  settings,
  description,
  datastore,
  version,
  json,
  ...connectionFlags
}

const create = Command.make("create", createFlags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const kind = {
      ...(Option.isSome(asked.datastore) ? { type: asked.datastore.value } : {}),
      ...(Option.isSome(asked.version) ? { version: asked.version.value } : {})
    }
    const configuration = {
      name: asked.name,
      values: yield* valuesOf(asked.settings),
      datastore: kind,
      ...(Option.isSome(asked.description) ? { description: asked.description.value } : {})
    }
    const made = yield* post(connection, "/configurations", { configuration }, Document)
    yield* tell(connection, asked, made, ShownGroup, renderGroup)
  }).pipe(asking)
).pipe(
  Command.withDescription("Keep settings as a configuration group; they are checked against what the version takes"),
  Command.withExamples([
    { command: "coffer configuration create tuned --set work_mem=8192", description: "One that is taken at once" }
  ])
)

const updateFlags = {
  group,
  settings,
  replace: Flag.Boolean("replace").pipe(
    Flag.withDescription("These are all settings from now on; else they are added to those that there are"),
    Flag.withDefault(false)
  ),
  name: Flag.String("name").pipe(Flag.withDescription("Another name, with --replace"), Flag.optional),
  description,
  preview,
  json,
  ...connectionFlags
}

const update = Command.make("update", updateFlags, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const id = yield* groupIdOf(connection, asked.group)
    const values = yield* valuesOf(asked.settings)
    const named = {
      ...(Option.isSome(asked.name) ? { name: asked.name.value } : {}),
      ...(Option.isSome(asked.description) ? { description: asked.description.value } : {})
    }
    const path = `/configurations/${id}`
    const change = { configuration: asked.replace ? { ...named, values } : { values } }
    if (asked.preview) return yield* tellPreview(connection, asked, asked.replace ? "PUT" : "PATCH", path, change)
    yield* (asked.replace ? put : patch)(connection, path, change)
    yield* showGroup(connection, id, asked)
  }).pipe(asking)
).pipe(
  Command.withDescription("Change the settings of a group, for every instance that it is attached to"),
  Command.withExamples([
    { command: "coffer configuration update tuned --set max_connections=200", description: "One more setting" }
  ])
)

const deletion = Command.make("delete", { group, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* remove(connection, `/configurations/${yield* groupIdOf(connection, asked.group)}`)
    if (!asked.json) return yield* Console.log(plain(`${asked.group} is gone.`))
    yield* tell(connection, asked, { configurations: yield* allGroups(connection) }, Groups, renderGroups)
  }).pipe(asking)
).pipe(
  Command.withDescription("Delete a configuration group that is attached to nothing"),
  Command.withExamples([{ command: "coffer configuration delete tuned", description: "After it was detached" }])
)

const instances = Command.make("instances", { group, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const path = `/configurations/${yield* groupIdOf(connection, asked.group)}/instances`
    const found = { instances: yield* allPages(connection, path, "instances") }
    yield* tell(connection, asked, found, AttachedInstances, renderInstances)
  }).pipe(asking)
).pipe(
  Command.withDescription("List the instances that a group is attached to"),
  Command.withExamples([{ command: "coffer configuration instances tuned", description: "Whom a change reaches" }])
)

const ofVersion = {
  datastore: Argument.String("datastore").pipe(Argument.withDescription("Its name, or its id")),
  version: Argument.String("version").pipe(Argument.withDescription("Its name, or its id"))
}
const parametersPath = (asked: { readonly datastore: string; readonly version: string }) =>
  `/datastores/${encodeURIComponent(asked.datastore)}/versions/${encodeURIComponent(asked.version)}/parameters`

const parameters = Command.make("parameters", { ...ofVersion, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, yield* look(connection, parametersPath(asked)), Parameters, renderParameters)
  }).pipe(asking)
).pipe(
  Command.withDescription("List what can be set of a version, and what waits for a restart"),
  Command.withExamples([{ command: "coffer configuration parameters postgresql 18", description: "Of PostgreSQL 18" }])
)

const parameter = Command.make(
  "parameter",
  {
    ...ofVersion,
    name: Argument.String("parameter").pipe(Argument.withDescription("What it is called")),
    json,
    ...connectionFlags
  },
  (asked) =>
    Effect.gen(function* () {
      const connection = yield* connect(asked)
      const path = `${parametersPath(asked)}/${encodeURIComponent(asked.name)}`
      yield* tell(connection, asked, yield* look(connection, path), Parameter, renderParameter)
    }).pipe(asking)
).pipe(
  Command.withDescription("Show one parameter of a version"),
  Command.withExamples([
    { command: "coffer configuration parameter postgresql 18 work_mem", description: "Its type, and its range" }
  ])
)

export const configuration = Command.make("configuration").pipe(
  Command.withDescription("Settings of database servers, as groups: kept, changed, attached and detached"),
  Command.withSubcommands([list, show, create, update, deletion, attach, detach, instances, parameters, parameter])
)
