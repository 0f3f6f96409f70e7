/** `coffer cluster …`: the taskmanagers, which share the instances. */
import { Console, Duration, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import * as ClusterStatus from "../layers/cluster/ClusterStatus.ts"
import { lease } from "../layers/cluster/Lease.ts"
import { load } from "../layers/config/load.ts"
import * as PgPool from "../layers/postgres/PgPool.ts"
import * as SchemaVersion from "../layers/postgres/SchemaVersion.ts"
import { clusterDocument, renderCluster } from "./clusterView.ts"
import { configFlag } from "./configFlag.ts"
import { telling } from "./databaseFailure.ts"
import { printJson } from "./document.ts"
import { failWith } from "./failure.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

const status = Command.make(
  "status",
  { config: configFlag, json },
  Effect.fnUntraced(
    function* ({ config, json }) {
      const { database } = yield* load(config, process.env, "taskmanager")
      const status = yield* Effect.gen(function* () {
        const client = PgPool.layer(database.url, "coffer cluster")
        const context = yield* Layer.build(client).pipe(Effect.catchTag("SqlError", telling(database.url)))
        return yield* Effect.provide(
          Effect.andThen(SchemaVersion.check, ClusterStatus.read(Duration.toMillis(lease))),
          context
        ).pipe(Effect.catchTag("SqlError", telling(database.url)), Effect.catchTag("SchemaError", Effect.die))
      }).pipe(Effect.scoped, Effect.catchDefect(telling(database.url)))
      yield* json ? printJson(clusterDocument(status)) : Console.log(renderCluster(status))
    },
    Effect.catchTags({ ConfigurationInvalid: failWith, DatabaseFailed: failWith, SchemaMismatch: failWith })
  )
).pipe(
  Command.withDescription("Show the taskmanagers, what each has in hand, and what waits for them"),
  Command.withExamples([
    { command: "coffer cluster status --json", description: "One JSON document, for another program" }
  ])
)

export const cluster = Command.make("cluster").pipe(
  Command.withDescription("The taskmanagers, which share the instances: look at them"),
  Command.withSubcommands([status])
)
