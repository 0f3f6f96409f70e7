/** Our api alone, as a process of its own that speaks to the others over RabbitMQ. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import * as Logging from "../../src/layers/Logging.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import * as composition from "./composition.ts"
import { answer, options } from "./parent.ts"
import { fabric, keyring, protections } from "./rabbitComposition.ts"

const { broker, url } = options(Schema.Struct({ broker: Schema.String, url: Schema.String }))

const runtime = ManagedRuntime.make(
  composition.api.pipe(
    Layer.provide(fabric(broker, "api")),
    Layer.provide(protections("coffer")),
    Layer.provide(keyring),
    Layer.provide(composition.catalog),
    Layer.provide(composition.stores),
    Layer.provide(composition.sql(url)),
    Layer.provide(Logging.layer),
    Layer.provide(Telemetry.layer)
  )
)

answer({ listening: () => runtime.runPromise(Effect.map(composition.port, (port) => ({ port }))) })
