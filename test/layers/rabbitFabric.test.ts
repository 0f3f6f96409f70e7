/** The fabric over a real broker: what every fabric does, and what only this one can show. */
import { rootCertificates } from "node:tls"
import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, Option, Ref, Schema, Scope } from "effect"
import { RpcGroup } from "effect/rpc"
import { DrainTimeout, PingInterval } from "../../src/layers/fabric/RabbitServer.ts"
import { call, cast } from "../../src/services/Contract.ts"
import type { Fabric } from "../../src/services/Fabric.ts"
import { fabricConformance } from "../conformance/fabric.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { channelOf, eventually, fabricLayer, fabricOf, quiet } from "./rabbitFixture.ts"

/** Bounds the queues of the suite, as the control plane bounds its own. */
const bounded = Layer.effectDiscard(
  Effect.gen(function* () {
    const { managementUrl, url } = yield* TestBroker
    const { password, username } = new URL(url)
    yield* Effect.promise(() =>
      fetch(`${managementUrl}/policies/%2F/bounds`, {
        method: "PUT",
        headers: { authorization: `Basic ${btoa(`${username}:${password}`)}`, "content-type": "application/json" },
        body: JSON.stringify({
          pattern: "^greeter\\.[0-9]+$",
          definition: { "max-length": 1024, overflow: "reject-publish" },
          "apply-to": "queues"
        })
      })
    )
  })
)

const Worker = RpcGroup.make(
  cast("work", { n: Schema.Int }),
  call("ask", { n: Schema.Int }, { success: Schema.Int, timeout: "20 seconds" })
)

let topics = 0
const aTopic = () => `worker.${++topics}`

/** A server that keeps what it did. What is below zero waits at the gate. */
const worker = Effect.fnUntraced(function* (
  fabric: Pick<Fabric["Service"], "serve">,
  topic: string,
  options?: { readonly concurrency?: number }
) {
  const done = yield* Ref.make<ReadonlyArray<number>>([])
  const gate = yield* Deferred.make<void>()
  const begun = yield* Ref.make<ReadonlyArray<number>>([])
  const work = Effect.fnUntraced(function* (n: number) {
    yield* Ref.update(begun, (begun) => [...begun, n])
    if (n < 0) yield* Deferred.await(gate)
    yield* Ref.update(done, (done) => [...done, n])
    return n
  })
  yield* fabric.serve(topic, Worker, { work: ({ n }) => Effect.asVoid(work(n)), ask: ({ n }) => work(n) }, options)
  const did = (...wanted: ReadonlyArray<number>) =>
    eventually(
      `${topic} did ${wanted}`,
      Effect.map(Ref.get(done), (done) => wanted.every((n) => done.includes(n)))
    )
  const began = (n: number) =>
    eventually(
      `${topic} began ${n}`,
      Effect.map(Ref.get(begun), (begun) => begun.includes(n))
    )
  return { done: Ref.get(done), did, began, openGate: Deferred.succeed(gate, undefined) }
})

const range = (count: number) => Array.from({ length: count }, (_, n) => n + 1)

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`over RabbitMQ${skipped}`, { timeout: 120_000 }, () => {
  const conforming = Layer.unwrap(Effect.map(TestBroker, ({ url }) => fabricLayer({ url, server: "one" })))
  fabricConformance(
    "the fabric over RabbitMQ",
    conforming.pipe(Layer.provideMerge(bounded), Layer.provideMerge(quiet), Layer.provide(TestBroker.layer()))
  )

  layer(Layer.merge(TestBroker.layer({ tls: true }), quiet), { excludeTestServices: true, timeout: 120_000 })((it) => {
    it.effect("speaks TLS with a broker whose authority it was given, and tells why with another", () =>
      Effect.gen(function* () {
        const { tls } = yield* TestBroker
        if (tls === null) return assert.fail("the broker speaks TLS")
        const topic = aTopic()
        const fabric = yield* fabricOf({ url: tls.url, server: "tls", tls: { ca: Buffer.from(tls.ca) } })
        yield* worker(fabric, topic)
        assert.strictEqual(yield* fabric.client(topic, Worker).ask({ n: 3 }), 3)

        const told: Array<string> = []
        const logger = Logger.make(({ message }) => void told.push(String(message)))
        const other = { ca: Buffer.from(rootCertificates[0] ?? "") }
        const refusing = yield* Effect.provide(
          fabricOf({ url: tls.url, server: "other", tls: other }),
          Logger.layer([logger])
        )
        yield* eventually(
          "it tells",
          Effect.sync(() => told.length > 0)
        )
        assert.match(told[0] ?? "", /does not answer: 127\.0\.0\.1:\d+: self-signed certificate/)
        assert.isFalse(refusing.health.isConnected())
        const { password } = new URL(tls.url)
        assert.notInclude(told.join("\n"), password)
      })
    )

    it.effect("finds the broker that answers among several", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const { host, password, username } = new URL(url)
        // Asked in a random order: one of six is very likely to begin with the dead one.
        const several = `amqp://${username}:${password}@127.0.0.1:1,${username}:${password}@${host}`
        const fabrics = yield* Effect.forEach(range(6), (n) => fabricOf({ url: several, server: `several ${n}` }))
        yield* eventually(
          "all are connected",
          Effect.sync(() => fabrics.every(({ health }) => health.isConnected()))
        )
      })
    )

    it.effect("takes no more than its prefetch, and a topic that is slow delays no other", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const [slowTopic, fastTopic] = [aTopic(), aTopic()]
        const fabric = yield* fabricOf({ url, server: "busy", prefetch: 5 })
        const slow = yield* worker(fabric, slowTopic)
        const fast = yield* worker(fabric, fastTopic)
        const client = fabric.client(slowTopic, Worker)
        yield* client.work({ n: -1 })
        for (const n of range(50)) yield* client.work({ n })
        const channel = yield* channelOf(url)
        const waiting = Effect.promise(async () => (await channel.checkQueue(slowTopic)).messageCount)
        yield* eventually(
          "it has what it may have",
          Effect.map(waiting, (waiting) => waiting === 51 - 5)
        )
        yield* fabric.client(fastTopic, Worker).work({ n: 1 })
        yield* fast.did(1)
        assert.strictEqual(yield* waiting, 51 - 5)
        yield* slow.openGate
        yield* slow.did(50)
        assert.deepStrictEqual(yield* slow.done, [-1, ...range(50)])
      })
    )

    it.effect("begins as many casts at once as it is told, and no more", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const fabric = yield* fabricOf({ url, server: "wide" })
        const three = yield* worker(fabric, topic, { concurrency: 3 })
        const client = fabric.client(topic, Worker)
        for (const n of [-1, -2, 1, -3, 2]) yield* client.work({ n })
        yield* three.did(1)
        assert.strictEqual(yield* client.ask({ n: 5 }), 5)
        assert.deepStrictEqual(yield* three.done, [1, 5])
        yield* three.openGate
        yield* three.did(-1, -2, -3, 2)
      })
    )

    it.effect("finishes what is in hand when it stops, gives back the rest, and nothing is lost or done twice", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const scope = yield* Scope.make()
        const fabric = yield* fabricOf({ url, server: "leaving" })
        const leaving = yield* Scope.provide(worker(fabric, topic), scope)
        const client = fabric.client(topic, Worker)
        yield* client.work({ n: -1 })
        const asking = yield* Effect.forkChild(client.ask({ n: -2 }))
        for (const n of range(20)) yield* client.work({ n })
        yield* leaving.began(-1)
        yield* leaving.began(-2)

        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        const staying = yield* worker(yield* fabricOf({ url, server: "staying" }), topic)
        // What was given back is done by the other while the first is still at work.
        yield* staying.did(20)
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.await(closing), "50 millis")))
        yield* leaving.openGate
        yield* Fiber.join(closing)
        assert.strictEqual(yield* Fiber.join(asking), -2)
        assert.sameMembers([...(yield* leaving.done)], [-1, -2])
        assert.deepStrictEqual(yield* staying.done, range(20))
        const channel = yield* channelOf(url)
        assert.strictEqual((yield* Effect.promise(() => channel.checkQueue(topic))).messageCount, 0)
      })
    )

    it.effect("tells those it has not answered when it may wait no longer, and gives back what it did not finish", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const scope = yield* Scope.make()
        const fabric = yield* fabricOf({ url, server: "hurried" })
        const hurried = yield* worker(fabric, topic).pipe(
          Scope.provide(scope),
          Effect.provideService(DrainTimeout, Duration.zero)
        )
        const client = fabric.client(topic, Worker)
        yield* client.work({ n: -1 })
        const asking = yield* Effect.forkChild(Effect.flip(client.ask({ n: -2 })))
        yield* hurried.began(-1)
        yield* hurried.began(-2)
        yield* Scope.close(scope, Exit.void)
        assert.deepInclude(yield* Fiber.join(asking), { reason: "Unreachable", detail: "the server stopped" })
        const channel = yield* channelOf(url)
        assert.strictEqual((yield* Effect.promise(() => channel.checkQueue(topic))).messageCount, 1)
      })
    )

    it.effect("lets go of what it did not finish before another may begin it", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const told = yield* Ref.make<ReadonlyArray<string>>([])
        const tell = (what: string) => Ref.update(told, (told) => [...told, what])
        const letGo = Effect.andThen(Effect.sleep("100 millis"), tell("let go"))
        const serving = (work: Effect.Effect<void>) => ({ work: () => work, ask: () => Effect.succeed(0) })
        const fabric = yield* fabricOf({ url, server: "slowly leaving" })
        const scope = yield* Scope.make()
        yield* fabric
          .serve(topic, Worker, serving(Effect.onInterrupt(Effect.andThen(tell("begun"), Effect.never), () => letGo)))
          .pipe(Scope.provide(scope), Effect.provideService(DrainTimeout, Duration.zero))
        yield* fabric.client(topic, Worker).work({ n: 1 })
        yield* eventually(
          "it is begun",
          Effect.map(Ref.get(told), (told) => told.length === 1)
        )
        yield* (yield* fabricOf({ url, server: "heir" })).serve(topic, Worker, serving(tell("begun again")))
        yield* Scope.close(scope, Exit.void)
        yield* eventually(
          "it is begun again",
          Effect.map(Ref.get(told), (told) => told.length === 3)
        )
        assert.deepStrictEqual(yield* Ref.get(told), ["begun", "let go", "begun again"])
      })
    )

    it.effect("shows by its own messages that it takes what comes", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const fabric = yield* fabricOf({ url, server: "alive" })
        const scope = yield* Scope.make()
        const alive = yield* worker(fabric, topic).pipe(
          Scope.provide(scope),
          Effect.provideService(PingInterval, Duration.millis(50))
        )
        const [liveness] = fabric.health.servers()
        assert.strictEqual(liveness?.topic, topic)
        const first = liveness?.lastTaken() ?? 0
        yield* eventually(
          "it takes more",
          Effect.sync(() => (liveness?.lastTaken() ?? 0) > first + 150)
        )
        assert.deepStrictEqual(yield* alive.done, [])
        yield* Scope.close(scope, Exit.void)
        assert.lengthOf(fabric.health.servers(), 0)
      })
    )

    it.effect("comes back when a queue that it takes from is deleted, and so do the answers to its calls", () =>
      Effect.gen(function* () {
        const { management, url } = yield* TestBroker
        const topic = aTopic()
        const fabric = yield* fabricOf({ url, server: "robbed" })
        const robbed = yield* worker(fabric, topic)
        const client = fabric.client(topic, Worker)
        yield* client.work({ n: 1 })
        yield* robbed.did(1)
        const channel = yield* channelOf(url)
        yield* Effect.promise(() => channel.deleteQueue(topic))
        yield* eventually("a cast is taken again", Effect.isSuccess(client.work({ n: 2 })))
        yield* robbed.did(2)

        const Queues = Schema.Array(Schema.Struct({ name: Schema.String }))
        const queues = yield* Effect.flatMap(management("/queues/%2F"), Schema.decodeUnknownEffect(Queues))
        const replies = queues.filter(({ name }) => name.startsWith("reply_"))
        assert.isNotEmpty(replies)
        yield* Effect.promise(() => Promise.all(replies.map(({ name }) => channel.deleteQueue(name))))
        assert.strictEqual(yield* client.ask({ n: 3 }), 3)
      })
    )
  })
})
