/** Our conductor alone: heartbeats come over the fabric in process, and are done with when they are written. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, ManagedRuntime, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as Logging from "../../src/layers/Logging.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import { ConductorApi, conductorTopic } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import * as composition from "./composition.ts"
import { answer, options } from "./parent.ts"

const { url } = options(Schema.Struct({ url: Schema.String }))
const Beats = Schema.Struct({ ids: Schema.Array(Schema.String), rounds: Schema.Int })

const runtime = ManagedRuntime.make(
  Layer.effectDiscard(Conductor.serve).pipe(
    Layer.provide(composition.idleTaskmanager),
    Layer.provideMerge(InProcessFabric.layer),
    Layer.provide(composition.stores),
    Layer.provideMerge(composition.sql(url)),
    Layer.provide(Logging.layer)
  )
)

/** Sends as fast as the conductor's mailbox takes it, and waits until the last beat of every guest is written. */
const beat = Effect.fnUntraced(function* ({ ids, rounds }: typeof Beats.Type) {
  const sql = yield* SqlClient.SqlClient
  const conductor = (yield* Fabric).client(conductorTopic, ConductorApi)
  const from = performance.now()
  const first = Date.now() / 1000
  const send = (instance_id: string, round: number) =>
    conductor
      .heartbeat({ instance_id, payload: { service_status: "healthy" }, sent: first + round / 1000 })
      .pipe(Effect.retry({ while: ({ reason }) => reason === "Overloaded", schedule: Schedule.spaced("1 millis") }))
  for (let round = 1; round <= rounds; round++) yield* Effect.forEach(ids, (id) => send(id, round), { discard: true })
  const last = first + (rounds - 0.5) / 1000
  yield* sql<{
    readonly n: bigint
  }>`SELECT count(*) AS n FROM observations WHERE sent > to_timestamp(${last}::float8)`.pipe(
    Effect.repeat({
      until: ([row]) => Number(row?.n) >= ids.length,
      schedule: Schedule.spaced("2 millis")
    }),
    Effect.timeout("30 seconds")
  )
  return { perSecond: (ids.length * rounds * 1000) / (performance.now() - from) }
})

answer({
  ready: () => runtime.runPromise(Effect.void),
  beat: (beats) => runtime.runPromise(beat(Schema.decodeUnknownSync(Beats)(beats)))
})
