/** What somebody who can write to a queue makes a server do, which is nothing; and that its own messages are not lost. */
import { assert, describe, layer } from "@effect/vitest"
import type { Channel } from "amqplib"
import { Context, Effect, Layer, Option, Queue, Redacted, Ref } from "effect"
import * as DeadLetterOffice from "../../src/layers/fabric/DeadLetterOffice.ts"
import { deadLetterQueue } from "../../src/layers/fabric/DeadLetters.ts"
import * as RabbitFabric from "../../src/layers/fabric/RabbitFabric.ts"
import * as ControlPlaneProtections from "../../src/layers/fabric/secure/ControlPlaneProtections.ts"
import { type GuestKey, Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import { ConductorApi, conductorTopic } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { channelOf, eventually, quiet } from "./rabbitFixture.ts"

const exchange = "trove"
const kek = Redacted.make(new Uint8Array(32).map((_, n) => n * 7 + 1))

const keyringOf = (find: (id: string) => Effect.Effect<Option.Option<GuestKey>>) => Layer.mock(Keyring, { find })
const nobody = keyringOf(() => Effect.succeed(Option.none()))

const fabric = (keyring: Layer.Layer<Keyring>) =>
  Effect.gen(function* () {
    const { url } = yield* TestBroker
    const context = yield* Layer.build(
      RabbitFabric.layer({
        urls: [Redacted.make(url)],
        tls: {},
        names: { exchange, queues: "durable" },
        server: "one",
        prefetch: 100,
        restricted: false
      }).pipe(Layer.provide(ControlPlaneProtections.layer(kek)), Layer.provide(keyring))
    )
    const office = yield* DeadLetterOffice.open({ urls: [Redacted.make(url)], tls: {}, exchange })
    return { fabric: Context.get(context, Fabric), office, channel: yield* channelOf(url) }
  })

const noReports = {
  heartbeat: () => Effect.void,
  update_backup: () => Effect.void,
  report_root: () => Effect.void,
  notify_end: () => Effect.void,
  notify_exc_info: () => Effect.void,
  host_report: () => Effect.void
}

/** No dead letters are left; those that somebody just looked at come back a moment later. */
const emptied = (channel: Channel, office: DeadLetterOffice.DeadLetterOffice) =>
  eventually(
    "there are no dead letters",
    Effect.andThen(
      Effect.promise(() => channel.purgeQueue(deadLetterQueue(exchange))),
      Effect.map(Effect.delay(office.list(1), "50 millis"), ({ total }) => total === 0)
    )
  )

const told = (message: object) => Buffer.from(JSON.stringify(message))

describe.skipIf(missingBroker !== null)(
  `a server over RabbitMQ among others who write${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`,
  { timeout: 60_000 },
  () => {
    layer(Layer.merge(TestBroker.layer(), quiet), { excludeTestServices: true, timeout: 60_000 })((it) => {
      it.effect("sends no answer to a queue that is none for answers, nor to whom it does not know", () =>
        Effect.gen(function* () {
          const { channel, fabric: own, office } = yield* fabric(nobody)
          yield* own.serve(conductorTopic, ConductorApi, noReports)
          yield* Effect.promise(async () => {
            for (const queue of ["guestagent.victim", "reply_mine"]) await channel.assertQueue(queue, { durable: true })
          })
          for (const _reply_q of ["guestagent.victim", "reply_mine"]) {
            const call = { method: "nope", args: {}, version: "1.0", _msg_id: "m1", _reply_q, _unique_id: _reply_q }
            channel.publish(exchange, conductorTopic, told(call))
          }
          yield* eventually(
            "both are buried",
            Effect.map(office.list(10), ({ total }) => total === 2)
          )
          for (const queue of ["guestagent.victim", "reply_mine"]) {
            const { messageCount } = yield* Effect.promise(() => channel.checkQueue(queue))
            assert.strictEqual(messageCount, 0, queue)
          }
          yield* emptied(channel, office)
        })
      )

      it.effect("keeps a few of a flood that nobody is proven to have sent, and goes on", () =>
        Effect.gen(function* () {
          const { channel, fabric: own, office } = yield* fabric(nobody)
          const woken = yield* Queue.unbounded<string>()
          yield* own.serve(taskmanagerTopic, TaskmanagerApi, {
            wake: ({ instance_id }) => Effect.asVoid(Queue.offer(woken, instance_id)),
            observed: () => Effect.void,
            silent: () => Effect.void
          })
          const long = "x".repeat(100_000)
          for (let n = 0; n < 500; n++) {
            const message = { method: "wake", args: { instance_id: "x" }, version: "1.0", _unique_id: `${n}` }
            channel.publish(
              exchange,
              taskmanagerTopic,
              told(n % 2 === 0 ? message : { ...message, _unique_id: long + n })
            )
          }
          yield* own.client(taskmanagerTopic, TaskmanagerApi).wake({ instance_id: "mine" })
          assert.strictEqual(yield* Queue.take(woken), "mine")
          const { total } = yield* office.list(1)
          assert.isAtLeast(total, 1)
          assert.isBelow(total, 250)
          yield* emptied(channel, office)
        })
      )

      it.effect("handles a sealed message whose handler had failed when an operator replays it", () =>
        Effect.gen(function* () {
          const { fabric: own, office } = yield* fabric(nobody)
          const runs = yield* Ref.make(0)
          yield* own.serve(taskmanagerTopic, TaskmanagerApi, {
            wake: () =>
              Effect.flatMap(
                Ref.updateAndGet(runs, (n) => n + 1),
                (n) => (n === 1 ? Effect.die("the store is away") : Effect.void)
              ),
            observed: () => Effect.void,
            silent: () => Effect.void
          })
          yield* own.client(taskmanagerTopic, TaskmanagerApi).wake({ instance_id: "mine" })
          yield* eventually(
            "it is buried",
            Effect.map(office.list(10), ({ total }) => total === 1)
          )
          yield* office.replay("all")
          yield* eventually(
            "it is handled",
            Effect.map(Ref.get(runs), (n) => n === 2)
          )
          assert.strictEqual((yield* office.list(10)).total, 0)
        })
      )

      it.effect("waits with what it cannot open while the keys cannot be read", () =>
        Effect.gen(function* () {
          let isAway = true
          const keyring = keyringOf(() =>
            Effect.suspend(() => (isAway ? Effect.die(new Error("the store is away")) : Effect.succeed(Option.none())))
          )
          const { channel, fabric: own, office } = yield* fabric(keyring)
          yield* own.serve(conductorTopic, ConductorApi, noReports)
          const sealed = { sealed: "AAAA", party: "00000000-0000-4000-8000-000000000001", sequence: "1" }
          channel.publish(exchange, conductorTopic, told({ method: "heartbeat", args: sealed, _unique_id: "h" }))
          yield* Effect.sleep("500 millis")
          assert.strictEqual((yield* office.list(10)).total, 0)
          isAway = false
          yield* eventually(
            "it is judged",
            Effect.map(office.list(10), ({ total }) => total === 1)
          )
        })
      )
    })
  }
)
