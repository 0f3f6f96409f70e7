/** What guests were last seen to be, in PostgreSQL: the conductor's table. */
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { ServiceStatus } from "../../services/ConductorApi.ts"
import { type Beat, Observations } from "../../services/Observations.ts"

const died = Effect.orDie

const InstanceColumn = Schema.String.pipe(Schema.brand("InstanceId"))
const decodeWritten = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ instance: InstanceColumn, status: ServiceStatus, changed: Schema.Boolean }))
)
const decodeObserved = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ status: ServiceStatus, heartbeat_at: Schema.Date, failure: Schema.NullOr(Schema.String) })
  )
)
const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ instance: InstanceColumn })))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const record = Effect.fn("Observations.record")(function* (beats: ReadonlyArray<Beat>) {
    if (beats.length === 0) return []
    return yield* sql`
      WITH beats AS (
        SELECT DISTINCT ON (b.instance) b.instance, b.status,
          to_timestamp(b.sent / 1000) AS sent, to_timestamp(b."receivedAt" / 1000) AS received
        FROM jsonb_to_recordset(${JSON.stringify(beats)}::jsonb)
          AS b (instance text, status text, sent float8, "receivedAt" float8)
        JOIN lifecycles l ON l.instance = b.instance AND l.tag IN ('New', 'Building', 'Active')
        ORDER BY b.instance, b.sent DESC
      ), before AS (
        SELECT o.instance, o.status, o.silent FROM observations o JOIN beats USING (instance)
      ), written AS (
        INSERT INTO observations AS o (instance, status, sent, heartbeat_at)
        SELECT instance, status, sent, received FROM beats
        ON CONFLICT (instance) DO UPDATE
        SET status = excluded.status, sent = excluded.sent, heartbeat_at = excluded.heartbeat_at, silent = false
        WHERE o.sent < excluded.sent
        RETURNING o.instance, o.status
      )
      SELECT w.instance, w.status, before.status IS DISTINCT FROM w.status OR before.silent AS changed
      FROM written w LEFT JOIN before USING (instance)`.pipe(Effect.flatMap(decodeWritten), died)
  })

  return Observations.of({
    record,
    recordFailure: (instance, message) =>
      died(Effect.asVoid(sql`UPDATE observations SET failure = ${message} WHERE instance = ${instance}`)),
    get: Effect.fnUntraced(function* (instance) {
      const rows = yield* sql`
        SELECT status, heartbeat_at, failure FROM observations WHERE instance = ${instance}`.pipe(
        Effect.flatMap(decodeObserved),
        died
      )
      return Option.map(Option.fromNullishOr(rows[0]), ({ failure, heartbeat_at, status }) => ({
        status,
        heartbeatAt: heartbeat_at.getTime(),
        failure
      }))
    }),
    silentSince: (before) =>
      sql`
        UPDATE observations o SET silent = true FROM lifecycles l
        WHERE l.instance = o.instance AND l.tag = 'Active' AND NOT o.silent AND o.heartbeat_at < ${new Date(before)}
        RETURNING o.instance`.pipe(
        Effect.flatMap(decodeIds),
        died,
        Effect.map((rows) => rows.map(({ instance }) => instance))
      ),
    forget: (instance) => died(Effect.asVoid(sql`DELETE FROM observations WHERE instance = ${instance}`))
  })
})

export const layer = Layer.effect(Observations, make)
