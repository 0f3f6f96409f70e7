/** `coffer db …`: the tables of the control plane's database. */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { Command } from "effect/cli"
import { load } from "../layers/config/load.ts"
import * as Migrations from "../layers/postgres/Migrations.ts"
import * as PgPool from "../layers/postgres/PgPool.ts"
import * as SchemaVersion from "../layers/postgres/SchemaVersion.ts"
import { configFlag } from "./configFlag.ts"
import { failWith } from "./failure.ts"

/** Where it is, without who asks: for a terminal. */
const placeOf = (url: Redacted.Redacted) => {
  const { hostname, pathname, port } = new URL(Redacted.value(url))
  return `${pathname.slice(1)} at ${hostname}${port === "" ? "" : `:${port}`}`
}

const migrate = Command.make(
  "migrate",
  { config: configFlag },
  Effect.fnUntraced(
    function* ({ config }) {
      const { database } = yield* load(config, process.env, "conductor")
      const client = PgPool.layer(database.url, "coffer db migrate")
      const [before, after] = yield* Effect.gen(function* () {
        const before = yield* SchemaVersion.current
        yield* Layer.build(Migrations.layer)
        return [before, yield* SchemaVersion.current] as const
      }).pipe(Effect.scoped, Effect.provide([client, NodeServices.layer]))
      const place = placeOf(database.url)
      yield* Console.log(
        before === after
          ? `The tables of ${place} are up to date (version ${after}).`
          : `The tables of ${place} went from version ${before} to ${after}.`
      )
    },
    Effect.catchTag("ConfigurationInvalid", failWith),
    Effect.catchTag("SqlError", (error) =>
      failWith({ message: `the database does not do as it is asked: ${String(error.cause)}` })
    )
  )
).pipe(
  Command.withDescription("Bring the tables up to this release; run it once, before its processes are started"),
  Command.withExamples([{ command: "coffer db migrate --config coffer.toml", description: "Harmless when repeated" }])
)

export const db = Command.make("db").pipe(
  Command.withDescription("Look after the control plane's database"),
  Command.withSubcommands([migrate])
)
