/** Whether PostgreSQL's tables are of a newer release than this process. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Upgrades } from "../../services/Upgrades.ts"
import { newest } from "./Migrations.ts"
import { current } from "./SchemaVersion.ts"

export const layer = Layer.effect(
  Upgrades,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Upgrades.of({
      isUnderWay: Effect.map(current, (version) => version > newest).pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.orDie
      )
    })
  )
)
