/** A server of ours that answers a small call. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import * as Logging from "../../src/layers/Logging.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { PingApi, pingTopic } from "./PingApi.ts"
import { answer, options } from "./parent.ts"
import { fabric, noKeyring, protections } from "./rabbitComposition.ts"

const { broker } = options(Schema.Struct({ broker: Schema.String }))

const serve = Effect.flatMap(Fabric, (fabric) =>
  fabric.serve(pingTopic, PingApi, { rpc_ping: () => Effect.succeed(true) })
)

const runtime = ManagedRuntime.make(
  Layer.effectDiscard(serve).pipe(
    Layer.provide(fabric(broker, "pinged")),
    Layer.provide(protections("plain")),
    Layer.provide(noKeyring),
    Layer.provide(Logging.layer),
    Layer.provide(Telemetry.layer)
  )
)

answer({ ready: () => runtime.runPromise(Effect.void) })
