/** The fabric while its broker is killed or a server is lost: what was confirmed is handled, and once. */
import { assert, describe, layer } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { DrainTimeout } from "../../src/layers/fabric/RabbitServer.ts"
import type { FabricError } from "../../src/services/Fabric.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { aTopic, Counter, counter } from "./rabbitCounter.ts"
import { eventually, fabricOf, quiet } from "./rabbitFixture.ts"

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
  })
})
