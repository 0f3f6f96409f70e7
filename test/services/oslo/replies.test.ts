/** How calls wait for their answers: as long as there are signs of life, and leaving nothing behind. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { writeReply } from "../../../src/layers/fabric/oslo/Envelope.ts"
import { makeReplies } from "../../../src/layers/fabric/RabbitReplies.ts"

const reply = (callId: string, ending: boolean, result: unknown = null) =>
  writeReply({ callId, id: "any", result, failure: null, ending })

const twoSeconds = Duration.seconds(2)

describe("a call", () => {
  it.effect("gets the reply that names it, and nothing of it is left", () =>
    Effect.gen(function* () {
      const replies = yield* makeReplies
      const sending = (id: string) => Effect.forkChild(replies.await(id, null, Effect.void))
      const [first, second] = [yield* sending("one"), yield* sending("two")]
      yield* Effect.yieldNow
      assert.strictEqual(replies.waiting(), 2)
      replies.take(reply("two", true, "b"))
      replies.take(reply("nobody", true))
      replies.take(Buffer.from("garbage"))
      replies.take(reply("one", true, "a"))
      replies.take(reply("one", true, "too late"))
      assert.strictEqual((yield* Fiber.join(first))?.result, "a")
      assert.strictEqual((yield* Fiber.join(second))?.result, "b")
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("may be answered before its sending ends", () =>
    Effect.gen(function* () {
      const replies = yield* makeReplies
      const calling = yield* Effect.forkChild(replies.await("one", null, Effect.never))
      yield* Effect.yieldNow
      replies.take(reply("one", true, 1))
      assert.strictEqual((yield* Fiber.join(calling))?.result, 1)
    })
  )

  it.effect("that cannot be sent fails with the reason, and one that nobody waits for is forgotten", () =>
    Effect.gen(function* () {
      const replies = yield* makeReplies
      assert.strictEqual(yield* Effect.flip(replies.await("one", null, Effect.fail("no way"))), "no way")
      assert.isTrue(
        Option.isNone(yield* TestClock.withLive(Effect.timeoutOption(replies.await("two", null, Effect.void), 1)))
      )
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("waits for as long as there are signs of life, counted from when it was sent", () =>
    Effect.gen(function* () {
      const replies = yield* makeReplies
      const sent = yield* Deferred.make<void>()
      const calling = yield* Effect.forkChild(replies.await("one", twoSeconds, Deferred.await(sent)))
      const isOver = Effect.sync(() => calling.pollUnsafe() !== undefined)
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* isOver)
      yield* Deferred.succeed(sent, undefined)
      for (let sign = 0; sign < 5; sign++) {
        yield* TestClock.adjust("1900 millis")
        replies.take(reply("one", false))
        assert.isFalse(yield* isOver)
      }
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(yield* isOver)
      yield* TestClock.adjust("1 millis")
      assert.isNull(yield* Fiber.join(calling))
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("without a monitor is not ended by silence", () =>
    Effect.gen(function* () {
      const replies = yield* makeReplies
      const calling = yield* Effect.forkChild(replies.await("one", null, Effect.void))
      yield* TestClock.adjust("1 day")
      assert.isUndefined(calling.pollUnsafe())
      replies.take(reply("one", true, "at last"))
      assert.strictEqual((yield* Fiber.join(calling))?.result, "at last")
    })
  )
})
