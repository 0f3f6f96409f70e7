/** Whether the store's tables are those of this release. Processes that share a store leave its change to `coffer db migrate`. */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { newest, table } from "./Migrations.ts"

/** The tables are of another release. */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>()("SchemaMismatch", {
  found: Schema.Int,
  wanted: Schema.Int
}) {
  override get message() {
    const [found, wanted] = [
      `the database has version ${this.found} of the tables`,
      `this release needs ${this.wanted}`
    ]
    return this.found < this.wanted
      ? `${found}, and ${wanted}. Run: coffer db migrate`
      : `${found}, and ${wanted}: it was migrated by a newer release. Run that one here, too.`
  }
}

const Found = Schema.Array(Schema.Struct({ version: Schema.Int }))

export const current = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const known = yield* sql`SELECT 1 FROM pg_tables WHERE tablename = ${table}`
  if (known.length === 0) return 0
  const rows = yield* sql`SELECT coalesce(max(migration_id), 0)::int AS version FROM ${sql(table)}`
  return (yield* Effect.orDie(Schema.decodeUnknownEffect(Found)(rows)))[0]?.version ?? 0
})

export const check = Effect.gen(function* () {
  const found = yield* current
  if (found !== newest) return yield* new SchemaMismatch({ found, wanted: newest })
})
