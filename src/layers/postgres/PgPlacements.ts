/** Where instances live, in PostgreSQL. How a place is found is said in `services/Placing.ts`. */
import { Effect, Layer, Option, Schema, Semaphore } from "effect"
import { SqlClient } from "effect/sql"
import type { InstanceId } from "../../services/Ids.ts"
import { type Placement, Placements } from "../../services/Placements.ts"
import { makePlacements, type StandingHost } from "../../services/Placing.ts"
import type { StateTag } from "../../services/Status.ts"
import { again } from "./Conflicts.ts"
import { placementLock, selectHosts } from "./PgGuestHosts.ts"

const died = Effect.orDie

const decodePlacements = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ host: Schema.String, address: Schema.String }))
)
const decodeAddresses = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ address: Schema.String })))

/** Where in its life an instance can be given a place. */
const awaited = ["New", "Building"] satisfies ReadonlyArray<StateTag>

const make = (standing: ReadonlyArray<StandingHost>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient

    for (const { addresses, guards = null, name, zone } of standing) {
      yield* died(sql`
        INSERT INTO guest_hosts ${sql.insert({ name, addresses, memory_mb: 0, guards, zone, reported: new Date(0) })}
        ON CONFLICT (name) DO UPDATE
        SET addresses = excluded.addresses, guards = excluded.guards, zone = excluded.zone`)
    }

    /** Who waits for the lock holds a connection, and there are few. */
    const oneOfUs = (yield* Semaphore.make(1)).withPermits(1)

    const one = <E>(rows: Effect.Effect<ReadonlyArray<unknown>, E>) =>
      rows.pipe(
        Effect.flatMap(decodePlacements),
        died,
        Effect.map((rows) => Option.fromNullishOr(rows[0]))
      )
    const find = (id: InstanceId) => one(sql`SELECT host, address FROM addresses WHERE instance = ${id}`)
    const confirmed = (id: InstanceId) =>
      one(sql`SELECT host, address FROM addresses WHERE instance = ${id} AND confirmed`)

    const inTurn = <A, E>(effect: Effect.Effect<A, E>) =>
      died(sql`SELECT pg_advisory_xact_lock(${placementLock[0]}::int, ${placementLock[1]}::int)`).pipe(
        Effect.andThen(effect),
        Effect.result,
        sql.withTransaction,
        again,
        died,
        oneOfUs,
        Effect.flatMap(Effect.fromResult)
      )

    const owned = (host: string, addresses: ReadonlyArray<string>) =>
      sql`SELECT address FROM addresses WHERE host = ${host} AND ${sql.in("address", addresses)}`.pipe(
        Effect.flatMap(decodeAddresses),
        died,
        Effect.map((rows) => rows.map(({ address }) => address))
      )

    const isAwaited = (id: InstanceId) =>
      died(sql`SELECT 1 FROM lifecycles WHERE instance = ${id} AND ${sql.in("tag", awaited)} FOR SHARE`).pipe(
        Effect.map((rows) => rows.length === 1)
      )

    const claim = (id: InstanceId, { address, host }: Placement, nextAddress: number) =>
      died(sql`INSERT INTO addresses ${sql.insert({ address, host, instance: id, confirmed: false })}`).pipe(
        Effect.andThen(died(sql`UPDATE guest_hosts SET next_address = ${nextAddress} WHERE name = ${host}`)),
        Effect.asVoid
      )

    return Placements.of(
      makePlacements(
        {
          find,
          release: (id) => died(Effect.asVoid(sql`DELETE FROM addresses WHERE instance = ${id}`)),
          inTurn,
          hosts: (since) =>
            Effect.provideService(
              selectHosts(
                since,
                standing.map(({ name }) => name)
              ),
              SqlClient.SqlClient,
              sql
            ),
          owned,
          isAwaited,
          claim,
          confirm: (id, { address, host }) =>
            died(sql`
              UPDATE addresses SET confirmed = true
              WHERE instance = ${id} AND host = ${host} AND address = ${address} RETURNING instance`).pipe(
              Effect.map((rows) => rows.length === 1)
            ),
          unclaim: (id, { address, host }) =>
            died(
              Effect.asVoid(sql`
                DELETE FROM addresses
                WHERE instance = ${id} AND host = ${host} AND address = ${address} AND NOT confirmed`)
            ),
          confirmed
        },
        standing
      )
    )
  })

/** `standing`: the places that do not report, and are there for as long as we are. */
export const layer = (standing: ReadonlyArray<StandingHost>): Layer.Layer<Placements, never, SqlClient.SqlClient> =>
  Layer.effect(Placements, make(standing))
