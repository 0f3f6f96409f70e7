/** `coffer database …`: the databases inside an instance. */
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { plain, table } from "../layers/config/terminalText.ts"
import { Databases } from "./answers.ts"
import { asking, order, remove } from "./client.ts"
import { type Connection, connectionFlags } from "./connection.ts"
import { tell } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { allPages } from "./pages.ts"
import { maxNamed } from "./userFlags.ts"

const name = Argument.String("database").pipe(Argument.withDescription("What it is called"))

const render = ({ databases }: typeof Databases.Type) =>
  databases.length === 0
    ? "There are none. Make one with: coffer database create"
    : table([["NAME"], ...databases.map(({ name }) => [name])])

const databasesOf = Effect.fnUntraced(function* (connection: Connection, path: string) {
  return { databases: yield* allPages(connection, `${path}/databases`, "databases") }
})

/** Tells a program what there is now; to somebody at a terminal, what was done. */
const tellDone = Effect.fnUntraced(function* (
  connection: Connection,
  path: string,
  asked: { readonly json: boolean },
  done: string
) {
  if (!asked.json) return yield* Console.log(plain(done))
  yield* tell(connection, asked, yield* databasesOf(connection, path), Databases, render)
})

const list = Command.make("list", { nameOrId, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.flatMap(databasesOf(connection, path), (found) => tell(connection, asked, found, Databases, render))
  ).pipe(asking)
).pipe(
  Command.withDescription("List the databases inside an instance"),
  Command.withExamples([{ command: "coffer database list first", description: "Those of the instance named first" }])
)

const createFlags = {
  nameOrId,
  names: name.pipe(Argument.between(1, maxNamed)),
  characterSet: Flag.String("character-set").pipe(
    Flag.withDescription("The encoding of what it holds; if unset, the datastore's"),
    Flag.optional
  ),
  collate: Flag.String("collate").pipe(
    Flag.withDescription("How what it holds is sorted; if unset, as the datastore does"),
    Flag.optional
  ),
  json,
  ...connectionFlags
}

const create = Command.make("create", createFlags, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      const kind = {
        ...(asked.characterSet._tag === "Some" ? { character_set: asked.characterSet.value } : {}),
        ...(asked.collate._tag === "Some" ? { collate: asked.collate.value } : {})
      }
      yield* order(connection, `${path}/databases`, { databases: asked.names.map((name) => ({ name, ...kind })) })
      yield* tellDone(connection, path, asked, `${asked.names.join(", ")}: made.`)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Make databases inside an instance"),
  Command.withExamples([{ command: "coffer database create first shop stock", description: "Two of them" }])
)

const deletion = Command.make("delete", { nameOrId, name, json, ...connectionFlags }, (asked) =>
  inside(asked, (connection, path) =>
    Effect.gen(function* () {
      yield* remove(connection, `${path}/databases/${encodeURIComponent(asked.name)}`)
      yield* tellDone(connection, path, asked, `${asked.name} is gone.`)
    })
  ).pipe(asking)
).pipe(
  Command.withDescription("Delete a database inside an instance, with what it holds"),
  Command.withExamples([{ command: "coffer database delete first stock", description: "It cannot be had back" }])
)

export const database = Command.make("database").pipe(
  Command.withDescription("The databases inside an instance: list, make and delete them"),
  Command.withSubcommands([list, create, deletion])
)
