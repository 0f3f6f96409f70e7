/**
 * The administrators' changes of the catalog in PostgreSQL: one row, whose revision tells whether it has to be read
 * again, so that everything can ask what is offered now at the price of a look at a number, or of none where that number
 * came along with something else.
 */
import { Effect, Layer, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { CatalogChanges, nothingChanged } from "../../services/catalog/CatalogChanges.ts"
import { CatalogStore } from "../../services/catalog/CatalogStore.ts"
import { again } from "./Conflicts.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const decodeNews = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ revision: Schema.Int, changes: Schema.NullOr(CatalogChanges) })])
)
const decodeUsed = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ version: Schema.String })))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  /** The tables begin with revision 0, of nothing. */
  let known = { revision: 0, changes: nothingChanged }

  const changes = Effect.gen(function* () {
    const [news] = yield* sql`
      SELECT revision, CASE WHEN revision = ${known.revision} THEN NULL ELSE changes END AS changes FROM catalog`.pipe(
      Effect.flatMap(decodeNews),
      died
    )
    // A reader that was slow does not bring back an older one.
    if (news.changes !== null && news.revision > known.revision)
      known = { revision: news.revision, changes: news.changes }
    return known.changes
  }).pipe(Effect.withSpan("CatalogStore.changes"))

  const changesSince: CatalogStore["Service"]["changesSince"] = (revision) =>
    Effect.suspend(() => (revision <= known.revision ? Effect.succeed(known.changes) : changes))

  const change: CatalogStore["Service"]["change"] = Effect.fn("CatalogStore.change")(function* (next) {
    const outcome = yield* Effect.gen(function* () {
      const [before] = yield* sql`SELECT revision, changes FROM catalog FOR UPDATE`.pipe(
        Effect.flatMap(decodeNews),
        died
      )
      const after = yield* Effect.result(next(before.changes ?? nothingChanged))
      if (Result.isSuccess(after))
        yield* died(sql`UPDATE catalog SET revision = revision + 1, changes = ${JSON.stringify(after.success)}::jsonb`)
      return after
    }).pipe(sql.withTransaction, again, died)
    yield* Effect.fromResult(outcome)
  })

  const used: CatalogStore["Service"]["used"] = Effect.fn("CatalogStore.used")(function* (versions) {
    if (versions.length === 0) return new Set<string>()
    const rows = yield* sql`
      SELECT DISTINCT datastore_version AS version FROM (
        SELECT i.datastore_version FROM instances i JOIN lifecycles l ON l.instance = i.id WHERE l.tag <> 'Deleted'
        UNION ALL SELECT datastore_version FROM configurations
        UNION ALL SELECT state ->> 'version' FROM lifecycles WHERE tag = 'Upgrading'
        UNION ALL SELECT command ->> 'version' FROM mailbox WHERE handled IS NULL AND command ->> '_tag' = 'Upgrade'
      ) needs WHERE ${sql.in("datastore_version", versions)}`.pipe(Effect.flatMap(decodeUsed), died)
    return new Set(rows.map(({ version }) => version))
  })

  return { changes, changesSince, change, used }
})

export const layer = Layer.effect(CatalogStore, make)
