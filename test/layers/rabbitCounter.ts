/** A server that counts: what each of its messages is told by is a number, so that none is missed or taken twice. */
import { Clock, Deferred, Effect, Ref, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { call, cast } from "../../src/services/Contract.ts"
import type { Fabric } from "../../src/services/Fabric.ts"

export const Counter = RpcGroup.make(
  cast("count", { n: Schema.Int }),
  call("double", { n: Schema.Int }, { success: Schema.Int, timeout: "30 seconds" })
)

let topics = 0
export const aTopic = () => `counter.${++topics}`

/** A server that keeps what it took. What is below zero waits at the gate. */
export const counter = Effect.fnUntraced(function* (
  fabric: Pick<Fabric["Service"], "serve">,
  topic: string,
  options?: { readonly concurrency?: number }
) {
  const taken = yield* Ref.make<ReadonlyArray<number>>([])
  const gate = yield* Deferred.make<void>()
  const begun = yield* Deferred.make<void>()
  const take = Effect.fnUntraced(function* (n: number) {
    yield* Deferred.succeed(begun, undefined)
    if (n < 0) yield* Deferred.await(gate)
    yield* Ref.update(taken, (taken) => [...taken, n])
  })
  yield* fabric.serve(
    topic,
    Counter,
    { count: ({ n }) => take(n), double: ({ n }) => Effect.as(take(n), 2 * n) },
    options
  )
  return { taken: Ref.get(taken), begun: Deferred.await(begun), openGate: Deferred.succeed(gate, undefined) }
})

export const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [(yield* Clock.currentTimeMillis) - before, value] as const
  })
