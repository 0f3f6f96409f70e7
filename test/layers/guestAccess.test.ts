/** A guest's login at a real broker: what it can do, everything that it cannot, and that nothing of it stays. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Logger, Option, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { defaultBounds } from "../../src/layers/broker/QueueBounds.ts"
import { upkeepInterval } from "../../src/layers/broker/RabbitGuestAccess.ts"
import { Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import { GuestAccess, type GuestLink } from "../../src/services/GuestAccess.ts"
import { memoryKeyring } from "../services/secure/memoryKeyring.ts"
import { broker, missingBroker, TestBroker } from "../support/rabbitmq.ts"
import {
  type Attempt,
  administer,
  aGuest,
  anId,
  attempt,
  aVhost,
  connected,
  drained,
  granted,
  guestAccess,
  urlOf
} from "./guestAccessFixture.ts"

const bare = ({ key, urls, ...rest }: GuestLink) => ({
  ...rest,
  key: Redacted.value(key),
  urls: urls.map((url) => Redacted.value(url))
})

const admin = Effect.flatMap(TestBroker, ({ url }) => connected(url))

const Names = Schema.Array(Schema.Struct({ name: Schema.String }))
const namesOf = (path: string) =>
  Effect.flatMap(TestBroker, ({ management }) =>
    Effect.map(Effect.flatMap(management(path), Schema.decodeUnknownEffect(Names)), (all) =>
      all.map(({ name }) => name)
    )
  )

/** A queue for replies, as a caller has it. */
const reply = "reply_0123456789abcdef0123456789abcdef"
const withReplyQueue: Attempt = async (channel) => {
  await channel.assertQueue(reply, { durable: false, expires: 60_000 })
  await channel.bindQueue(reply, "trove_replies", reply)
}

/** All that guests share at the broker. */
const loseAll: Attempt = async (channel) => {
  for (const exchange of ["trove", "trove_replies", "trove_guests", "trove_guests_replies"]) {
    await channel.deleteExchange(exchange)
  }
  await channel.deleteQueue("trove-conductor")
}

const body = Buffer.from("a message")
const publish =
  (exchange: string, key: string, headers: Record<string, ReadonlyArray<string>> = {}): Attempt =>
  (channel) =>
    channel.publish(exchange, key, body, { headers })

const named = (name: string) => `${name}${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`

const test = guestAccess().pipe(Layer.provideMerge(memoryKeyring), Layer.provideMerge(TestBroker.layer()))

/** What an operator is warned of meanwhile. */
const warnings = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Warn") lines.push(String(message))
  })
  yield* Effect.provide(effect, Logger.layer([logger]))
  return lines
})

/** Why there can be no such logins, in the words that an operator gets. */
const refusal = (changed: Parameters<typeof guestAccess>[0] = {}) =>
  Effect.map(
    Effect.flip(Effect.scoped(Layer.build(guestAccess(changed).pipe(Layer.provide(memoryKeyring))))),
    ({ detail }) => detail
  )

describe.skipIf(missingBroker !== null)(named("a guest's login at RabbitMQ"), { timeout: 120_000 }, () => {
  layer(test, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("is the same each time, and another for each guest", () =>
      Effect.gen(function* () {
        const [ann, bob] = [yield* granted("coffer"), yield* granted("trove")]
        const annAgain = yield* granted("coffer", ann.id)
        const bobAgain = yield* granted("coffer", bob.id)
        assert.deepEqual(bare(annAgain.link), bare(ann.link))
        assert.deepEqual(bare(bobAgain.link), bare(bob.link))
        assert.strictEqual(bob.link.protocol, "trove")
        assert.notStrictEqual(urlOf(ann.link), urlOf(bob.link))
        assert.notInclude(urlOf(ann.link), Redacted.value(ann.link.key))
        assert.notInclude(JSON.stringify(ann.link), new URL(urlOf(ann.link)).password)
      })
    )

    it.effect("lets a guest of ours take from its own queue, tell the conductor, and answer", () =>
      Effect.gen(function* () {
        const { connection, link, topic } = yield* aGuest("coffer")
        const control = yield* admin
        assert.isNull(yield* attempt(control, withReplyQueue))
        assert.isNull(yield* attempt(control, publish("trove", topic)))
        assert.deepEqual(yield* drained(connection, topic), ["a message"])
        assert.isNull(yield* attempt(connection, publish(link.controlExchange, "trove-conductor")))
        assert.deepEqual(yield* drained(control, "trove-conductor"), ["a message"])
        assert.isNull(yield* attempt(connection, publish(`${link.controlExchange}_replies`, reply)))
        assert.deepEqual(yield* drained(control, reply), ["a message"])
      }).pipe(Effect.scoped)
    )

    it.effect("lets a guest of ours do nothing else", () =>
      Effect.gen(function* () {
        const control = yield* admin
        const { connection, link, topic } = yield* aGuest("coffer")
        const other = yield* granted("coffer")
        const queues = ["taskmanager", "trove-conductor", other.topic, reply]
        assert.isNull(yield* attempt(control, withReplyQueue))
        assert.isNull(
          yield* attempt(control, async (channel) => {
            await channel.assertQueue("taskmanager")
            await channel.bindQueue("taskmanager", "trove", "taskmanager")
          })
        )
        const mine = [link.controlExchange, `${link.controlExchange}_replies`]
        const exchanges = ["trove", "trove_replies", ...mine, "amq.topic", "amq.direct", "amq.fanout", "amq.headers"]
        const attempts: Record<string, Attempt> = {
          "declare a queue": (channel) => channel.assertQueue("another"),
          "declare a queue without a name": (channel) => channel.assertQueue(""),
          "declare its own queue": (channel) => channel.assertQueue(topic),
          "declare an exchange": (channel) => channel.assertExchange("another", "topic"),
          "delete its own queue": (channel) => channel.deleteQueue(topic),
          "unbind its own queue": (channel) => channel.unbindQueue(topic, "trove", topic),
          "report under another key": publish(link.controlExchange, "taskmanager"),
          "report as a request": publish(link.controlExchange, other.topic),
          "answer to what is no queue for replies": publish(`${link.controlExchange}_replies`, other.topic),
          "answer to everybody": publish(`${link.controlExchange}_replies`, "#")
        }
        for (const queue of queues) {
          attempts[`take from ${queue}`] = (channel) => channel.consume(queue, () => {})
          attempts[`look at ${queue}`] = (channel) => channel.get(queue)
          attempts[`purge ${queue}`] = (channel) => channel.purgeQueue(queue)
          attempts[`delete ${queue}`] = (channel) => channel.deleteQueue(queue)
          attempts[`write to ${queue}`] = publish("", queue)
          attempts[`write to ${queue} through the control exchange`] = publish("trove", queue)
        }
        for (const exchange of exchanges) {
          attempts[`bind its queue to ${exchange}`] = (channel) => channel.bindQueue(topic, exchange, "#")
          attempts[`bind ${exchange} to its own`] = (channel) =>
            channel.bindExchange(link.controlExchange, exchange, "#")
          attempts[`delete ${exchange}`] = (channel) => channel.deleteExchange(exchange)
          if (!mine.includes(exchange)) attempts[`write to ${exchange}`] = publish(exchange, "trove-conductor")
        }
        for (const [what, act] of Object.entries(attempts)) {
          assert.include((yield* attempt(connection, act)) ?? "done", "403 (ACCESS-REFUSED)", what)
        }
        for (const queue of queues) assert.deepEqual(yield* drained(control, queue), [], queue)
      }).pipe(Effect.scoped)
    )

    it.effect("carries a message of a guest to the conductor only, whatever stands in its headers", () =>
      Effect.gen(function* () {
        const control = yield* admin
        const { connection, link } = yield* aGuest("coffer")
        const other = yield* granted("trove")
        assert.isNull(yield* attempt(control, withReplyQueue))
        assert.isNull(
          yield* attempt(control, async (channel) => {
            await channel.assertQueue("taskmanager")
            await channel.bindQueue("taskmanager", "trove", "taskmanager")
          })
        )
        const elsewhere = ["taskmanager", other.topic]
        for (const header of ["CC", "BCC"]) {
          const headers = { [header]: elsewhere }
          assert.isNull(yield* attempt(connection, publish(link.controlExchange, "trove-conductor", headers)))
          assert.isNull(yield* attempt(connection, publish(`${link.controlExchange}_replies`, reply, headers)))
        }
        for (const queue of elsewhere) assert.deepEqual(yield* drained(control, queue), [], queue)
        for (const queue of ["trove-conductor", reply]) {
          assert.deepEqual(yield* drained(control, queue), ["a message", "a message"])
        }
      }).pipe(Effect.scoped)
    )

    it.effect("opens neither another virtual host nor the management API", () =>
      Effect.gen(function* () {
        const { managementUrl } = yield* TestBroker
        for (const agent of ["coffer", "trove"] as const) {
          const { link } = yield* granted(agent)
          const vhost = `other-${agent}`
          yield* connected(yield* aVhost(vhost))
          const refused = yield* Effect.flip(connected(`${urlOf(link)}${vhost}`))
          assert.include(refused.message, "ConnectionClose")
          const { password, username } = new URL(urlOf(link))
          const authorization = `Basic ${btoa(`${username}:${password}`)}`
          for (const path of ["/whoami", "/queues", "/definitions"]) {
            const { status } = yield* Effect.promise(() =>
              fetch(`${managementUrl}${path}`, { headers: { authorization } })
            )
            assert.strictEqual(status, 401)
          }
        }
      }).pipe(Effect.scoped)
    )

    it.effect("lets an agent of Trove's do nothing beyond its own name but write to queues", () =>
      Effect.gen(function* () {
        const control = yield* admin
        const { connection, link, topic } = yield* aGuest("trove")
        const other = yield* granted("trove")
        assert.strictEqual(link.controlExchange, topic)
        assert.isNull(yield* attempt(control, withReplyQueue))
        assert.isNull(yield* attempt(connection, publish(topic, "trove-conductor", { CC: [other.topic] })))
        assert.deepEqual(yield* drained(control, "trove-conductor"), ["a message"])
        const exchanges = ["trove", "trove_replies", "trove_guests", "trove_guests_replies", other.topic, "amq.topic"]
        const attempts: Record<string, Attempt> = {
          "declare a queue": (channel) => channel.assertQueue("another"),
          "declare a queue that only looks like its own": (channel) => channel.assertQueue(`${topic}x`),
          "declare an exchange": (channel) => channel.assertExchange("another", "topic"),
          "have what it cannot read sent to it": (channel) =>
            channel.assertQueue(`${topic}_fanout_${"0".repeat(32)}`, { deadLetterExchange: "trove" }),
          "pass on what it may not write": async (channel) => {
            await channel.deleteExchange(topic)
            await channel.assertExchange(topic, "topic", { alternateExchange: "trove" })
          }
        }
        for (const queue of ["trove-conductor", other.topic, reply]) {
          attempts[`take from ${queue}`] = (channel) => channel.consume(queue, () => {})
          attempts[`look at ${queue}`] = (channel) => channel.get(queue)
          attempts[`purge ${queue}`] = (channel) => channel.purgeQueue(queue)
          attempts[`delete ${queue}`] = (channel) => channel.deleteQueue(queue)
          attempts[`bind ${queue} to its exchange`] = (channel) => channel.bindQueue(queue, topic, "#")
        }
        for (const exchange of exchanges) {
          attempts[`write to ${exchange}`] = publish(exchange, "trove-conductor")
          attempts[`declare ${exchange}`] = (channel) => channel.assertExchange(exchange, "topic")
          attempts[`bind its queue to ${exchange}`] = (channel) => channel.bindQueue(topic, exchange, "#")
          attempts[`bind its exchange to ${exchange}`] = (channel) => channel.bindExchange(topic, exchange, "#")
          attempts[`bind ${exchange} to its exchange`] = (channel) => channel.bindExchange(exchange, topic, "#")
          attempts[`delete ${exchange}`] = (channel) => channel.deleteExchange(exchange)
        }
        for (const [what, act] of Object.entries(attempts)) {
          assert.include((yield* attempt(connection, act)) ?? "done", "403 (ACCESS-REFUSED)", what)
        }
        for (const queue of ["trove-conductor", other.topic, reply]) {
          assert.deepEqual(yield* drained(control, queue), [], queue)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("makes again what the broker has lost, with the next guest", () =>
      Effect.gen(function* () {
        const control = yield* admin
        assert.isNull(yield* attempt(control, loseAll))
        const { connection, link, topic } = yield* aGuest("coffer")
        assert.isNull(yield* attempt(control, publish("trove", topic)))
        assert.deepEqual(yield* drained(connection, topic), ["a message"])
        assert.isNull(yield* attempt(connection, publish(link.controlExchange, "trove-conductor")))
        assert.deepEqual(yield* drained(control, "trove-conductor"), ["a message"])
      }).pipe(Effect.scoped)
    )

    it.effect("makes again what the broker has lost, after a while without any guest", () =>
      Effect.gen(function* () {
        const control = yield* admin
        yield* Layer.build(guestAccess().pipe(Layer.provide(memoryKeyring)))
        assert.isNull(yield* attempt(control, loseAll))
        const arrives = attempt(control, async (channel) => {
          channel.publish("trove_guests", "trove-conductor", body)
          await channel.waitForConfirms()
          if ((await channel.get("trove-conductor", { noAck: true })) === false) throw new Error("it went nowhere")
        })
        assert.include(yield* arrives, "404 (NOT-FOUND)")
        yield* TestClock.adjust(upkeepInterval)
        assert.isNull(yield* Effect.repeat(arrives, { until: (refusal) => refusal === null, times: 500 }))
      }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
    )

    it.effect("lets no queue grow without end", () =>
      Effect.gen(function* () {
        const control = yield* admin
        const { topic } = yield* granted("coffer")
        const most = defaultBounds.requests.messages
        const outcomes = yield* Effect.promise(async () => {
          const channel = await control.createConfirmChannel()
          const sent = Array.from(
            { length: most + 100 },
            () =>
              new Promise<boolean>((resolve) =>
                channel.publish("trove", topic, body, {}, (error: unknown) => resolve(error === null))
              )
          )
          return Promise.all(sent)
        })
        assert.isFalse(outcomes.at(-1))
        const waiting = yield* drained(control, topic)
        assert.strictEqual(waiting.length, outcomes.filter(Boolean).length)
        // It looks at the length a little after it has let a message in.
        assert.isBelow(waiting.length, most + 100)
        const policies = yield* Effect.flatMap(TestBroker, ({ management }) => management("/policies/%2F"))
        assert.include(JSON.stringify(policies), `"max-length":${defaultBounds.reports.messages}`)
      }).pipe(Effect.scoped)
    )

    it.effect("lets no queue hold more than its bytes, be it for requests, for reports or for replies", () =>
      Effect.gen(function* () {
        const control = yield* admin
        const few = { messages: 1000, bytes: 1000 }
        yield* Layer.build(
          guestAccess({ bounds: { requests: few, reports: few, replies: few } }).pipe(Layer.provide(memoryKeyring))
        )
        const { topic } = yield* granted("coffer")
        assert.isNull(yield* attempt(control, withReplyQueue))
        for (const queue of [topic, "trove-conductor", reply]) {
          const sent = yield* Effect.promise(async () => {
            const channel = await control.createConfirmChannel()
            const accepted = () =>
              new Promise<boolean>((resolve) =>
                channel.publish("", queue, Buffer.alloc(600), {}, (error: unknown) => resolve(error === null))
              )
            const outcomes = [await accepted(), await accepted(), await accepted()]
            await channel.close()
            return outcomes
          })
          assert.deepEqual([sent.at(0), sent.at(-1)], [true, false], queue)
          assert.lengthOf(yield* drained(control, queue), sent.filter(Boolean).length, queue)
        }
        // As others find it.
        yield* Layer.build(guestAccess().pipe(Layer.provide(memoryKeyring)))
        const policies = yield* Effect.flatMap(TestBroker, ({ management }) => management("/policies/%2F"))
        for (const { bytes } of Object.values(defaultBounds)) {
          assert.include(JSON.stringify(policies), `"max-length-bytes":${bytes}`)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("warns once, at the start, of an operator's policies for the same queues", () =>
      Effect.gen(function* () {
        const definition = { "ha-mode": "all", "message-ttl": 5000 }
        const theirs = {
          everywhere: { pattern: ".*", priority: 0, definition, "apply-to": "all" },
          strong: { pattern: "^guestagent", priority: 7, definition, "apply-to": "queues" },
          elsewhere: { pattern: "^nova", priority: 7, definition, "apply-to": "queues" },
          exchanges: { pattern: ".*", priority: 7, definition: { "alternate-exchange": "x" }, "apply-to": "exchanges" }
        }
        for (const [name, policy] of Object.entries(theirs)) {
          yield* administer("PUT", `/policies/%2F/operator-${name}`, policy)
        }
        const lines = yield* warnings(Layer.build(guestAccess().pipe(Layer.provide(memoryKeyring))))
        for (const name of Object.keys(theirs)) yield* administer("DELETE", `/policies/%2F/operator-${name}`)
        assert.lengthOf(lines, 1)
        assert.include(lines[0], "operator-everywhere (.*) does not hold for Coffer's queues: ha-mode, message-ttl")
        assert.include(lines[0], "operator-strong (^guestagent, priority 7) may hold in place of Coffer's")
        assert.notMatch(lines[0] ?? "", /operator-(elsewhere|exchanges)/)
        assert.deepEqual(yield* warnings(Layer.build(guestAccess().pipe(Layer.provide(memoryKeyring)))), [])
      }).pipe(Effect.scoped)
    )

    it.effect("is cut and gone with all that was made for the guest, and for no other", () =>
      Effect.gen(function* () {
        const access = yield* GuestAccess
        const stays = yield* granted("trove")
        for (const agent of ["coffer", "trove"] as const) {
          const { connection, id, link, topic } = yield* aGuest(agent)
          const closed = new Promise((resolve) => connection.once("close", resolve))
          if (agent === "trove") {
            const fanout = `${topic}_fanout`
            const declared = yield* attempt(connection, async (channel) => {
              await channel.assertQueue(`${topic}.${id}`)
              await channel.assertExchange(fanout, "fanout")
              for (const letter of ["a", "b", "c"]) {
                await channel.assertQueue(`${fanout}_${letter.repeat(32)}`)
                await channel.bindQueue(`${fanout}_${letter.repeat(32)}`, fanout, "")
              }
            })
            assert.isNull(declared)
          }
          yield* access.revoke(id)
          yield* Effect.timeout(
            Effect.promise(() => closed),
            "5 seconds"
          )
          assert.include((yield* Effect.flip(connected(urlOf(link)))).message, "ACCESS_REFUSED")
          for (const path of ["/users", "/queues/%2F", "/exchanges/%2F"]) {
            assert.notInclude((yield* namesOf(path)).join(), id)
          }
          for (const path of ["/permissions", "/topic-permissions", "/user-limits", "/bindings"]) {
            assert.notInclude(JSON.stringify(yield* (yield* TestBroker).management(path)), id)
          }
          assert.isTrue(Option.isNone(yield* (yield* Keyring).find(id)))
          yield* access.revoke(id)
          // A guest that is made after it has another key and another login.
          assert.notStrictEqual(urlOf((yield* granted(agent, id)).link), urlOf(link))
        }
        yield* connected(urlOf(stays.link))
        assert.include(yield* namesOf("/queues/%2F"), stays.topic)
        yield* access.revoke(anId())
      }).pipe(Effect.scoped)
    )

    it.effect("is refused with the reason: whose credentials, whose rights, or what is not there", () =>
      Effect.gen(function* () {
        const wrong = yield* refusal({ login: ["coffer", "a-wrong-password"] })
        assert.match(wrong, /refuses the credentials.*broker\.shared_guest_credentials/)
        assert.notInclude(wrong, "a-wrong-password")
        yield* administer("PUT", "/users/clerk", { password: "pw", tags: "management" })
        assert.include(yield* refusal({ login: ["clerk", "pw"] }), "rabbitmqctl set_user_tags clerk administrator")
        assert.strictEqual(yield* refusal({ vhost: "nowhere" }), "RabbitMQ has no virtual host nowhere.")
        const { url } = yield* TestBroker
        const notIt = `http://a:secret@${new URL(url).host}`
        const silent = yield* refusal({ managementUrl: Redacted.make(notIt) })
        assert.include(silent, "does not answer")
        assert.notInclude(silent, "secret")
        assert.include(yield* refusal({ managementUrl: Redacted.make("nonsense") }), "cannot be read")
      })
    )

    it.effect("is not put into a URL that holds another one, of which nothing is repeated", () =>
      Effect.gen(function* () {
        const access = guestAccess({ guestUrls: [Redacted.make("amqp://admin:secret@127.0.0.1")] })
        const error = yield* Effect.flip(granted("coffer")).pipe(
          Effect.provide(access.pipe(Layer.provide(memoryKeyring)))
        )
        assert.match(String(error), /looks like amqps:\/\/host:5671, without user and password/)
        assert.notInclude(String(error), "secret")
      })
    )
  })

  it.live("needs the management API, and says so where the broker has none, or how to do without", () =>
    Effect.gen(function* () {
      const bare = yield* broker({ management: false })
      const detail = yield* Effect.provideService(refusal(), TestBroker, bare)
      assert.match(detail, /does not answer.*rabbitmq-plugins enable rabbitmq_management.*shared_guest_credentials/)
    }).pipe(Effect.scoped)
  )
})
