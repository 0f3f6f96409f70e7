/** Both sides of the talk with oslo.messaging, on a broker of both: what each serves, and its peers. */
import { Context, Deferred, Effect, Layer, Ref, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import type { QueueKind } from "../../src/layers/fabric/oslo/Topology.ts"
import { call, cast, ForeignFailure } from "../../src/services/Contract.ts"
import type { Fabric } from "../../src/services/Fabric.ts"
import { fabricOf } from "../layers/rabbitFixture.ts"
import { TestBroker } from "../support/rabbitmq.ts"
import { type OsloClient, type OsloServer, osloClient, osloServer } from "./oslo/peers.ts"

const timeout = "20 seconds"

/** What oslo's server serves, as we see it. Its version is 1.3. */
export const Theirs = RpcGroup.make(
  cast("record", { n: Schema.Unknown }),
  call("echo", { value: Schema.Unknown }, { success: Schema.Unknown, timeout, version: "1.3" }),
  call("add", { a: Schema.Int, b: Schema.Int }, { success: Schema.Int, timeout }),
  call("none", {}, { timeout }),
  call("slow", { seconds: Schema.Finite }, { success: Schema.Finite, timeout, monitor: "1 second" }),
  call("raise_value_error", { text: Schema.String }, { timeout }),
  call("context", {}, { success: Schema.Record(Schema.String, Schema.Unknown), timeout }),
  call("no_such_method", {}, { timeout })
)
export const Hurried = RpcGroup.make(
  call("slow", { seconds: Schema.Finite }, { success: Schema.Finite, timeout: "300 millis" })
)
export const Newer = RpcGroup.make(
  call("add", { a: Schema.Int, b: Schema.Int }, { success: Schema.Int, timeout, version: "1.4" })
)
export const Misled = RpcGroup.make(call("add", { a: Schema.Int }, { success: Schema.Int, timeout }))

export class TheirFailure extends Schema.TaggedError<TheirFailure>()("TheirFailure", { said: Schema.String }) {}
export const Understood = RpcGroup.make(
  call("raise_value_error", { text: Schema.String }, { error: TheirFailure, timeout }).annotate(
    ForeignFailure,
    (said) => ({ _tag: "TheirFailure", said })
  )
)

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {
  override get message() {
    return `refused: ${this.why}`
  }
}

/** What we serve. Its version is 1.2. */
const Ours = RpcGroup.make(
  cast("note", { n: Schema.Int }, { version: "1.2" }),
  call("greet", { name: Schema.String }, { success: Schema.String, error: Refusal, timeout }),
  call("nothing", {}, { timeout }),
  call("crash", {}, { timeout }),
  call("wait", {}, { timeout })
)

interface Note {
  readonly server: string
  readonly n: number
}

/** Both sides, on topics of their own. */
export class Sides extends Context.Service<
  Sides,
  {
    readonly ours: Fabric["Service"]
    readonly theirs: { readonly server: OsloServer; readonly client: OsloClient }
    readonly startServer: (topic: string) => ReturnType<typeof osloServer>
    /** What our two servers took, on the topic `ours`. */
    readonly notes: Ref.Ref<ReadonlyArray<Note>>
    /** Calls of `wait` are answered when it is done. */
    readonly gate: Ref.Ref<Deferred.Deferred<void>>
  }
>()("coffer/test/interop/Sides") {}

export const sides = (queues: QueueKind) =>
  Layer.effect(
    Sides,
    Effect.gen(function* () {
      const { transportUrl, url } = yield* TestBroker
      // The exchange, too, is of one kind for all who use it.
      const exchange = `trove-${queues}`
      const options: Readonly<Record<string, string>> = queues === "transient" ? {} : { amqp_durable_queues: "true" }
      const peer = { transportUrl, exchange, options }
      const startServer = (topic: string) => osloServer({ ...peer, topic, server: "host-a" })
      const [server, client] = yield* Effect.all([startServer("theirs"), osloClient(peer)], { concurrency: 2 })

      const notes = yield* Ref.make<ReadonlyArray<Note>>([])
      const gate = yield* Ref.make(yield* Deferred.make<void>())
      const serve = Effect.fnUntraced(function* (name: string) {
        const fabric = yield* fabricOf({ url, server: name, names: { exchange, queues } })
        yield* fabric.serve("ours", Ours, {
          note: ({ n }) => Ref.update(notes, (notes) => [...notes, { server: name, n }]),
          greet: ({ name }) =>
            name === "" ? Effect.fail(new Refusal({ why: "no name" })) : Effect.succeed(`hi ${name}`),
          nothing: () => Effect.void,
          crash: () => Effect.die("a secret of the server"),
          wait: () => Effect.flatMap(Ref.get(gate), Deferred.await)
        })
        return fabric
      })
      const ours = yield* serve("one")
      yield* serve("two")
      return { ours, theirs: { server, client }, startServer, notes, gate }
    })
  )
