/**
 * A fabric in which a test says whom a message is proven to be from, and in which whoever casts waits until it is
 * handled. For tests of one server; what a real fabric does is its conformance suite's to show.
 *
 *     yield* conductor.heartbeat(beat).pipe(ProvenFabric.as(guest))
 */
import { Effect, Layer, Schema } from "effect"
import type { Rpc } from "effect/rpc"
import type { Client } from "../../src/services/Contract.ts"
import { Fabric, FabricError, Sender } from "../../src/services/Fabric.ts"

type Handler = (payload: unknown) => Effect.Effect<unknown, unknown>

/** Sends what `send` sends in the name of `sender`. */
export const as =
  (sender: string) =>
  <A, E, R>(send: Effect.Effect<A, E, R>) =>
    Effect.provideService(send, Sender, sender)

export const layer = Layer.sync(Fabric, () => {
  const servers = new Map<string, Record<string, Handler | undefined>>()
  return Fabric.of({
    serve: (topic, _, handlers) => Effect.sync(() => void servers.set(topic, handlers as Record<string, Handler>)),
    client: <R extends Rpc.Any>(
      topic: string,
      contract: { readonly requests: ReadonlyMap<string, R> }
    ): Client<R, FabricError> => {
      const functions: Record<string, Handler> = {}
      for (const [method, rpc] of contract.requests) {
        const { payloadSchema } = rpc as R & Rpc.AnyWithProps
        const codec = Schema.toCodecJson(payloadSchema) as unknown as Schema.Codec<unknown>
        functions[method] = Effect.fnUntraced(function* (payload) {
          const failure = (reason: FabricError["reason"], detail: string) =>
            new FabricError({ reason, topic, method, detail })
          const handler = servers.get(topic)?.[method]
          if (handler === undefined) return yield* failure("Unreachable", "nobody serves it")
          return yield* Schema.encodeEffect(codec)(payload).pipe(
            Effect.flatMap(Schema.decodeUnknownEffect(codec)),
            Effect.mapError((error) => failure("Undecodable", String(error))),
            Effect.flatMap(handler)
          )
        })
      }
      return functions as Client<R, FabricError>
    }
  })
})
