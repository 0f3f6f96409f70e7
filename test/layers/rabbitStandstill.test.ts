/** The fabric while its broker stands still, is short of memory, is not there, or drops every connection. */
import { assert, describe, layer } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, Option, Scope } from "effect"
import type { FabricError } from "../../src/services/Fabric.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { aTopic, Counter, counter, took } from "./rabbitCounter.ts"
import { eventually, fabricOf, quiet } from "./rabbitFixture.ts"
import { blocked, proxyTo, unblocked } from "./rabbitProxy.ts"

/** What a cast has on the wire, within a string of JSON. */
const messageOf = (n: number) => `\\"n\\":${n}`

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`RabbitMQ at a standstill${skipped}`, { timeout: 120_000 }, () => {
  layer(Layer.merge(TestBroker.layer({ management: false }), quiet), { excludeTestServices: true, timeout: 120_000 })(
    (it) => {
      it.effect(
        "a broker that is short of memory is written nothing, a cast gives up soon, and later ones are sent",
        () =>
          Effect.gen(function* () {
            const { url } = yield* TestBroker
            const topic = aTopic()
            const counted = yield* counter(yield* fabricOf({ url, server: "server" }), topic)
            const proxy = yield* proxyTo(url)
            const told: Array<string> = []
            const logger = Logger.make(({ message }) => void told.push(String(message)))
            const sender = yield* Effect.provide(fabricOf({ url: proxy.url, server: "sender" }), Logger.layer([logger]))
            const client = sender.client(topic, Counter)
            yield* client.count({ n: 1 })

            proxy.say(blocked)
            yield* eventually(
              "it is heard",
              Effect.sync(() => told.filter((text) => text.includes("short of memory")).length === 2)
            )
            const [time, failure] = yield* took(Effect.flip(client.count({ n: 3 })))
            assert.deepInclude(failure, { reason: "Unreachable", detail: "the broker is away" })
            assert.isBelow(time, 4000)
            assert.isFalse(proxy.hasSent(messageOf(3)))

            const waiting = yield* Effect.forkChild(client.count({ n: 4 }))
            assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.await(waiting), "100 millis")))
            proxy.say(unblocked)
            yield* Fiber.join(waiting)
            yield* eventually(
              "it is handled",
              Effect.map(counted.taken, (taken) => taken.includes(4))
            )
            assert.isTrue(proxy.hasSent(messageOf(4)))
            assert.isFalse(proxy.hasSent(messageOf(3)))
            assert.notInclude(yield* counted.taken, 3)
          })
      )

      it.effect("a broker that stands still holds up neither a cast nor the end of the process", () =>
        Effect.gen(function* () {
          const { url } = yield* TestBroker
          const proxy = yield* proxyTo(url)
          const scope = yield* Scope.make()
          const fabric = yield* Scope.provide(fabricOf({ url: proxy.url, server: "still" }), scope)
          const topic = aTopic()
          yield* Scope.provide(counter(fabric, topic), scope)
          const client = fabric.client(topic, Counter)
          yield* client.count({ n: 1 })

          proxy.freeze()
          const [casting, failure] = yield* took(Effect.flip(client.count({ n: 2 })))
          assert.deepInclude(failure, { reason: "Unreachable" })
          assert.isBelow(casting, 4000)
          const [closing] = yield* took(Scope.close(scope, Exit.void))
          assert.isBelow(closing, 10_000)
          yield* eventually(
            "no socket is left",
            Effect.sync(() => proxy.open() === 0)
          )
        })
      )

      for (const scheme of ["amqp", "amqps"]) {
        it.effect(`what is being connected by ${scheme} when the fabric ends leaves no socket`, () =>
          Effect.gen(function* () {
            const { url } = yield* TestBroker
            const proxy = yield* proxyTo(url)
            proxy.freeze()
            const scope = yield* Scope.make()
            const own = proxy.url.replace("amqp", scheme)
            yield* Scope.provide(fabricOf({ url: own, server: "early" }), scope)
            yield* eventually(
              "it connects",
              Effect.sync(() => proxy.open() === 2)
            )
            const [closing] = yield* took(Scope.close(scope, Exit.void))
            assert.isBelow(closing, 1000)
            yield* eventually(
              "no socket is left",
              Effect.sync(() => proxy.open() === 0),
              "1 second"
            )
          })
        )
      }

      it.effect(
        "a fabric whose broker is away lets so many messages wait and no more, and gives their places back",
        () =>
          Effect.gen(function* () {
            const fabric = yield* fabricOf({ url: "amqp://nobody:nothing@127.0.0.1:1", server: "lonely" })
            const client = fabric.client(aTopic(), Counter)
            const count = Effect.map(Effect.flip(client.count({ n: 1 })), ({ reason }) => reason)
            const many = Effect.forEach(Array.from({ length: 5000 }), () => count, { concurrency: "unbounded" })
            // Whoever stops waiting gives up its place.
            assert.isTrue(Option.isNone(yield* Effect.timeoutOption(many, "300 millis")))
            const reasons = yield* many
            const of = (wanted: FabricError["reason"]) => reasons.filter((reason) => reason === wanted)
            assert.lengthOf(of("Unreachable"), 4096)
            assert.lengthOf(of("Overloaded"), 5000 - 4096)
            // One more may wait again, and is not refused.
            assert.isTrue(Option.isNone(yield* Effect.timeoutOption(count, "50 millis")))
          })
      )

      it.effect("connections that are reset at every moment do no harm, and messages go on", () =>
        Effect.gen(function* () {
          const { url } = yield* TestBroker
          const proxy = yield* proxyTo(url)
          const topic = aTopic()
          const fabric = yield* fabricOf({ url: proxy.url, server: "shaken" })
          const counted = yield* counter(fabric, topic)
          const client = fabric.client(topic, Counter)
          for (let n = 0; n < 25; n++) {
            const sending = yield* Effect.forkChild(Effect.exit(client.count({ n })))
            yield* Effect.sleep(Duration.millis(n * 3))
            proxy.reset()
            yield* Fiber.join(sending)
          }
          yield* client.count({ n: 100 })
          yield* eventually(
            "the last one is handled",
            Effect.map(counted.taken, (taken) => taken.includes(100))
          )
          const taken = yield* counted.taken
          assert.deepStrictEqual([...new Set(taken)].length, taken.length, "none is handled twice")
        })
      )
    }
  )
})
