/** The fabric while its broker is killed, stands still, or loses a server: what was confirmed is handled, and once. */
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Option, Ref, Schema, Scope } from "effect"
import { RpcGroup } from "effect/rpc"
import { DrainTimeout } from "../../src/layers/fabric/RabbitServer.ts"
import { call, cast } from "../../src/services/Contract.ts"
import type { Fabric, FabricError } from "../../src/services/Fabric.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { eventually, fabricOf, quiet } from "./rabbitFixture.ts"
import { blocked, proxyTo, unblocked } from "./rabbitProxy.ts"

const Counter = RpcGroup.make(
  cast("count", { n: Schema.Int }),
  call("double", { n: Schema.Int }, { success: Schema.Int, timeout: "30 seconds" })
)

let topics = 0
const aTopic = () => `counter.${++topics}`

/** A server that keeps what it took. What is below zero waits at the gate. */
const counter = Effect.fnUntraced(function* (
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

const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [(yield* Clock.currentTimeMillis) - before, value] as const
  })

/** Ends the connection of this name from the broker's side. */
const cutConnection = Effect.fnUntraced(function* (name: string) {
  const { management, managementUrl, url } = yield* TestBroker
  const { password, username } = new URL(url)
  const Connections = Schema.Array(
    Schema.Struct({ name: Schema.String, user_provided_name: Schema.optionalKey(Schema.String) })
  )
  const find = Effect.map(Effect.flatMap(management("/connections"), Schema.decodeUnknownEffect(Connections)), (all) =>
    all.find(({ user_provided_name }) => user_provided_name === name)
  )
  // The broker tells of a connection a moment after it was made.
  yield* eventually(
    `${name} is known`,
    Effect.map(find, (found) => found !== undefined)
  )
  const found = yield* find
  yield* Effect.promise(() =>
    fetch(`${managementUrl}/connections/${encodeURIComponent(found?.name ?? "")}`, {
      method: "DELETE",
      headers: { authorization: `Basic ${btoa(`${username}:${password}`)}` }
    })
  )
})

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`RabbitMQ in trouble${skipped}`, { timeout: 120_000 }, () => {
  layer(Layer.merge(TestBroker.layer(), quiet), { excludeTestServices: true, timeout: 120_000 })((it) => {
    it.effect(
      "what was confirmed is handled once when the broker is killed and comes back, and a call is answered",
      () =>
        Effect.gen(function* () {
          const { kill, start, url } = yield* TestBroker
          const topic = aTopic()
          const server = yield* fabricOf({ url, server: "server" })
          const counted = yield* counter(server, topic, { concurrency: 2 })
          const sender = yield* fabricOf({ url, server: "sender" })
          const client = sender.client(topic, Counter)

          const calling = yield* Effect.forkChild(client.double({ n: -1 }))
          yield* counted.begun

          const outcomes: Array<Fiber.Fiber<Exit.Exit<void, FabricError>>> = []
          let n = 0
          const sending = yield* Effect.sync(() => client.count({ n: ++n })).pipe(
            Effect.flatMap((sending) => Effect.forkScoped(Effect.exit(sending))),
            Effect.tap((fiber) => Effect.sync(() => outcomes.push(fiber))),
            Effect.andThen(Effect.sleep("4 millis")),
            Effect.forever,
            Effect.forkChild
          )
          const handledUpTo = (wanted: number) => Effect.map(counted.taken, (taken) => taken.some((n) => n >= wanted))
          yield* eventually("casts are handled", handledUpTo(150))
          yield* kill
          const lastBefore = n
          const whileAway = yield* Effect.forkChild(client.double({ n: 1_000_000 }))
          yield* start
          // Nobody but the fabric itself does anything about it.
          yield* eventually("casts are handled again", handledUpTo(lastBefore + 200))
          yield* Fiber.interrupt(sending)
          yield* counted.openGate

          const exits = yield* Effect.forEach(outcomes, Fiber.join)
          const confirmed = exits.flatMap((exit, index) => (Exit.isSuccess(exit) ? [index + 1] : []))
          assert.isAbove(confirmed.length, 300)
          for (const exit of exits) {
            if (Exit.isFailure(exit)) assert.deepInclude(yield* Effect.flip(exit), { reason: "Unreachable" })
          }
          const missing = Effect.map(counted.taken, (taken) => {
            const handled = new Set(taken)
            return confirmed.filter((n) => !handled.has(n))
          })
          yield* eventually(
            "all that were confirmed are handled",
            Effect.map(missing, (missing) => missing.length === 0)
          )
          const taken = yield* counted.taken
          assert.deepStrictEqual([...new Set(taken)].length, taken.length, "none is handled twice")

          assert.strictEqual(yield* Fiber.join(calling), -2)
          assert.strictEqual(yield* Fiber.join(whileAway), 2_000_000)
        })
    )

    it.effect("a server that dies leaves what it did not finish to another, in its order", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const scope = yield* Scope.make()
        const dying = yield* Scope.provide(fabricOf({ url, server: "dying" }), scope)
        const inDying = yield* counter(dying, topic).pipe(
          Scope.provide(scope),
          Effect.provideService(DrainTimeout, Duration.zero)
        )
        const client = (yield* fabricOf({ url, server: "sender" })).client(topic, Counter)
        for (const n of [-1, 1, 2, 3]) yield* client.count({ n })
        yield* inDying.begun
        yield* Scope.close(scope, Exit.void)

        const heir = yield* counter(yield* fabricOf({ url, server: "heir" }), topic)
        yield* heir.openGate
        yield* eventually(
          "the heir takes all",
          Effect.map(heir.taken, (taken) => taken.length === 4)
        )
        assert.deepStrictEqual(yield* heir.taken, [-1, 1, 2, 3])
        assert.deepStrictEqual(yield* inDying.taken, [])
      })
    )

    it.effect("a server whose connection is cut leaves what it did not finish to another, and comes back itself", () =>
      Effect.gen(function* () {
        const { url } = yield* TestBroker
        const topic = aTopic()
        const cut = yield* counter(yield* fabricOf({ url, server: "cut" }), topic)
        const client = (yield* fabricOf({ url, server: "sender" })).client(topic, Counter)
        for (const n of [-1, 1, 2]) yield* client.count({ n })
        yield* cut.begun
        const other = yield* counter(yield* fabricOf({ url, server: "other" }), topic)
        yield* other.openGate
        yield* cutConnection("cut listening")
        yield* eventually(
          "the other one takes all",
          Effect.map(other.taken, (taken) => taken.length === 3)
        )
        assert.deepStrictEqual(yield* other.taken, [-1, 1, 2])
        // What it had begun it ends; what it had not is not its own any more, when it takes messages again.
        yield* cut.openGate
        const direct = (yield* fabricOf({ url, server: "sender too" })).client(`${topic}.cut`, Counter)
        yield* direct.count({ n: 7 })
        yield* eventually(
          "it takes messages again",
          Effect.map(cut.taken, (taken) => taken.includes(7))
        )
        assert.deepStrictEqual(yield* cut.taken, [-1, 7])
      })
    )

    it.effect(
      "a broker that is short of memory is written nothing, a cast gives up soon, and later ones are sent",
      () =>
        Effect.gen(function* () {
          const { url } = yield* TestBroker
          const topic = aTopic()
          const counted = yield* counter(yield* fabricOf({ url, server: "server" }), topic)
          const proxy = yield* proxyTo(url)
          const client = (yield* fabricOf({ url: proxy.url, server: "sender" })).client(topic, Counter)
          yield* client.count({ n: 1 })

          proxy.say(blocked)
          // It answers as soon as the frame was read.
          yield* eventually("it is heard", Effect.isFailure(Effect.timeout(client.count({ n: 2 }), "200 millis")))
          const before = proxy.received()
          const [time, failure] = yield* took(Effect.flip(client.count({ n: 3 })))
          assert.deepInclude(failure, { reason: "Unreachable", detail: "the broker is away" })
          assert.isBelow(time, 4000)
          assert.strictEqual(proxy.received(), before)

          const waiting = yield* Effect.forkChild(client.count({ n: 4 }))
          assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.await(waiting), "100 millis")))
          proxy.say(unblocked)
          yield* Fiber.join(waiting)
          yield* eventually(
            "it is handled",
            Effect.map(counted.taken, (taken) => taken.includes(4))
          )
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

    it.effect("a fabric whose broker is away lets so many messages wait and no more, and gives their places back", () =>
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
  })
})
