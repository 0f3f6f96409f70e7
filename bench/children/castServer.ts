/** A server of ours that takes the taskmanager's news: decoded, in a mailbox, acknowledged. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Deferred, Effect, Layer, ManagedRuntime, Queue, Schema } from "effect"
import * as Logging from "../../src/layers/Logging.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { answer, options } from "./parent.ts"
import { connected, Form, fabric, noKeyring, protections } from "./rabbitComposition.ts"

const { broker, form } = options(Schema.Struct({ broker: Schema.String, form: Form }))
const Drain = Schema.Struct({ count: Schema.Int })

const runtime = ManagedRuntime.make(
  fabric(broker, "bench").pipe(
    Layer.provide(protections(form)),
    Layer.provide(noKeyring),
    Layer.provide(Logging.layer),
    Layer.provideMerge(Telemetry.layer)
  )
)

/** From the wish to serve to the last of the messages that lie in the queue. */
const drain = Effect.fnUntraced(function* ({ count }: typeof Drain.Type) {
  const fabric = yield* Fabric
  const mailbox = yield* Queue.bounded<{ readonly instance_id: string }>(count)
  const all = yield* Deferred.make<void>()
  const from = performance.now()
  yield* fabric.serve(taskmanagerTopic, TaskmanagerApi, {
    observed: (news) =>
      Effect.suspend(() => {
        if (Queue.sizeUnsafe(mailbox) === count - 1) Deferred.doneUnsafe(all, Effect.void)
        return Effect.asVoid(Queue.offer(mailbox, news))
      }),
    wake: () => Effect.void,
    silent: () => Effect.void
  })
  yield* Deferred.await(all)
  return { perSecond: (count * 1000) / (performance.now() - from) }
}, Effect.scoped)

answer({
  ready: () => runtime.runPromise(Effect.asVoid(connected)),
  drain: (argument) => runtime.runPromise(drain(Schema.decodeUnknownSync(Drain)(argument)))
})
