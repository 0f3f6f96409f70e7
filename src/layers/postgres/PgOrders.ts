/**
 * The numbers of orders, drawn in PostgreSQL by all taskmanagers. They are never behind the database's clock, in
 * microseconds: after an older copy of the database was put back, they are larger than those that guest hosts heard of
 * the one before.
 */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Orders } from "../../services/Orders.ts"

const decode = Schema.decodeUnknownEffect(Schema.NonEmptyArray(Schema.Struct({ number: Schema.FiniteFromString })))

export const layer = Layer.effect(
  Orders,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Orders.of({
      next: sql`
        SELECT (CASE WHEN next < clock THEN setval('orders', clock) ELSE next END)::text AS number
        FROM (
          SELECT nextval('orders') AS next, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock
        ) drawn`.pipe(
        Effect.flatMap(decode),
        Effect.orDie,
        Effect.map(([{ number }]) => number)
      )
    })
  )
)
