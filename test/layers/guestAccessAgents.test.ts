/** Agents that have nothing but the link they were given: ours over our fabric, Trove's by oslo.messaging itself. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Queue, Redacted, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import * as RabbitFabric from "../../src/layers/fabric/RabbitFabric.ts"
import * as ControlPlane from "../../src/layers/fabric/secure/ControlPlaneProtections.ts"
import * as GuestProtections from "../../src/layers/fabric/secure/GuestProtections.ts"
import { Protections } from "../../src/layers/fabric/secure/Protection.ts"
import { inMemory } from "../../src/layers/fabric/secure/ReplayGuard.ts"
import { conductorTopic } from "../../src/services/ConductorApi.ts"
import { call, cast } from "../../src/services/Contract.ts"
import { Sender } from "../../src/services/Fabric.ts"
import { missingOslo, osloClient, osloServer } from "../interop/oslo/peers.ts"
import { memoryKeyring } from "../services/secure/memoryKeyring.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { aVhost, connected, drained, granted, guestAccess, urlOf } from "./guestAccessFixture.ts"

const kinds = ["durable", "quorum", "transient"] as const
type Kind = (typeof kinds)[number]

/** As both sides are told in oslo.messaging's configuration. */
const osloOptions: Record<Kind, Readonly<Record<string, string>>> = {
  durable: { amqp_durable_queues: "true" },
  quorum: { rabbit_quorum_queue: "true" },
  transient: {}
}

const Agent = RpcGroup.make(call("echo", { text: Schema.String }, { success: Schema.String, timeout: "10 seconds" }))
const Conductor = RpcGroup.make(cast("heartbeat", { n: Schema.Int }))

const asOslo = (url: string) => url.replace("amqp:", "rabbit:")

/** The port over a virtual host of its own, with queues of this kind. */
const access = (queues: Kind) =>
  Effect.map(aVhost(queues), (url) => ({
    url,
    layer: guestAccess({ vhost: queues, names: { exchange: "trove", queues } })
  }))

const fabric = (
  options: Pick<RabbitFabric.Options, "names" | "restricted" | "server" | "urls">,
  protections: Protections["Service"]
) =>
  RabbitFabric.make({ ...options, tls: {}, prefetch: 10 }).pipe(
    Effect.provideService(Protections, protections),
    Effect.map(({ fabric }) => fabric)
  )

const skipped = missingBroker ?? missingOslo
const named = `a guest that has nothing but its link${skipped === null ? "" : ` (skipped: ${skipped})`}`

describe.skipIf(skipped !== null)(named, { timeout: 120_000 }, () => {
  layer(Layer.mergeAll(memoryKeyring, TestBroker.layer()), { excludeTestServices: true, timeout: 60_000 })((it) => {
    for (const queues of kinds) {
      it.effect(`is asked, answers and reports, as an agent of ours with ${queues} queues`, () =>
        Effect.gen(function* () {
          const { layer, url } = yield* access(queues)
          const { id, link, topic } = yield* Effect.provide(granted("coffer"), layer)
          const kek = Redacted.make(new Uint8Array(32).fill(5))
          const control = yield* fabric(
            { urls: [Redacted.make(url)], names: { exchange: "trove", queues }, server: "control", restricted: false },
            yield* Effect.provide(Protections, ControlPlane.layer(kek))
          )
          const guest = yield* fabric(
            { urls: link.urls, names: { exchange: link.controlExchange, queues }, server: id, restricted: true },
            yield* GuestProtections.makeGuest(id, link, yield* inMemory)
          )
          const heard = yield* Queue.unbounded<readonly [number, string | null]>()
          yield* control.serve(conductorTopic, Conductor, {
            heartbeat: ({ n }) => Effect.flatMap(Sender, (sender) => Queue.offer(heard, [n, sender] as const))
          })
          yield* guest.serve(topic, Agent, { echo: ({ text }) => Effect.succeed(`heard ${text}`) })
          assert.strictEqual(yield* control.client(topic, Agent).echo({ text: "a word" }), "heard a word")
          yield* guest.client(conductorTopic, Conductor).heartbeat({ n: 7 })
          assert.deepEqual(yield* Effect.timeout(Queue.take(heard), "10 seconds"), [7, id])
        }).pipe(Effect.scoped)
      )

      it.effect(`is asked, answers and reports, as an agent of Trove's with ${queues} queues`, () =>
        Effect.gen(function* () {
          const { layer, url } = yield* access(queues)
          const { id, link, topic } = yield* Effect.provide(granted("trove"), layer)
          const options = osloOptions[queues]
          const mine = { transportUrl: asOslo(urlOf(link)), exchange: link.controlExchange, options }
          // Comes up twice: what it declared stands when it does so again.
          const first = yield* osloServer({ ...mine, topic, server: id })
          yield* first.kill
          yield* osloServer({ ...mine, topic, server: id })
          const caller = yield* osloClient({ transportUrl: asOslo(url), exchange: "trove", options })
          const request = { topic, method: "echo", args: { value: "a word" }, timeout: 20 } as const
          assert.strictEqual(yield* caller.request({ kind: "call", ...request }), "a word")
          const reporter = yield* osloClient(mine)
          yield* reporter.request({ kind: "cast", topic: conductorTopic, method: "heartbeat", args: { n: 7 } })
          const messages = yield* drained(yield* connected(url), conductorTopic)
          assert.lengthOf(messages, 1)
          assert.include(messages[0], "heartbeat")
        }).pipe(Effect.scoped)
      )
    }
  })
})
