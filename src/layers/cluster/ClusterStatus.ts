/** The taskmanagers and what waits for them, as the database knows it; read for an operator. */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { placementLock } from "../postgres/PgGuestHosts.ts"
import { sessionName } from "./Lease.ts"

/** How many are told of, those that were heard of last. */
const maxRunners = 200

const Millis = Schema.Number

const RunnerRow = Schema.Struct({
  address: Schema.String,
  healthy: Schema.Boolean,
  /** Since it last renewed its lease, by the database's clock. */
  silent_for: Millis,
  started_for: Schema.NullOr(Millis),
  actors: Schema.NullOr(Schema.Int),
  consumed: Schema.NullOr(Schema.Int)
})

const SessionRow = Schema.Struct({ name: Schema.String, shards: Schema.Int })

const WaitingRow = Schema.Struct({
  mail: Schema.Int,
  oldest_mail: Schema.NullOr(Millis),
  operations: Schema.Int,
  oldest_operation: Schema.NullOr(Millis),
  instance: Schema.NullOr(Schema.String),
  state: Schema.NullOr(Schema.String)
})

export interface Runner {
  readonly address: string
  /** It holds its lease, and has a session. */
  readonly alive: boolean
  /** Since it was last heard of, in milliseconds. */
  readonly silentFor: number
  /** How long it has run, in milliseconds; null where it has not told of itself yet, as the two below. */
  readonly startedFor: number | null
  readonly shards: number
  readonly actors: number | null
  /** Messages in the last minute. */
  readonly consumed: number | null
}

export interface ClusterStatus {
  readonly runners: ReadonlyArray<Runner>
  /** Commands that no actor has handled yet, and since when the oldest waits, in milliseconds. */
  readonly mail: { readonly waiting: number; readonly oldest: number | null }
  readonly operations: {
    readonly underWay: number
    /** The one that has run for the longest, in milliseconds. */
    readonly oldest: { readonly instance: string; readonly state: string; readonly runsFor: number } | null
  }
}

/** `leaseMillis`: who was silent for longer is not alive. */
export const read = Effect.fnUntraced(function* (leaseMillis: number) {
  const sql = yield* SqlClient.SqlClient
  // Before the first taskmanager is started its tables are not there.
  const known = yield* sql`SELECT 1 FROM pg_tables WHERE tablename = 'cluster_runners'`
  const rows =
    known.length === 0
      ? []
      : yield* sql`
          SELECT r.address, r.healthy, (extract(epoch FROM now() - r.last_heartbeat) * 1000)::float8 AS silent_for,
            (extract(epoch FROM now() - t.started) * 1000)::float8 AS started_for, t.actors, t.consumed
          FROM cluster_runners r LEFT JOIN taskmanagers t USING (address)
          ORDER BY r.last_heartbeat DESC LIMIT ${maxRunners}`
  const runners = yield* Schema.decodeUnknownEffect(Schema.Array(RunnerRow))(rows)
  const sessions = yield* Effect.flatMap(
    sql`
      SELECT a.application_name AS name, (count(l.objid) FILTER (WHERE l.classid <> ${placementLock[0]}))::int AS shards
      FROM pg_stat_activity a
      LEFT JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
      WHERE a.datname = current_database() AND a.application_name LIKE 'coffer taskmanager %'
      GROUP BY 1`,
    Schema.decodeUnknownEffect(Schema.Array(SessionRow))
  )
  const shardsOf = new Map(sessions.map(({ name, shards }) => [name, shards]))
  const [waiting] = yield* Effect.flatMap(
    sql`
      WITH working AS (SELECT instance, tag, since FROM lifecycles WHERE deadline IS NOT NULL),
        oldest AS (SELECT * FROM working ORDER BY since LIMIT 1),
        waiting AS (SELECT posted FROM mailbox WHERE handled IS NULL)
      SELECT (SELECT count(*) FROM waiting)::int AS mail,
        (SELECT extract(epoch FROM now() - min(posted)) * 1000 FROM waiting)::float8 AS oldest_mail,
        (SELECT count(*) FROM working)::int AS operations,
        (SELECT extract(epoch FROM now() - since) * 1000 FROM oldest)::float8 AS oldest_operation,
        (SELECT instance FROM oldest) AS instance, (SELECT tag FROM oldest) AS state`,
    Schema.decodeUnknownEffect(Schema.NonEmptyArray(WaitingRow))
  )
  const { instance, oldest_operation: runsFor, state } = waiting
  const status: ClusterStatus = {
    runners: runners
      .map((row) => ({
        address: row.address,
        alive: row.silent_for <= leaseMillis && row.healthy && shardsOf.has(sessionName(row.address)),
        silentFor: Math.max(0, row.silent_for),
        startedFor: row.started_for,
        shards: shardsOf.get(sessionName(row.address)) ?? 0,
        actors: row.actors,
        consumed: row.consumed
      }))
      .toSorted((a, b) => (a.address < b.address ? -1 : 1)),
    mail: { waiting: waiting.mail, oldest: waiting.oldest_mail },
    operations: {
      underWay: waiting.operations,
      oldest: instance === null || state === null || runsFor === null ? null : { instance, state, runsFor }
    }
  }
  return status
})
