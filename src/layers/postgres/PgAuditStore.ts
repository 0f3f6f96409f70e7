/** What an audit reads of the control plane's tables, a page at a time. It writes nothing. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Found, StorePart } from "../../services/Audit.ts"
import { leftBehind } from "../../services/History.ts"
import { InstanceId, type Millis, OperationId } from "../../services/Ids.ts"
import { type Audited, AuditStore } from "../../services/Inventories.ts"
import { stateNamed } from "../../services/Status.ts"

const died = Effect.orDie

/** How many instances are read at a time. */
export const pageSize = 1000

const decodeRows = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      instance: InstanceId,
      state: Schema.String,
      since: Schema.Date,
      is_moving: Schema.Boolean,
      delete_requested: Schema.Boolean,
      left_behind: Schema.Boolean,
      host: Schema.NullOr(Schema.String),
      operations: Schema.Array(Schema.String),
      has_order: Schema.Boolean,
      heard: Schema.NullOr(Schema.Date),
      has_hold: Schema.Boolean
    })
  )
)
type Row = Effect.Success<ReturnType<typeof decodeRows>>[number]

const isOperation = Schema.is(OperationId)

const toAudited = (row: Row): Audited => {
  const one = (resource: StorePart, since: Millis | null = null): Found => ({ resource, instance: row.instance, since })
  return {
    record: {
      instance: row.instance,
      state: stateNamed(row.state),
      since: row.since.getTime(),
      isMoving: row.is_moving,
      deleteRequested: row.delete_requested,
      leftBehind: row.left_behind,
      host: row.host,
      operations: row.operations.filter(isOperation)
    },
    held: [
      ...(row.host === null ? [] : [one("address")]),
      ...(row.has_order ? [one("provisioning")] : []),
      ...(row.heard === null ? [] : [one("observation", row.heard.getTime())]),
      ...(row.has_hold ? [one("hold")] : [])
    ]
  }
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const page = (after: string) =>
    sql`
      SELECT i.id AS instance, l.tag AS state, l.since, a.host,
        array_remove(ARRAY[l.state ->> 'operation', l.state ->> 'previous'], NULL)
          || ARRAY(SELECT jsonb_array_elements_text(l.state -> 'earlier')) AS operations,
        l.tag = 'New' OR l.deadline IS NOT NULL OR (l.tag = 'Failed' AND l.state ->> 'previous' IS NOT NULL)
          OR EXISTS (SELECT 1 FROM mailbox m WHERE m.instance = i.id AND m.handled IS NULL) AS is_moving,
        i.delete_requested IS NOT NULL AS delete_requested,
        l.tag = 'Failed' AND (l.state ->> 'again' IS DISTINCT FROM 'build' OR EXISTS (
          SELECT 1 FROM history h
          WHERE h.instance = i.id AND h.entry ->> 'kind' = 'report'
            AND starts_with(h.entry ->> 'text', ${leftBehind})
        )) AS left_behind,
        EXISTS (SELECT 1 FROM provisioning p WHERE p.instance = i.id) AS has_order,
        o.heartbeat_at AS heard,
        EXISTS (SELECT 1 FROM quota_holds q WHERE q.instance = i.id)
          OR EXISTS (SELECT 1 FROM resize_holds r WHERE r.instance = i.id) AS has_hold
      FROM (SELECT id, delete_requested FROM instances WHERE id > ${after} ORDER BY id LIMIT ${pageSize}) i
      JOIN lifecycles l ON l.instance = i.id
      LEFT JOIN addresses a ON a.instance = i.id
      LEFT JOIN observations o ON o.instance = i.id
      ORDER BY i.id`.pipe(Effect.flatMap(decodeRows), died)

  return AuditStore.of({
    all: Effect.gen(function* () {
      const all: Array<Audited> = []
      for (let last: string | undefined = ""; last !== undefined; ) {
        const rows: ReadonlyArray<Row> = yield* page(last)
        all.push(...rows.map(toAudited))
        last = rows.at(-1)?.instance
      }
      return all
    })
  })
})

export const layer = Layer.effect(AuditStore, make)
