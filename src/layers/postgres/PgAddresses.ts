/**
 * Loopback addresses for instances, owned in PostgreSQL. The range is a /16 below 127.0.0.0/8; an address on
 * which something else already listens is passed over.
 */
import { createHash } from "node:crypto"
import { createServer } from "node:net"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { Addresses, NoAddressLeft } from "../../services/Addresses.ts"
import type { InstanceId } from "../../services/Ids.ts"

const died = Effect.orDie

/** How many addresses are tried before giving up: foreign listeners are few, or they take the whole range. */
const maxTries = 64

/** The first and last of each block of 256 are left out: they look like network and broadcast addresses. */
const hostsInBlock = 254
export const addressCount = hostsInBlock * 256

/**
 * Which /16 of the loopback network, 127.<block>.0.0, a control plane takes by its data folder. Two of them on one
 * machine have different ones, as far as 128 go.
 */
export const addressBlock = (root: string) => 64 + (createHash("sha256").update(root).digest().readUInt8(0) % 128)

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
      const addressAt = (n: number) => `127.${secondOctet}.${Math.floor(n / hostsInBlock)}.${(n % hostsInBlock) + 1}`

      const owned = (id: InstanceId) =>
        died(sql<{ readonly address: string }>`SELECT address FROM addresses WHERE instance = ${id}`).pipe(
          Effect.map((rows) => Option.fromNullishOr(rows[0]?.address))
        )

      const claim = (id: InstanceId, address: string) =>
        died(sql<{ readonly address: string }>`
          INSERT INTO addresses (address, instance) VALUES (${address}, ${id})
          ON CONFLICT DO NOTHING RETURNING address`).pipe(Effect.map((rows) => rows.length === 1))

      const nextAddress = died(sql<{ readonly n: bigint }>`SELECT nextval('address_cursor') AS n`).pipe(
        Effect.map((rows) => addressAt(Number(rows[0]?.n ?? 0n)))
      )

      /** Tries fresh addresses one after another, until one is ours and nobody else listens on it. */
      const allocate = (id: InstanceId, port: number, tries: number): Effect.Effect<string, NoAddressLeft> =>
        Effect.gen(function* () {
          if (tries === 0) return yield* new NoAddressLeft({ range })
          const address = yield* nextAddress
          if (yield* claim(id, address)) {
            if (yield* isFree(address, port)) return address
            yield* died(sql`DELETE FROM addresses WHERE instance = ${id}`)
          }
          const mine = yield* owned(id)
          return Option.isSome(mine) ? mine.value : yield* allocate(id, port, tries - 1)
        })

      const ensure = Effect.fn("Addresses.ensure")(function* (id: InstanceId, port: number) {
        const already = yield* owned(id)
        return Option.isSome(already) ? already.value : yield* allocate(id, port, maxTries)
      })

      return Addresses.of({
        ensure,
        release: (id) => died(Effect.asVoid(sql`DELETE FROM addresses WHERE instance = ${id}`))
      })
    })
  )
