/** Our conductor alone: takes what lies in its queue of the broker, and is done with a heartbeat when it is a row. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Deferred, Effect, Layer, ManagedRuntime, Schema, Scope } from "effect"
import * as Logging from "../../src/layers/Logging.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import { Observations } from "../../src/services/Observations.ts"
import * as composition from "./composition.ts"
import { memory } from "./memory.ts"
import { answer, options } from "./parent.ts"
import { connected, Form, fabric, keyring, protections } from "./rabbitComposition.ts"

const { broker, form, url } = options(Schema.Struct({ broker: Schema.String, form: Form, url: Schema.String }))
const Drain = Schema.Struct({ count: Schema.Int })

const written = { beats: 0, statements: 0, all: Number.POSITIVE_INFINITY, done: Deferred.makeUnsafe<void>() }

/** Counts what is written, and writes it. */
const counted = Layer.effect(
  Observations,
  Effect.map(Observations, (observations) => ({
    ...observations,
    record: (beats) =>
      Effect.tap(observations.record(beats), () =>
        Effect.sync(() => {
          written.beats += beats.length
          written.statements++
          if (written.beats >= written.all) Deferred.doneUnsafe(written.done, Effect.void)
        })
      )
  }))
).pipe(Layer.provideMerge(composition.stores))

const runtime = ManagedRuntime.make(
  fabric(broker, "conductor").pipe(
    Layer.provide(protections(form)),
    Layer.provide(keyring),
    Layer.provideMerge(counted),
    Layer.provide(composition.sql(url)),
    Layer.provideMerge(Logging.layer),
    Layer.provideMerge(Telemetry.layer)
  )
)

/** From the wish to serve to the last of the heartbeats that lie in the queue. */
const drain = Effect.fnUntraced(function* ({ count }: typeof Drain.Type) {
  written.beats = written.statements = 0
  written.all = count
  written.done = Deferred.makeUnsafe<void>()
  const from = performance.now()
  yield* Conductor.serve
  yield* Deferred.await(written.done)
  return { perSecond: (count * 1000) / (performance.now() - from), beatsEach: count / written.statements }
}, Effect.scoped)

/** Of what serves until the process ends. */
const forever = Scope.makeUnsafe()

answer({
  ready: () => runtime.runPromise(Effect.asVoid(connected)),
  drain: (argument) => runtime.runPromise(drain(Schema.decodeUnknownSync(Drain)(argument))),
  serve: () => runtime.runPromise(Scope.provide(Conductor.serve, forever)),
  memory
})
