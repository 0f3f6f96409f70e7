/** `coffer instance list`: the instances of a project. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { table } from "../layers/config/terminalText.ts"
import { Listed } from "./answers.ts"
import { asking } from "./client.ts"
import { connect, connectionFlags } from "./connection.ts"
import { tell } from "./document.ts"
import { json } from "./instanceFlags.ts"
import { allInstances } from "./instances.ts"

const header = ["NAME", "STATUS", "HEALTH", "DATASTORE", "ADDRESS", "ID"]

const renderInstances = ({ instances }: typeof Listed.Type) => {
  if (instances.length === 0) return "There are none. Order one with: coffer instance create"
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
  return table([header, ...rows])
}

export const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    yield* tell(connection, asked, { instances: yield* allInstances(connection) }, Listed, renderInstances)
  }).pipe(asking)
).pipe(
  Command.withDescription("List the instances of a project"),
  Command.withExamples([
    { command: "coffer instance list --json", description: "One JSON document, for another program" }
  ])
)
