/** Fills the taskmanager's queue with the news that a conductor sends, through our own client. */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { randomUUID } from "node:crypto"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { openTopic } from "./bareBroker.ts"
import { answer, options } from "./parent.ts"
import { connected, Form, fabric, noKeyring, protections } from "./rabbitComposition.ts"

const { broker, form } = options(Schema.Struct({ broker: Schema.String, form: Form }))
const News = Schema.Struct({ count: Schema.Int })

/** How many wait for the broker's word at once. */
const atOnce = 512

const runtime = ManagedRuntime.make(
  fabric(broker, "news").pipe(
    Layer.provide(protections(form)),
    Layer.provide(noKeyring),
    Layer.provideMerge(Telemetry.layer)
  )
)

const send = Effect.fnUntraced(function* ({ count }: typeof News.Type) {
  const taskmanager = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi)
  yield* Effect.forEach(
    Array.from({ length: count }),
    () => taskmanager.observed({ instance_id: randomUUID(), status: "healthy", progress: null }),
    { concurrency: atOnce, discard: true }
  )
})

const topic = await openTopic(broker, taskmanagerTopic, { copied: true })

answer({
  ready: () => runtime.runPromise(Effect.asVoid(connected)),
  send: (news) => runtime.runPromise(send(Schema.decodeUnknownSync(News)(news))),
  left: topic.left
})
