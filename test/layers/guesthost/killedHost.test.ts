/** A guest host over RabbitMQ that is killed while it works on what it was asked: it is asked again, soon. */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Ref } from "effect"
import * as HostsCompute from "../../../src/layers/compute/HostsCompute.ts"
import { declareServer } from "../../../src/layers/fabric/oslo/Topology.ts"
import * as MemoryOrders from "../../../src/layers/memory/MemoryOrders.ts"
import { Compute } from "../../../src/services/Compute.ts"
import { Fabric } from "../../../src/services/Fabric.ts"
import { GuestHostApi, guestHostTopic } from "../../../src/services/GuestHostApi.ts"
import { InstanceId } from "../../../src/services/Ids.ts"
import { serverSpec } from "../../conformance/guestHosts.ts"
import { missingBroker, TestBroker } from "../../support/rabbitmq.ts"
import { channelOf, eventually, fabricOf, quiet } from "../rabbitFixture.ts"

const id = InstanceId.make("00000000-0000-4000-8000-000000000001")
const topic = guestHostTopic("alpha")
const names = { exchange: "trove", queues: "durable" } as const

/** A host that takes the first call and is no more: whoever asked is never told. */
const killedAtWork = Effect.fnUntraced(function* (url: string) {
  const channel = yield* channelOf(url)
  let isKilled = false
  yield* Effect.promise(async () => {
    await declareServer(channel, names, { topic, server: "one", fanoutId: "killed" })
    await channel.prefetch(1)
    const { consumerTag } = await channel.consume(topic, (message) => {
      if (message === null || isKilled) return
      isKilled = true
      channel.ack(message)
      void channel.cancel(consumerTag)
    })
  })
  return eventually(
    "it was killed",
    Effect.sync(() => isKilled)
  )
})

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`a guest host behind RabbitMQ${skipped}`, { timeout: 60_000 }, () => {
  layer(Layer.merge(TestBroker.layer(), quiet), { excludeTestServices: true, timeout: 60_000 })((it) => {
    for (const asked of ["ensure", "destroy"] as const) {
      it.effect(`that was killed at work (${asked}) is asked again when it gives no sign of life`, () =>
        Effect.gen(function* () {
          const { url } = yield* TestBroker
          const isKilled = yield* killedAtWork(url)
          const settings = { command: null, queues: "durable" } as const
          const taskmanager = yield* fabricOf({ url, server: "taskmanager" })
          const layer = HostsCompute.layer(settings).pipe(
            Layer.provide([Layer.succeed(Fabric, Fabric.of(taskmanager)), MemoryOrders.layer])
          )
          const compute = Context.get(yield* Layer.build(layer), Compute)
          const from = Date.now()
          const asking = yield* Effect.forkChild(
            asked === "ensure"
              ? compute.ensure({ ...serverSpec(id), host: "alpha" }, null)
              : compute.destroy(id, "alpha")
          )
          yield* isKilled
          const orders = yield* Ref.make<ReadonlyArray<number | undefined>>([])
          const hear = ({ order }: { readonly order?: number }) => Ref.update(orders, (all) => [...all, order])
          const host = yield* fabricOf({ url, server: "one" })
          yield* host.serve(topic, GuestHostApi, {
            ensure: hear,
            destroy: hear,
            is_free: () => Effect.succeed(true),
            inventory: () => Effect.succeed({ covers: [], servers: [], more: false })
          })
          yield* Fiber.join(asking)
          assert.isBelow(Date.now() - from, 30_000)
          // The first number was heard by who was killed.
          assert.deepEqual(yield* Ref.get(orders), [2])
        }).pipe(Effect.scoped)
      )
    }
  })
})
