/** The broker that other tests have: that it comes back with its data after a power cut, and leaves nothing. */
import { assert, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect } from "effect"
import { type Broker, broker, missingBroker } from "../support/rabbitmq.ts"

const named = `the tests' broker${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`

const channelOf = ({ url }: Pick<Broker, "url">, options: { readonly ca?: string } = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const connection = await connect(url, options)
      // It says so when the broker goes, and would end the process if nobody listened.
      connection.on("error", () => {})
      return { connection, channel: await connection.createConfirmChannel() }
    }),
    ({ connection }) => Effect.promise(() => connection.close().catch(() => {}))
  ).pipe(Effect.map(({ channel }) => channel))

const queue = "kept"

describe.skipIf(missingBroker !== null)(named, { timeout: 60_000 }, () => {
  it.live("keeps a durable queue and what is in it when it is killed", () =>
    Effect.gen(function* () {
      const test = yield* broker()
      const before = yield* channelOf(test)
      before.on("error", () => {})
      yield* Effect.promise(async () => {
        await before.assertQueue(queue, { durable: true })
        // What the broker knows of a queue may wait in a buffer, which the next declaration brings to the disk.
        await before.assertQueue("another", { durable: true })
        before.sendToQueue(queue, Buffer.from("still here"), { persistent: true })
        await before.waitForConfirms()
      })
      yield* test.kill
      yield* test.start
      const after = yield* channelOf(test)
      const message = yield* Effect.promise(() => after.get(queue))
      assert.strictEqual(message === false ? "" : message.content.toString(), "still here")
      assert.propertyVal(yield* test.management(`/queues/%2F/${queue}`), "durable", true)
    }).pipe(Effect.scoped)
  )

  it.live("speaks TLS with a certificate of its own, stops in order, and is gone with its scope", () =>
    Effect.gen(function* () {
      const test = yield* Effect.scoped(
        Effect.gen(function* () {
          const test = yield* broker({ management: false, tls: true })
          assert.isNotNull(test.tls)
          if (test.tls === null) return test
          const channel = yield* channelOf(test.tls, { ca: test.tls.ca })
          const closed = new Promise((resolve) => channel.once("close", resolve))
          yield* test.stop
          yield* Effect.promise(() => closed)
          yield* test.start
          return test
        })
      )
      const refused = yield* Effect.promise(() => connect(test.url).then(String, (error: unknown) => String(error)))
      assert.include(refused, "ECONNREFUSED")
    })
  )
})
