/**
 * Loopback addresses for instances, owned in PostgreSQL. The range is a /16 below 127.0.0.0/8; an address on
 * which something else already listens is passed over.
 */
import { createServer } from "node:net"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { Addresses, NoAddressLeft } from "../../services/Addresses.ts"
import type { InstanceId } from "../../services/Ids.ts"

const died = Effect.orDie

/** How many addresses are tried before giving up: foreign listeners are few, or they take the whole range. */
const maxTries = 64

/** Whether a server could listen there now. */
const isFree = (address: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const probe = createServer()
    probe.once("error", () => resume(Effect.succeed(false)))
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resume(Effect.succeed(true))))
  })

/** `secondOctet`: which /16 of the loopback network is ours, 127.<secondOctet>.0.0. */
export const layer = (secondOctet: number): Layer.Layer<Addresses, never, SqlClient.SqlClient> =>
  Layer.effect(
    Addresses,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const range = `127.${secondOctet}.0.0/16`
      // The first and last of each block of 256 are left out: they look like network and broadcast addresses.
      const addressAt = (n: number) => `127.${secondOctet}.${Math.floor(n / 254) % 256}.${(n % 254) + 1}`
      const hosts = 254 * 256

      const owned = (id: InstanceId) =>
        died(sql<{ readonly address: string }>`SELECT address FROM addresses WHERE instance = ${id}`).pipe(
          Effect.map((rows) => Option.fromNullishOr(rows[0]?.address))
        )

      const claim = (id: InstanceId, address: string) =>
        died(sql<{ readonly address: string }>`
          INSERT INTO addresses (address, instance) VALUES (${address}, ${id})
          ON CONFLICT DO NOTHING RETURNING address`).pipe(Effect.map((rows) => rows.length === 1))

      const count = died(sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM addresses`).pipe(
        Effect.map((rows) => Number(rows[0]?.n ?? 0n))
      )

      const ensure = Effect.fn("Addresses.ensure")(function* (id: InstanceId, port: number) {
        const already = yield* owned(id)
        if (Option.isSome(already)) return already.value
        // Start where a compact range would have its next gap, and look around from there.
        const start = yield* count
        let tries = 0
        for (let n = 0; n < hosts && tries < maxTries; n++) {
          const address = addressAt((start + n) % hosts)
          if (!(yield* claim(id, address))) {
            const mine = yield* owned(id)
            if (Option.isSome(mine)) return mine.value
            continue
          }
          if (yield* isFree(address, port)) return address
          yield* died(sql`DELETE FROM addresses WHERE instance = ${id}`)
          tries++
        }
        return yield* new NoAddressLeft({ range })
      })

      return Addresses.of({
        ensure,
        release: (id) => died(Effect.asVoid(sql`DELETE FROM addresses WHERE instance = ${id}`))
      })
    })
  )
