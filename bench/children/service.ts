/**
 * The whole service over PostgreSQL, but for guests: servers are said to exist, and nothing runs in them. Tells
 * what memory it takes, and can be made to wake every actor there is a row for.
 */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { NodeCrypto } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { Sharding } from "effect/cluster"
import { SqlClient } from "effect/sql"
import * as Actors from "../../src/actors/Actors.ts"
import { InstanceEntity } from "../../src/actors/InstanceMailbox.ts"
import * as NoGuestAccess from "../../src/layers/embedded/NoGuestAccess.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as Logging from "../../src/layers/Logging.ts"
import * as Metrics from "../../src/layers/Metrics.ts"
import * as ClusterPruning from "../../src/layers/postgres/ClusterPruning.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import * as composition from "./composition.ts"
import { memory } from "./memory.ts"
import { answer, options } from "./parent.ts"

const { url } = options(Schema.Struct({ url: Schema.String }))

const runtime = ManagedRuntime.make(
  composition.api.pipe(
    Layer.provide([Metrics.layer, ClusterPruning.layer]),
    Layer.provide(Actors.layer),
    Layer.provide([composition.noCompute, NoGuestAccess.layer]),
    Layer.provide(Layer.effectDiscard(Conductor.serve)),
    Layer.provide(composition.catalog),
    Layer.provide(InProcessFabric.layer),
    Layer.provideMerge(composition.cluster),
    Layer.provide(composition.stores),
    Layer.provideMerge(composition.sql(url)),
    Layer.provide(Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest)),
    Layer.provide(Logging.layer)
  )
)

/** Each actor has taken a turn when this is done. */
const wakeAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharding = yield* Sharding.Sharding
  const client = yield* InstanceEntity.client
  const rows = yield* sql<{ readonly id: string }>`SELECT id FROM instances`
  yield* Effect.forEach(rows, ({ id }) => client(id).Wake(), { concurrency: 128, discard: true })
  return { awake: yield* sharding.activeEntityCount }
})

const awake = Effect.flatMap(Sharding.Sharding, ({ activeEntityCount }) =>
  Effect.map(activeEntityCount, (awake) => ({ awake }))
)

answer({
  listening: () => runtime.runPromise(Effect.map(composition.port, (port) => ({ port }))),
  wakeAll: () => runtime.runPromise(wakeAll),
  awake: () => runtime.runPromise(awake),
  memory
})
