/** What the workflow engine keeps of operations that have not ended, in its own tables, for audits. */
import { Effect, Layer, Schema } from "effect"
import { Snowflake } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { InstanceId, OperationId } from "../../services/Ids.ts"
import { JournalInventory } from "../../services/Inventories.ts"

const died = Effect.orDie

/** How many are told of, the oldest first; the rest when these are gone. */
const maxOpen = 10_000

const isInstance = Schema.is(InstanceId)
const isOperation = Schema.is(OperationId)

const decodeThere = Schema.decodeUnknownEffect(Schema.NonEmptyArray(Schema.Struct({ there: Schema.Boolean })))
const decodeOpen = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      instance: Schema.NullOr(Schema.String),
      operation: Schema.NullOr(Schema.String),
      since: Schema.FiniteFromString
    })
  )
)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  /** Effect makes them when the first taskmanager starts. */
  const isThere = sql`SELECT to_regclass('cluster_messages') IS NOT NULL AS there`.pipe(
    Effect.flatMap(decodeThere),
    Effect.map(([{ there }]) => there)
  )

  /** Executions that were begun and have not been answered for good. */
  const open = sql`
    SELECT m.id, m.entity_type, m.entity_id, m.payload::jsonb ->> 'instance' AS instance,
      m.payload::jsonb ->> 'operation' AS operation
    FROM cluster_messages m LEFT JOIN cluster_replies r ON r.id = m.last_reply_id
    WHERE m.entity_type LIKE 'Workflow/%' AND m.tag = 'run'
      AND (NOT m.processed OR (r.payload::jsonb #>> '{value,_tag}') = 'Suspended')`

  return JournalInventory.of({
    open: Effect.gen(function* () {
      if (!(yield* isThere)) return { covers: ["journal" as const], found: [] }
      const rows = yield* sql`
        SELECT instance, operation, ((id >> 22) + ${String(Snowflake.constEpochMillis)}::bigint)::text AS since
        FROM (${open}) open ORDER BY id LIMIT ${maxOpen}`.pipe(Effect.flatMap(decodeOpen))
      return {
        covers: ["journal" as const],
        found: rows.flatMap(({ instance, operation, since }) =>
          isInstance(instance) && isOperation(operation)
            ? [{ resource: "journal" as const, instance, operation, since }]
            : []
        )
      }
    }).pipe(died),
    // What is being worked at ends by itself; what it still writes is pruned as a stray.
    forget: Effect.fnUntraced(function* (id) {
      if (!(yield* isThere)) return
      yield* sql`
        WITH orphans AS (
          SELECT entity_type, entity_id FROM (${open}) open
          WHERE instance = ${id} AND NOT EXISTS (
            SELECT FROM lifecycles l WHERE l.instance = open.instance
              AND (open.operation IN (l.state ->> 'operation', l.state ->> 'previous')
                OR jsonb_exists(l.state -> 'earlier', open.operation))
          )
        ), gone AS (
          DELETE FROM cluster_messages m USING orphans o
          WHERE m.entity_type = o.entity_type AND m.entity_id = o.entity_id RETURNING m.request_id
        )
        DELETE FROM cluster_replies WHERE request_id IN (SELECT request_id FROM gone)`
    }, died)
  })
})

export const layer = Layer.effect(JournalInventory, make)
