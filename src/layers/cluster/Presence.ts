/**
 * Which taskmanagers there are, by PostgreSQL's word: who has renewed its lease, and has a session. Effect's own storage
 * knows the lease alone. Whoever is gone is cut off before its shards are given to another: its sessions are ended, and
 * with them go its locks, its transactions, and what it may have sent and not been answered.
 */
import { Duration, Effect, Layer } from "effect"
import { RunnerStorage, type ShardingConfig, SqlRunnerStorage } from "effect/cluster"
import { PersistenceError } from "effect/cluster/ClusterError"
import { SqlClient } from "effect/sql"
import { lease, looksMissed, sessionName, sessionsUntil } from "./Lease.ts"
import { Tenure } from "./Tenure.ts"

const addressOf = ({ host, port }: { readonly host: string; readonly port: number }) => `${host}:${port}`

const seconds = (duration: Duration.Duration) => `${Duration.toSeconds(duration)} seconds`

/** Who stopped renewing longer ago has no session of that time left. */
const forgotten = Duration.minutes(10)

const make = Effect.fnUntraced(function* (self: string) {
  const sql = yield* SqlClient.SqlClient
  const storage = yield* Effect.orDie(SqlRunnerStorage.make({}))
  const tenure = yield* Tenure

  /** The sessions of taskmanagers, by their names. */
  const sessions = sql<{ readonly name: string }>`
    SELECT DISTINCT application_name AS name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'coffer taskmanager %'`.pipe(
    Effect.map((rows) => new Set(rows.map(({ name }) => name)))
  )

  /** Ends what is left of those whose lease has run out. */
  const cutOff = Effect.gen(function* () {
    const late = yield* sql<{ readonly address: string }>`
      SELECT address FROM cluster_runners
      WHERE address <> ${self} AND last_heartbeat <= now() - ${seconds(lease)}::interval
        AND last_heartbeat > now() - ${seconds(forgotten)}::interval`
    for (const { address } of late) {
      const ended = yield* sql`
        SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a, cluster_runners r
        WHERE r.address = ${address} AND r.last_heartbeat <= now() - ${seconds(lease)}::interval
          AND a.datname = current_database() AND a.application_name = ${sessionName(address)}
          AND a.backend_start < r.last_heartbeat + ${seconds(sessionsUntil)}::interval`
      if (ended.length > 0) {
        yield* Effect.logWarning(
          `the taskmanager at ${address} has not been heard of for ${Duration.format(lease)}: its sessions were ended, its shards go to others`
        )
      }
    }
  })

  /** How often in a row somebody was seen without a session, of those who once had one. */
  const missed = new Map<string, number>()
  const isThere = (address: string, present: ReadonlySet<string>) => {
    if (address === self) return true
    if (present.has(sessionName(address))) {
      missed.set(address, 0)
      return true
    }
    const before = missed.get(address)
    // Whose sessions we may not see is known by its lease alone.
    if (before === undefined) return true
    missed.set(address, before + 1)
    return before + 1 < looksMissed
  }

  return RunnerStorage.RunnerStorage.of({
    ...storage,
    getRunners: Effect.gen(function* () {
      const leased = yield* storage.getRunners
      yield* cutOff
      const present = yield* sessions
      const there = leased.filter(([{ address }]) => isThere(addressOf(address), present))
      const known = new Set(leased.map(([{ address }]) => addressOf(address)))
      for (const address of missed.keys()) if (!known.has(address)) missed.delete(address)
      return there
    }).pipe(PersistenceError.refail, Effect.withTracerEnabled(false)),
    refresh: (address, shards) =>
      Effect.suspend(() => {
        const renewed = tenure.renewing()
        return Effect.tap(storage.refresh(address, shards), (granted) => Effect.sync(() => renewed(granted.length)))
      })
  })
})

/** For the taskmanager at this address, whose own sessions are called by `sessionName` of it. */
export const layer = (
  self: string
): Layer.Layer<RunnerStorage.RunnerStorage, never, SqlClient.SqlClient | ShardingConfig.ShardingConfig | Tenure> =>
  Layer.effect(RunnerStorage.RunnerStorage, make(self))
