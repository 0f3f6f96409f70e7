/** `coffer datastore …`: what an instance can run, and in which versions. */
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { fields, plain, table } from "../layers/config/terminalText.ts"
import { type Datastore, Datastores, ShownDatastore } from "./answers.ts"
import { asking, remove } from "./client.ts"
import { connect, connectionFlags, failed } from "./connection.ts"
import { datastoreParameter } from "./datastoreParameter.ts"
import { datastoreVersion } from "./datastoreVersion.ts"
import { look, tell } from "./document.ts"
import { json } from "./instanceFlags.ts"

const defaultOf = ({ default_version, versions }: Datastore) =>
  versions.find(({ id }) => id === default_version)?.name ?? ""

const renderAll = ({ datastores }: typeof Datastores.Type) =>
  table([
    ["NAME", "VERSIONS", "DEFAULT", "ID"],
    ...datastores.map((one) => [one.name, one.versions.map(({ name }) => name).join(", "), defaultOf(one), one.id])
  ])

const renderOne = ({ datastore }: typeof ShownDatastore.Type) =>
  [
    fields([
      ["name", datastore.name],
      ["id", datastore.id],
      ["default", defaultOf(datastore)]
    ]),
    "",
    table([["VERSION", "NUMBER", "ID"], ...datastore.versions.map(({ id, name, version }) => [name, version, id])])
  ].join("\n")

const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, yield* look(connection, "/datastores"), Datastores, renderAll)
  }).pipe(asking)
).pipe(
  Command.withDescription("List the datastores with their versions"),
  Command.withExamples([{ command: "coffer datastore list", description: "What --datastore and --version may name" }])
)

const nameOrId = Argument.String("datastore").pipe(Argument.withDescription("Its name, or its id"))

const show = Command.make("show", { nameOrId, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const found = yield* look(connection, `/datastores/${encodeURIComponent(asked.nameOrId)}`).pipe(
      Effect.catchIf(
        ({ status }) => status === 404,
        ({ message, status }) => failed(`${message} See which there are: coffer datastore list`, status)
      )
    )
    yield* tell(connection, asked, found, ShownDatastore, renderOne)
  }).pipe(asking)
).pipe(
  Command.withDescription("Show a datastore with its versions"),
  Command.withExamples([{ command: "coffer datastore show postgresql", description: "One version a line" }])
)

const deletion = Command.make("delete", { nameOrId, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* remove(connection, `/datastores/${encodeURIComponent(asked.nameOrId)}`)
    yield* Console.log(plain(`Datastore ${asked.nameOrId} is gone.`))
  }).pipe(asking)
).pipe(
  Command.withDescription("For administrators: delete a datastore that was added, and has no versions any more"),
  Command.withExamples([{ command: "coffer datastore delete lake", description: "After its last version" }])
)

export const datastore = Command.make("datastore").pipe(
  Command.withDescription("What an instance can run, and in which versions"),
  Command.withSubcommands([list, show, deletion, datastoreVersion, datastoreParameter])
)
