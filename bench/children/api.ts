/** Our api alone: the whole REST server over PostgreSQL, and a taskmanager that takes the news and does nothing. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as Logging from "../../src/layers/Logging.ts"
import * as composition from "./composition.ts"
import { answer, options } from "./parent.ts"

const { url } = options(Schema.Struct({ url: Schema.String }))

const runtime = ManagedRuntime.make(
  composition.api.pipe(
    Layer.provide(composition.idleTaskmanager),
    Layer.provide(InProcessFabric.layer),
    Layer.provide(composition.catalog),
    Layer.provide(composition.stores),
    Layer.provide(composition.sql(url)),
    Layer.provide(Logging.layer)
  )
)

answer({ listening: () => runtime.runPromise(Effect.map(composition.port, (port) => ({ port }))) })
