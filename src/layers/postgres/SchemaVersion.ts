/**
 * Whether this release can work with the store's tables. Processes that share a store leave its change to
 * `coffer db migrate`. Tables that are newer have what this release needs, unless one of their migrations is named as
 * breaking: so a process of the older release can be started while an upgrade is under way.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { breaking, newest, table } from "./Migrations.ts"

/** The tables are of another release, and this one cannot work with them. */
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

/** Whether a migration that this release does not know has taken something away that it needs. */
const isBroken = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    SELECT 1 FROM ${sql(table)} WHERE migration_id > ${newest} AND starts_with(name, ${breaking}) LIMIT 1`
  return rows.length > 0
})

/** The version that was found: this release's, or a newer one that it can work with. */
export const check = Effect.gen(function* () {
  const found = yield* current
  if (found < newest || (found > newest && (yield* isBroken))) {
    return yield* new SchemaMismatch({ found, wanted: newest })
  }
  return found
})

/** The same, for a process that is to stay: that it is of the older release is told. */
export const checkAtStart = Effect.tap(check, (found) =>
  found > newest
    ? Effect.logWarning(
        `the tables have version ${found}, and this release knows ${newest}: an upgrade is under way, and what the newer release writes is left to it`
      )
    : Effect.void
)
