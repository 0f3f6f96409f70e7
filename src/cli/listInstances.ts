/** `coffer instance list`: the instances of a project. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { table } from "../layers/config/terminalText.ts"
import { asking } from "./client.ts"
import { connect, connectionFlags } from "./connection.ts"
import { printJson } from "./document.ts"
import { json } from "./instanceFlags.ts"
import { allInstances, readInstances } from "./instances.ts"

const header = ["NAME", "STATUS", "HEALTH", "DATASTORE", "ADDRESS", "ID"]

export const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const found = yield* allInstances(connection)
    if (asked.json) return yield* printJson({ instances: found })
    const instances = yield* readInstances(connection, found)
    if (instances.length === 0) return yield* Console.log("There are none. Order one with: coffer instance create")
    const rows = instances
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ datastore, id, ip = [], name, operating_status, status }) => [
        name,
        status,
        operating_status,
        `${datastore.type} ${datastore.version}`,
        ip.join(", "),
        id
      ])
    yield* Console.log(table([header, ...rows]))
  }).pipe(asking)
).pipe(Command.withDescription("List the instances of a project"))
