/** `coffer db …`: the tables of the control plane's database. */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { load } from "../layers/config/load.ts"
import * as Migrations from "../layers/postgres/Migrations.ts"
import * as PgPool from "../layers/postgres/PgPool.ts"
import * as SchemaVersion from "../layers/postgres/SchemaVersion.ts"
import { configFlag } from "./configFlag.ts"
import { DatabaseFailed, databaseFailure, placeOf, telling } from "./databaseFailure.ts"
import { failWith } from "./failure.ts"

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
      }).pipe(
        Effect.scoped,
        Effect.provide([client, NodeServices.layer]),
        Effect.catchTag("SqlError", telling(database.url)),
        Effect.catchTag("MigrationError", (error) => {
          const reason = databaseFailure(error, database.url) ?? `the tables cannot be brought up: ${error.message}`
          return new DatabaseFailed({ message: reason })
        }),
        Effect.catchDefect(telling(database.url))
      )
      const place = placeOf(database.url)
      yield* Console.log(
        before === after
          ? `The tables of ${place} are up to date (version ${after}).`
          : `The tables of ${place} went from version ${before} to ${after}.`
      )
    },
    Effect.catchTags({ ConfigurationInvalid: failWith, DatabaseFailed: failWith })
  )
).pipe(
  Command.withDescription("Bring the tables up to this release; run it once, before its processes are started"),
  Command.withExamples([{ command: "coffer db migrate --config coffer.toml", description: "Harmless when repeated" }])
)

export const db = Command.make("db").pipe(
  Command.withDescription("Look after the control plane's database"),
  Command.withSubcommands([migrate])
)
