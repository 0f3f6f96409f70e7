/** `coffer flavor …`: how big an instance can be. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { table } from "../layers/config/terminalText.ts"
import { Flavors, ShownFlavor } from "./answers.ts"
import { asking } from "./client.ts"
import { connect, connectionFlags } from "./connection.ts"
import { look, tell } from "./document.ts"
import { flavorIdOf } from "./flavors.ts"
import { json } from "./instanceFlags.ts"

const render = ({ flavors }: typeof Flavors.Type) =>
  table([
    ["NAME", "MEMORY", "CPUS", "DISK", "ID"],
    ...flavors.map(({ disk, name, ram, str_id, vcpus }) => [name, `${ram} MB`, `${vcpus}`, `${disk} GB`, str_id])
  ])

const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, yield* look(connection, "/flavors"), Flavors, render)
  }).pipe(asking)
).pipe(
  Command.withDescription("List the flavors with what they have"),
  Command.withExamples([{ command: "coffer flavor list", description: "What --flavor may name" }])
)

const nameOrId = Argument.String("flavor").pipe(Argument.withDescription("Its name, or its id"))

const show = Command.make("show", { nameOrId, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const id = yield* flavorIdOf(connection, asked.nameOrId)
    const found = yield* look(connection, `/flavors/${encodeURIComponent(id)}`)
    yield* tell(connection, asked, found, ShownFlavor, ({ flavor }) => render({ flavors: [flavor] }))
  }).pipe(asking)
).pipe(
  Command.withDescription("Show a flavor with what it has"),
  Command.withExamples([{ command: "coffer flavor show db.small", description: "By its name" }])
)

export const flavor = Command.make("flavor").pipe(
  Command.withDescription("How big an instance can be"),
  Command.withSubcommands([list, show])
)
