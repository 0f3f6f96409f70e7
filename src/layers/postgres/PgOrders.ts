/** The numbers of orders, drawn in PostgreSQL by all taskmanagers. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Orders } from "../../services/Orders.ts"

const decode = Schema.decodeUnknownEffect(Schema.NonEmptyArray(Schema.Struct({ number: Schema.FiniteFromString })))

export const layer = Layer.effect(
  Orders,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Orders.of({
      next: sql`SELECT nextval('orders')::text AS number`.pipe(
        Effect.flatMap(decode),
        Effect.orDie,
        Effect.map(([{ number }]) => number)
      )
    })
  )
)
