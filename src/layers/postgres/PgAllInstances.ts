/** What an administrator sees of instances, in PostgreSQL. */
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { AllInstances, type ManagedInstance } from "../../services/AllInstances.ts"
import { RecordRow, selectRecords, toRecord } from "./PgRecords.ts"

const Row = Schema.Struct({
  ...RecordRow.fields,
  host: Schema.NullOr(Schema.String),
  root_enabled: Schema.NullOr(Schema.Boolean),
  root_changed_by: Schema.NullOr(Schema.String),
  root_changed: Schema.NullOr(Schema.Date)
})

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

const toManaged = (row: typeof Row.Type): ManagedInstance => ({
  record: toRecord(row),
  host: row.host,
  root:
    row.root_enabled === null || row.root_changed === null || row.root_changed_by === null
      ? null
      : { enabled: row.root_enabled, at: row.root_changed.getTime(), by: row.root_changed_by }
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const managed = selectRecords(
    sql,
    sql`, a.host, r.enabled AS root_enabled, r.changed_by AS root_changed_by, r.changed AS root_changed`,
    sql`LEFT JOIN LATERAL (SELECT enabled, changed_by, changed FROM roots WHERE instance = i.id LIMIT 1) r ON true`
  )

  const list: AllInstances["Service"]["list"] = Effect.fn("AllInstances.list")(function* (wanted, { limit, marker }) {
    const { deleted, project } = wanted
    const mine = project === null ? sql`true` : sql`i.project = ${project}`
    const living = deleted === null ? sql`true` : deleted ? sql`l.tag = 'Deleted'` : sql`l.tag <> 'Deleted'`
    const rows = yield* sql`
      ${managed} WHERE ${mine} AND ${living} AND i.id > ${marker ?? ""}
      ORDER BY i.id LIMIT ${limit + 1}`.pipe(Effect.flatMap(decodeRows), Effect.orDie)
    const items = rows.slice(0, limit).map(toManaged)
    return { items, next: rows.length > limit ? (items.at(-1)?.record.desired.id ?? null) : null }
  })

  const get: AllInstances["Service"]["get"] = Effect.fn("AllInstances.get")(function* (id) {
    const rows = yield* sql`${managed} WHERE i.id = ${id}`.pipe(Effect.flatMap(decodeRows), Effect.orDie)
    return Option.map(Option.fromNullishOr(rows[0]), toManaged)
  })

  return AllInstances.of({ list, get })
})

export const layer = Layer.effect(AllInstances, make)
