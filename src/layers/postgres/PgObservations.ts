/** What guests were last seen to be and told last, in PostgreSQL: the conductor's tables. */
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { type BackupId, BackupReport, BackupState, ServiceStatus } from "../../services/ConductorApi.ts"
import type { InstanceId, Millis } from "../../services/Ids.ts"
import { type Beat, maxBackupReports, Observations } from "../../services/Observations.ts"
import { quietStates } from "../../services/Status.ts"
import { again } from "./Conflicts.ts"

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
const decodeBackups = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ report: BackupReport })))
const decodeStates = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ state: Schema.NullOr(BackupState) })))
const encodeReport = Schema.encodeSync(Schema.fromJsonString(BackupReport))

/** Lifecycles of which no guest is expected to report. */
const quiet = `(${quietStates.map((tag) => `'${tag}'`).join(", ")})`

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const quietTags = sql.literal(quiet)
  /** What was not told when is older than everything; as a report, it is taken all the same. */
  const at = (sent: Millis | null) => sql`coalesce(to_timestamp(${sent}::float8 / 1000), '-infinity')`

  const record = Effect.fn("Observations.record")(function* (beats: ReadonlyArray<Beat>) {
    if (beats.length === 0) return []
    return yield* sql`
      WITH beats AS (
        SELECT DISTINCT ON (b.instance) b.instance, b.status,
          coalesce(to_timestamp(b.sent / 1000), '-infinity') AS sent, to_timestamp(b."receivedAt" / 1000) AS received
        FROM jsonb_to_recordset(${JSON.stringify(beats)}::jsonb)
          AS b (instance text, status text, sent float8, "receivedAt" float8)
        JOIN lifecycles l ON l.instance = b.instance AND l.tag NOT IN ${quietTags}
        ORDER BY b.instance, b.sent DESC NULLS FIRST, b."receivedAt" DESC
      -- Else it is read through again for each row that was written.
      ), before AS MATERIALIZED (
        SELECT o.instance, o.status, o.silent FROM observations o JOIN beats USING (instance)
      ), written AS (
        INSERT INTO observations AS o (instance, status, sent, heartbeat_at)
        SELECT instance, status, sent, received FROM beats
        ON CONFLICT (instance) DO UPDATE
        SET status = excluded.status, sent = greatest(o.sent, excluded.sent), heartbeat_at = excluded.heartbeat_at,
          silent = false
        WHERE o.sent < excluded.sent OR excluded.sent = '-infinity'
        RETURNING o.instance, o.status
      )
      SELECT w.instance, w.status, before.status IS DISTINCT FROM w.status OR before.silent AS changed
      FROM written w LEFT JOIN before USING (instance)`.pipe(again, Effect.flatMap(decodeWritten), died)
  })

  /** A row where the report is of a live instance and newer than its last. */
  const noted = (instance: InstanceId, method: string, sent: Millis | null) => sql`
    INSERT INTO reports_seen AS r (instance, method, sent)
    SELECT instance, ${method}, ${at(sent)} FROM lifecycles
    WHERE instance = ${instance} AND tag NOT IN ${quietTags}
    ON CONFLICT (instance, method) DO UPDATE SET sent = greatest(r.sent, excluded.sent)
    WHERE r.sent < excluded.sent OR excluded.sent = '-infinity'
    RETURNING r.instance`

  const takeNote = Effect.fn("Observations.takeNote")(function* (
    instance: InstanceId,
    method: string,
    sent: Millis | null
  ) {
    return (yield* died(noted(instance, method, sent))).length > 0
  })

  const recordFailure = Effect.fn("Observations.recordFailure")(function* (
    instance: InstanceId,
    message: string,
    sent: Millis | null
  ) {
    const rows = yield* died(sql`
      WITH noted AS (${noted(instance, "failure", sent)}), failed AS (
        UPDATE observations SET failure = ${message} WHERE instance IN (SELECT instance FROM noted)
      )
      SELECT instance FROM noted`)
    return rows.length > 0
  })

  const recordBackup = Effect.fn("Observations.recordBackup")(function* (
    instance: InstanceId,
    backup: BackupId,
    { report, sent }: { readonly report: BackupReport; readonly sent: Millis | null }
  ) {
    const rows = yield* sql`
      WITH before AS (
        SELECT report ->> 'state' AS state FROM backup_reports WHERE instance = ${instance} AND backup = ${backup}
      ), written AS (
        INSERT INTO backup_reports AS b (instance, backup, sent, report)
        SELECT instance, ${backup}, ${at(sent)}, ${encodeReport(report)}::jsonb FROM lifecycles
        WHERE instance = ${instance} AND tag NOT IN ${quietTags}
        ON CONFLICT (instance, backup) DO UPDATE
        SET sent = greatest(b.sent, excluded.sent), report = b.report || excluded.report
        WHERE b.sent < excluded.sent OR excluded.sent = '-infinity'
        RETURNING report ->> 'state' AS state
      ), trimmed AS (
        DELETE FROM backup_reports WHERE instance = ${instance} AND backup IN (
          SELECT backup FROM backup_reports WHERE instance = ${instance} AND backup <> ${backup}
          ORDER BY sent DESC OFFSET ${maxBackupReports - 1}
        )
      )
      SELECT written.state FROM written LEFT JOIN before ON true WHERE before.state IS DISTINCT FROM written.state`.pipe(
      again,
      Effect.flatMap(decodeStates),
      died
    )
    return Option.fromNullishOr(rows[0]?.state)
  })

  return Observations.of({
    record,
    takeNote,
    recordFailure,
    recordBackup,
    backup: (instance, backup) =>
      sql`SELECT report FROM backup_reports WHERE instance = ${instance} AND backup = ${backup}`.pipe(
        Effect.flatMap(decodeBackups),
        died,
        Effect.map((rows) => Option.fromNullishOr(rows[0]?.report))
      ),
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
    // Whoever comes second to a row looks at it again, and finds it told; what another one is at is left to him.
    silentSince: (before, limit) =>
      sql`
        UPDATE observations SET silent = true WHERE instance IN (
          SELECT o.instance FROM observations o JOIN lifecycles l ON l.instance = o.instance AND l.tag = 'Active'
          WHERE NOT o.silent AND o.heartbeat_at < ${new Date(before)}
          ORDER BY o.heartbeat_at LIMIT ${limit} FOR UPDATE OF o SKIP LOCKED
        )
        RETURNING instance`.pipe(
        Effect.flatMap(decodeIds),
        died,
        Effect.map((rows) => rows.map(({ instance }) => instance))
      ),
    unmarkSilent: (instances) =>
      instances.length === 0
        ? Effect.void
        : died(
            Effect.asVoid(
              sql`UPDATE observations SET silent = false WHERE ${sql.in("instance", instances)}`.pipe(again)
            )
          ),
    forget: (instance) => died(Effect.asVoid(sql`DELETE FROM observations WHERE instance = ${instance}`))
  })
})

export const layer = Layer.effect(Observations, make)
