/** The guest hosts in PostgreSQL: the conductor writes who is alive, placement how far the addresses have gone round. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { GuestHostDirectory, type HostReport } from "../../services/GuestHostDirectory.ts"
import { hostProblem, refusedHost } from "../../services/Placing.ts"

const died = Effect.orDie

const Row = Schema.Struct({
  name: Schema.String,
  addresses: Schema.String,
  memory_mb: Schema.Int,
  next_address: Schema.BigInt,
  used_mb: Schema.BigInt
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** The hosts that reported at `since` or later, and those that are `named`, in the order of their names. */
export const selectHosts = Effect.fnUntraced(function* (since: number, named: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const isAlive = sql`h.reported >= ${new Date(since)}`
  const rows = yield* sql`
    SELECT h.name, h.addresses, h.memory_mb, h.next_address, coalesce(sum(i.ram), 0) AS used_mb
    FROM guest_hosts h
    LEFT JOIN addresses a ON a.host = h.name
    LEFT JOIN instances i ON i.id = a.instance
    WHERE ${named.length === 0 ? isAlive : sql`(${isAlive} OR ${sql.in("h.name", named)})`}
    GROUP BY h.name ORDER BY h.name COLLATE "C"`.pipe(Effect.flatMap(decodeRows), died)
  return rows.map((row) => ({
    name: row.name,
    addresses: row.addresses,
    memoryMb: row.memory_mb,
    usedMb: Number(row.used_mb),
    nextAddress: Number(row.next_address)
  }))
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const write = ({ addresses, at, memoryMb, name }: HostReport) =>
    died(sql`
      INSERT INTO guest_hosts ${sql.insert({ name, addresses, memory_mb: memoryMb, reported: new Date(at) })}
      ON CONFLICT (name) DO UPDATE
      SET addresses = excluded.addresses, memory_mb = excluded.memory_mb, reported = excluded.reported`)

  return GuestHostDirectory.of({
    report: Effect.fn("GuestHostDirectory.report")(function* (report) {
      const problem = hostProblem(report)
      yield* problem === null ? write(report) : refusedHost(report, problem)
    }),
    live: (since) =>
      selectHosts(since, []).pipe(
        Effect.map((hosts) => hosts.map(({ nextAddress: _, ...host }) => host)),
        Effect.provideService(SqlClient.SqlClient, sql)
      )
  })
})

export const layer = Layer.effect(GuestHostDirectory, make)
