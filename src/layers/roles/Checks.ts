/** What makes a role healthy: its store answers, its broker is there, and it takes what comes. */
import { Clock, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { FabricHealth } from "../fabric/RabbitFabric.ts"
import { pingInterval } from "../fabric/RabbitServer.ts"
import { Health } from "../Health.ts"

/** A server that has taken nothing for so long, not even what it sent to itself, takes nothing any more. */
const deaf = Duration.times(pingInterval, 3)

class Unhealthy extends Schema.TaggedError<Unhealthy>()("Unhealthy", { message: Schema.String }) {}

export const ofStore = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { register } = yield* Health
    const answers = Effect.mapError(sql`SELECT 1`, () => new Unhealthy({ message: "the database does not answer" }))
    yield* register("database", Effect.asVoid(answers))
  })
)

export const ofFabric = Layer.effectDiscard(
  Effect.gen(function* () {
    const fabric = yield* FabricHealth
    const { register } = yield* Health
    yield* register(
      "broker",
      Effect.suspend(() =>
        fabric.isConnected() ? Effect.void : Effect.fail(new Unhealthy({ message: "no broker is connected" }))
      )
    )
    yield* register(
      "consumers",
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const silent = fabric.servers().filter(({ lastTaken }) => now - lastTaken() > Duration.toMillis(deaf))
        if (silent.length === 0) return
        const topics = silent.map(({ topic }) => topic).join(", ")
        yield* new Unhealthy({ message: `nothing was taken for ${Duration.format(deaf)} from: ${topics}` })
      })
    )
  })
)
