/** A client of ours that makes small calls. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, ManagedRuntime, Schedule, Schema } from "effect"
import * as Logging from "../../src/layers/Logging.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { PingApi, pingTopic } from "./PingApi.ts"
import { answer, options } from "./parent.ts"
import { fabric, noKeyring, protections } from "./rabbitComposition.ts"
import { Asking, timeCalls } from "./rounds.ts"

const { broker } = options(Schema.Struct({ broker: Schema.String }))

const runtime = ManagedRuntime.make(
  fabric(broker, "pinging").pipe(
    Layer.provide(protections("plain")),
    Layer.provide(noKeyring),
    Layer.provide(Logging.layer),
    Layer.provideMerge(Telemetry.layer)
  )
)

const ping = Effect.flatMap(Fabric, (fabric) => fabric.client(pingTopic, PingApi).rpc_ping({}))

answer({
  /** Once the server is there. */
  ready: () => runtime.runPromise(Effect.retry(ping, Schedule.spaced("20 millis"))),
  run: async (asking) => {
    const context = await runtime.context()
    return timeCalls(Schema.decodeUnknownSync(Asking)(asking), () => Effect.runPromiseWith(context)(ping))
  }
})
