/** The numbers of orders in PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as PgOrders from "../../src/layers/postgres/PgOrders.ts"
import { Orders } from "../../src/services/Orders.ts"
import { stores } from "../support/postgres.ts"

layer(PgOrders.layer.pipe(Layer.provideMerge(stores)), { excludeTestServices: true, timeout: 60_000 })(
  "the numbers of orders",
  (it) => {
    it.effect("grow, and are exact", () =>
      Effect.gen(function* () {
        const { next } = yield* Orders
        const drawn = yield* Effect.forEach(Array.from({ length: 50 }), () => next)
        expect(drawn).toEqual([...new Set(drawn)].toSorted((one, other) => one - other))
        expect(drawn.every(Number.isSafeInteger)).toBe(true)
      })
    )

    it.effect("go on growing when an older copy of the database is put back, or its clock is", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { next } = yield* Orders
        const before = yield* next
        yield* sql`SELECT setval('orders', 1)`
        expect(yield* next).toBeGreaterThan(before)
        const ahead = Date.now() * 1000 + 3_600_000_000
        yield* sql`SELECT setval('orders', ${String(ahead)}::bigint)`
        expect(yield* next).toBe(ahead + 1)
      })
    )
  }
)
