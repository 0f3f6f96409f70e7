/** The guest hosts in PostgreSQL: the conductor writes who is alive, placement how far the addresses have gone round. */
import { Clock, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { AgentKind } from "../../services/GuestAccess.ts"
import {
  GuestHostDirectory,
  HostInhabited,
  type HostReport,
  hostExpiry,
  type Residents
} from "../../services/GuestHostDirectory.ts"
import { commandName, hostProblem, refusedHost } from "../../services/Placing.ts"
import { again } from "./Conflicts.ts"

const died = Effect.orDie

const Row = Schema.Struct({
  name: Schema.String,
  addresses: Schema.String,
  memory_mb: Schema.Int,
  guards: Schema.NullOr(Schema.Boolean),
  zone: Schema.String,
  next_address: Schema.BigInt,
  used_mb: Schema.BigInt
})
const KnownRow = Schema.Struct({
  name: Schema.String,
  addresses: Schema.String,
  memory_mb: Schema.Int,
  zone: Schema.String,
  used_mb: Schema.BigInt,
  instances: Schema.Int,
  reported: Schema.Date
})
const decodeKnown = Schema.decodeUnknownEffect(Schema.Array(KnownRow))
const decodeGuards = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ guards: Schema.NullOr(Schema.Boolean) })))
const decodeZones = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ zone: Schema.String })))
const decodeCounts = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ residents: Schema.Int })))

/** Of the locks that transactions take by two numbers, the one that placements are found under. */
export const placementLock = [1, 0] as const

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** The hosts that reported at `since` or later, and those that are `named`, in the order of their names. */
export const selectHosts = Effect.fnUntraced(function* (since: number, named: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const isAlive = sql`h.reported >= ${new Date(since)}`
  const rows = yield* sql`
    SELECT h.name, h.addresses, h.memory_mb, h.guards, h.zone, h.next_address,
      coalesce(sum(i.ram + coalesce(r.ram, 0)), 0) AS used_mb
    FROM guest_hosts h
    LEFT JOIN addresses a ON a.host = h.name
    LEFT JOIN instances i ON i.id = a.instance
    LEFT JOIN resize_holds r ON r.instance = a.instance
    WHERE ${named.length === 0 ? isAlive : sql`(${isAlive} OR ${sql.in("h.name", named)})`}
    GROUP BY h.name ORDER BY h.name COLLATE "C"`.pipe(Effect.flatMap(decodeRows), died)
  return rows.map((row) => ({
    name: row.name,
    addresses: row.addresses,
    memoryMb: row.memory_mb,
    guards: row.guards,
    zone: row.zone,
    usedMb: Number(row.used_mb),
    nextAddress: Number(row.next_address)
  }))
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  /** The places that do not report have a row, too. */
  const hasReported = sql`reported > ${new Date(0)}`

  const write = ({ addresses, at, guards = null, memoryMb, name, zone }: HostReport) =>
    died(sql`
      INSERT INTO guest_hosts
        ${sql.insert({ name, addresses, memory_mb: memoryMb, guards, zone, reported: new Date(at) })}
      ON CONFLICT (name) DO UPDATE
      SET addresses = excluded.addresses, memory_mb = excluded.memory_mb, guards = excluded.guards,
        zone = excluded.zone, reported = excluded.reported`)

  /** A machine that does not report is there for as long as we are; where it has told, it tells for itself. */
  const guards: GuestHostDirectory["Service"]["guards"] = Effect.fn("GuestHostDirectory.guards")(function* (where) {
    const since = new Date((yield* Clock.currentTimeMillis) - Duration.toMillis(hostExpiry))
    const [one] = yield* (
      "instance" in where
        ? sql`SELECT h.guards FROM addresses a JOIN guest_hosts h ON h.name = a.host WHERE a.instance = ${where.instance}`
        : sql`
          SELECT bool_or(guards IS DISTINCT FROM false) AS guards FROM guest_hosts
          WHERE (reported >= ${since} OR NOT ${hasReported} AND guards IS NOT NULL)
            AND (${where.zone}::text IS NULL OR zone = ${where.zone})`
    ).pipe(Effect.flatMap(decodeGuards), died)
    return one?.guards ?? null
  })

  const known = sql`
    SELECT h.name, h.addresses, h.memory_mb, h.zone, coalesce(sum(i.ram + coalesce(r.ram, 0)), 0) AS used_mb, count(a.instance)::int AS instances,
      h.reported
    FROM guest_hosts h
    LEFT JOIN addresses a ON a.host = h.name
    LEFT JOIN instances i ON i.id = a.instance
    LEFT JOIN resize_holds r ON r.instance = a.instance
    WHERE ${hasReported}
    GROUP BY h.name ORDER BY h.name COLLATE "C"`.pipe(
    Effect.flatMap(decodeKnown),
    died,
    Effect.map((rows) =>
      rows.map(({ addresses, instances, memory_mb, name, reported, used_mb, zone }) => ({
        name,
        addresses,
        memoryMb: memory_mb,
        zone,
        usedMb: Number(used_mb),
        instances,
        reportedAt: reported.getTime()
      }))
    )
  )

  /** Of the time when there was one host, a row may be left that has no addresses. */
  const zones = (agent: AgentKind) =>
    sql`
      SELECT zone FROM guest_hosts WHERE (name = ${commandName}) = ${agent === "trove"} AND addresses <> ''
      GROUP BY zone ORDER BY zone COLLATE "C"`.pipe(
      Effect.flatMap(decodeZones),
      died,
      Effect.map((rows) => rows.map(({ zone }) => zone))
    )

  /** Under the lock of placements: who looks for a place at the same time finds the host before, or not at all. */
  const remove = Effect.fn("GuestHostDirectory.remove")(
    function* (host: string, residents: Residents) {
      yield* died(sql`SELECT pg_advisory_xact_lock(${placementLock[0]}::int, ${placementLock[1]}::int)`)
      const rows = yield* sql`
        SELECT (SELECT count(*)::int FROM addresses a WHERE a.host = h.name) AS residents
        FROM guest_hosts h WHERE h.name = ${host} AND ${hasReported}`.pipe(Effect.flatMap(decodeCounts), died)
      const instances = rows[0]?.residents
      if (instances === undefined) return 0
      if (instances > 0 && residents === "kept") return yield* new HostInhabited({ host, instances })
      yield* died(sql`DELETE FROM addresses WHERE host = ${host}`)
      yield* died(sql`DELETE FROM guest_hosts WHERE name = ${host}`)
      return instances
    },
    sql.withTransaction,
    again,
    Effect.catchTag("SqlError", Effect.die)
  )

  return GuestHostDirectory.of({
    known,
    guards,
    zones,
    remove,
    report: Effect.fn("GuestHostDirectory.report")(function* (report) {
      const problem = hostProblem(report)
      yield* problem === null ? write(report) : refusedHost(report, problem)
    }),
    live: (since) =>
      selectHosts(since, []).pipe(
        Effect.map((hosts) => hosts.map(({ guards: _, nextAddress: __, ...host }) => host)),
        Effect.provideService(SqlClient.SqlClient, sql)
      )
  })
})

export const layer = Layer.effect(GuestHostDirectory, make)
