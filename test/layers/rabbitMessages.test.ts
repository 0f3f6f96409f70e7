/** Messages one by one: which are taken, once, with whose trace, and which go to the dead letters for what reason. */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Metric, Redacted, Ref, Schema, type Tracer } from "effect"
import { RpcGroup } from "effect/rpc"
import * as DeadLetterOffice from "../../src/layers/fabric/DeadLetterOffice.ts"
import { deadLetterQueue } from "../../src/layers/fabric/DeadLetters.ts"
import { maxBody, writeRequest } from "../../src/layers/fabric/oslo/Envelope.ts"
import { declareServer } from "../../src/layers/fabric/oslo/Topology.ts"
import { call, cast } from "../../src/services/Contract.ts"
import type { Fabric } from "../../src/services/Fabric.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { channelOf, eventually, fabricOf, quiet } from "./rabbitFixture.ts"

const Clerk = RpcGroup.make(
  cast("file", { n: Schema.Int }, { version: "1.1" }),
  cast("stumble", {}),
  cast("give_up", { n: Schema.Int }),
  call(
    "copy",
    { text: Schema.String, times: Schema.optionalKey(Schema.Int) },
    { success: Schema.String, timeout: "10 seconds" }
  )
)

let topics = 0
const aTopic = () => `clerk.${++topics}`

interface Filed {
  readonly n: number
  readonly span: Tracer.Span
}

/** A server that keeps what it took, and the spans in which it did. */
const clerk = Effect.fnUntraced(function* (fabric: Pick<Fabric["Service"], "serve">, topic: string) {
  const filed = yield* Ref.make<ReadonlyArray<Filed>>([])
  const file = Effect.fnUntraced(function* (n: number) {
    const span = yield* Effect.orDie(Effect.currentSpan)
    yield* Ref.update(filed, (filed) => [...filed, { n, span }])
  })
  yield* fabric.serve(topic, Clerk, {
    file: ({ n }) => file(n),
    stumble: () => Effect.die(new Error("over a password")),
    give_up: ({ n }) => Effect.andThen(file(n), Effect.interrupt),
    copy: ({ text, times = 1 }) => Effect.succeed(text.repeat(times))
  })
  const numbers = Effect.map(Ref.get(filed), (filed) => filed.map(({ n }) => n))
  const has = (n: number) =>
    eventually(
      `${n} is filed`,
      Effect.map(numbers, (numbers) => numbers.includes(n))
    )
  return { filed: Ref.get(filed), numbers, has }
})

class Setting extends Context.Service<
  Setting,
  {
    readonly fabric: Fabric["Service"]
    readonly office: DeadLetterOffice.DeadLetterOffice
    /** Sends this to a topic as it is. */
    readonly send: (topic: string, body: unknown, headers?: Readonly<Record<string, string>>) => Effect.Effect<void>
  }
>()("coffer/test/layers/Setting") {
  static readonly layer = Layer.effect(
    Setting,
    Effect.gen(function* () {
      const { url } = yield* TestBroker
      const office = yield* DeadLetterOffice.open({ urls: [Redacted.make(url)], tls: {}, exchange: "trove" })
      const channel = yield* channelOf(url)
      const send = (topic: string, body: unknown, headers = {}) =>
        Effect.promise(() => {
          const bytes = Buffer.isBuffer(body)
            ? body
            : Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
          channel.publish("trove", topic, bytes, { headers })
          return channel.waitForConfirms()
        })
      return { fabric: yield* fabricOf({ url, server: "clerks" }), office, send }
    })
  )
}

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`messages over RabbitMQ${skipped}`, { timeout: 120_000 }, () => {
  const setting = Setting.layer.pipe(
    Layer.provideMerge(TestBroker.layer({ management: false })),
    Layer.provideMerge(quiet)
  )
  layer(setting, { excludeTestServices: true, timeout: 120_000 })((it) => {
    it.effect(
      "what nobody can take goes to the dead letters with the reason and is counted, and the queue goes on",
      () =>
        Effect.gen(function* () {
          const { fabric, office, send } = yield* Setting
          const topic = aTopic()
          const { has, numbers } = yield* clerk(fabric, topic)
          const wrong: ReadonlyArray<readonly [reason: RegExp, method: string | null, body: unknown]> = [
            [/not a JSON object/, null, "garbage"],
            [/version 3\.0, not 2\.0/, null, { "oslo.version": "3.0", "oslo.message": "{}" }],
            [/has no method shred/, "shred", { method: "shred", args: {} }],
            [/file is of version 1\.2, and 1\.1 is served/, "file", { method: "file", version: "1.2", args: { n: 1 } }],
            [/Expected number\s+at \["n"\]/, "file", { method: "file", args: { n: "secret-77" } }],
            [/its handler failed/, "stumble", { method: "stumble", args: {} }]
          ]
          for (const [, , body] of wrong) yield* send(topic, body)
          yield* fabric.client(topic, Clerk).file({ n: 5 })
          yield* has(5)
          assert.deepStrictEqual(yield* numbers, [5])

          const { letters, total } = yield* office.list(100)
          assert.strictEqual(total, wrong.length)
          assert.deepStrictEqual(
            letters.map(({ method }) => method),
            wrong.map(([, method]) => method)
          )
          for (const [index, letter] of letters.entries()) {
            assert.match(letter.reason, wrong[index]?.[0] ?? /never/)
            assert.deepInclude(letter, { topic, server: "clerks" })
            assert.isBelow(Math.abs(Date.parse(letter.at) - Date.now()), 60_000)
            // What was sent is not told on, for it may be a password.
            assert.notMatch(letter.reason, /secret-77|over a password/)
          }
          const counted = (yield* Metric.snapshot).filter(
            ({ attributes, id }) => id === "coffer_dead_letters" && attributes?.["topic"] === "clerk"
          )
          assert.deepStrictEqual(
            counted.map(({ state }) => state),
            [{ count: wrong.length, incremental: true }]
          )
        })
    )

    it.effect("what comes again is taken once", () =>
      Effect.gen(function* () {
        const { fabric, send } = yield* Setting
        const topic = aTopic()
        const { has, numbers } = yield* clerk(fabric, topic)
        const body = (n: number, id: string | null) =>
          writeRequest({ method: "file", version: "1.0", args: { n }, context: {}, id, call: null })
        yield* send(topic, body(1, "once"))
        yield* send(topic, body(1, "once"))
        yield* send(topic, body(2, "twice"))
        yield* has(2)
        yield* send(topic, body(1, "once"))
        // Without an id each is a message of its own.
        yield* send(topic, { method: "file", args: { n: 3 } })
        yield* send(topic, { method: "file", args: { n: 3 } })
        yield* send(topic, body(4, "last"))
        yield* has(4)
        assert.deepStrictEqual(yield* numbers, [1, 2, 3, 3, 4])
      })
    )

    it.effect("the sender's trace goes with a message, and one without a trace begins its own", () =>
      Effect.gen(function* () {
        const { fabric, send } = yield* Setting
        const topic = aTopic()
        const { filed, has } = yield* Effect.withSpan(clerk(fabric, topic), "serving")
        const sender = yield* fabric
          .client(topic, Clerk)
          .file({ n: 1 })
          .pipe(Effect.andThen(Effect.orDie(Effect.currentSpan)), Effect.withSpan("sender"))
        const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
        yield* send(topic, { method: "file", args: { n: 2 } }, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` })
        yield* send(topic, { method: "file", args: { n: 3 } })
        yield* send(topic, { method: "file", args: { n: 4 } }, { traceparent: "nonsense" })
        yield* has(4)
        const [first, second, third, fourth] = (yield* filed).map(({ span }) => span)
        assert.strictEqual(first?.traceId, sender.traceId)
        assert.strictEqual(first?.name, "clerk file")
        assert.strictEqual(first?.kind, "server")
        assert.deepInclude(Object.fromEntries(first?.attributes ?? []), {
          "messaging.system": "rabbitmq",
          "messaging.destination.name": topic,
          "messaging.operation.name": "file"
        })
        assert.strictEqual(second?.traceId, traceId)
        for (const span of [third, fourth]) {
          assert.strictEqual(span?.parent._tag, "None")
          assert.notStrictEqual(span?.traceId, sender.traceId)
        }
      })
    )

    it.effect(
      "a handler that gives up is asked once more, then its message is a dead letter, and the queue goes on",
      () =>
        Effect.gen(function* () {
          const { fabric, office } = yield* Setting
          const topic = aTopic()
          const { has, numbers } = yield* clerk(fabric, topic)
          const client = fabric.client(topic, Clerk)
          yield* client.give_up({ n: 1 })
          yield* client.file({ n: 2 })
          yield* has(2)
          yield* eventually(
            "it is given up",
            Effect.map(numbers, (numbers) => numbers.filter((n) => n === 1).length === 2)
          )
          const mine = Effect.map(office.list(1000), ({ letters }) =>
            letters.filter((letter) => letter.topic === topic)
          )
          yield* eventually(
            "it is buried",
            Effect.map(mine, (letters) => letters.length === 1)
          )
          assert.match((yield* mine)[0]?.reason ?? "", /its handler was interrupted/)
          yield* client.file({ n: 3 })
          yield* has(3)
        })
    )

    it.effect("what cannot be sent is said to be so at once", () =>
      Effect.gen(function* () {
        const { fabric } = yield* Setting
        const topic = aTopic()
        yield* clerk(fabric, topic)
        const client = fabric.client(topic, Clerk)
        const tooLong = yield* Effect.flip(client.copy({ text: "x".repeat(maxBody) }))
        assert.deepInclude(tooLong, { reason: "Undecodable", detail: "it is too long to be sent" })
        const answer = yield* Effect.flip(client.copy({ text: "x", times: maxBody }))
        assert.deepInclude(answer, { reason: "Crashed" })
        assert.match(answer.detail, /too long/)
        const nowhere = yield* Effect.flip(fabric.client("x".repeat(300), Clerk).file({ n: 1 }))
        assert.deepInclude(nowhere, { reason: "Undecodable", detail: "AMQP cannot carry it" })
        assert.strictEqual(yield* client.copy({ text: "still here" }), "still here")
      })
    )

    it.effect(
      "a guest declares nothing, answers through the exchange for replies, refuses for good, and cannot call",
      () =>
        Effect.gen(function* () {
          const { fabric, office, send } = yield* Setting
          const { url } = yield* TestBroker
          const topic = aTopic()
          const channel = yield* channelOf(url)
          const names = { exchange: "trove", queues: "durable" } as const
          yield* Effect.promise(() => declareServer(channel, names, { topic, server: "made", fanoutId: "made" }))
          const guest = yield* fabricOf({ url, server: "guest", restricted: true })
          const { has } = yield* clerk(guest, topic)
          const client = fabric.client(topic, Clerk)
          assert.strictEqual(yield* client.copy({ text: "from a guest" }), "from a guest")

          const before = (yield* office.list(1)).total
          yield* send(topic, "garbage")
          yield* client.file({ n: 1 })
          yield* has(1)
          assert.strictEqual((yield* office.list(1)).total, before)
          assert.strictEqual((yield* Effect.promise(() => channel.checkQueue(topic))).messageCount, 0)

          const other = aTopic()
          const { has: hasOther } = yield* clerk(fabric, other)
          yield* guest.client(other, Clerk).file({ n: 9 })
          yield* hasOther(9)
          assert.deepInclude(yield* Effect.flip(guest.client(other, Clerk).copy({ text: "x" })), {
            reason: "Unreachable"
          })
        })
    )

    it.effect("goes the same way over quorum queues", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const fabric = yield* fabricOf({ url, server: "quorum", names: { exchange: "quorum", queues: "quorum" } })
        const { has } = yield* clerk(fabric, topic)
        const client = fabric.client(topic, Clerk)
        yield* client.file({ n: 1 })
        yield* has(1)
        assert.strictEqual(yield* client.copy({ text: "by most of them" }), "by most of them")
      })
    )

    it.effect("a queue for dead letters that was deleted is made anew when there is one", () =>
      Effect.gen(function* () {
        const { fabric, send } = yield* Setting
        const { url } = yield* TestBroker
        const topic = aTopic()
        const { has } = yield* clerk(fabric, topic)
        const count = Effect.scoped(
          Effect.flatMap(channelOf(url), (channel) =>
            Effect.tryPromise(async () => (await channel.checkQueue(deadLetterQueue("trove"))).messageCount)
          )
        )
        const channel = yield* channelOf(url)
        yield* Effect.promise(() => channel.deleteQueue(deadLetterQueue("trove")))
        yield* send(topic, "garbage")
        yield* eventually(
          "it is a dead letter",
          Effect.orElseSucceed(
            Effect.map(count, (count) => count === 1),
            () => false
          )
        )
        yield* fabric.client(topic, Clerk).file({ n: 1 })
        yield* has(1)
      })
    )
  })
})
