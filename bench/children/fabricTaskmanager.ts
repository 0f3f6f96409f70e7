/**
 * Our taskmanager alone, as one of a fleet that speaks to the others over RabbitMQ. Of a command it does what comes up
 * to the first transition, and tells of it; then there is nothing to do. A sweep finds nothing.
 */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { NodeClusterSocket, NodeCrypto } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, Option, Schema } from "effect"
import { ClusterWorkflowEngine, RunnerAddress } from "effect/cluster"
import * as Actors from "../../src/actors/Actors.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import * as NoGuestAccess from "../../src/layers/embedded/NoGuestAccess.ts"
import * as Logging from "../../src/layers/Logging.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import * as composition from "./composition.ts"
import { memory } from "./memory.ts"
import { listen } from "./news.ts"
import { answer, options } from "./parent.ts"
import { connected, fabric, keyring, protections } from "./rabbitComposition.ts"

const { broker, port, url } = options(Schema.Struct({ broker: Schema.String, port: Schema.Int, url: Schema.String }))

const news = await listen()

const firstTransitions = Layer.effect(
  Lifecycles,
  Effect.map(Lifecycles, (lifecycles) => ({
    ...lifecycles,
    commit: (id, commit) =>
      Effect.tap(lifecycles.commit(id, commit), () =>
        Effect.sync(() => {
          if (commit.transition?.from === "New") news.tell(id)
        })
      ),
    desired: () => Effect.succeed(Option.none()),
    overdue: () => Effect.succeed([]),
    underWay: () => Effect.succeed([])
  }))
).pipe(Layer.provideMerge(composition.stores))

const cluster = ClusterWorkflowEngine.layer.pipe(
  Layer.provideMerge(
    NodeClusterSocket.layer({
      shardingConfig: {
        runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)),
        maxResidentEntities: "unbounded"
      }
    })
  )
)

const runtime = ManagedRuntime.make(
  Actors.layer.pipe(
    Layer.provide([composition.noCompute, NoGuestAccess.layer]),
    Layer.provide(composition.catalog),
    Layer.provide(cluster),
    Layer.provideMerge(fabric(broker, "taskmanager")),
    Layer.provide(protections("coffer")),
    Layer.provide(keyring),
    Layer.provide(firstTransitions),
    Layer.provide(composition.sql(url)),
    Layer.provide(Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest)),
    Layer.provide(Logging.layer),
    Layer.provide(Telemetry.layer)
  )
)

answer({
  ready: () => runtime.runPromise(Effect.asVoid(connected)),
  news: () => ({ port: news.port }),
  memory
})
