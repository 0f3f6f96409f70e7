/** How calls wait for their answers: as long as there are signs of life, and leaving nothing behind. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Deadlines from "../../../src/layers/fabric/Deadlines.ts"
import { writeReply } from "../../../src/layers/fabric/oslo/Envelope.ts"
import { type Answer, makeReplies, type Send } from "../../../src/layers/fabric/RabbitReplies.ts"

const reply = (callId: string, ending: boolean, result: unknown = null) =>
  writeReply({ callId, id: "any", result, failure: null, ending })

const theReplies = Effect.map(Deadlines.make, makeReplies)

const withoutMonitor = { timeout: Duration.days(2), monitor: null }

/** As the publisher sends: it may be over before it has answered. */
const sentAtOnce: Send<never> = (done) => {
  done(Exit.void)
  return () => {}
}
const neverSent: Send<never> = () => () => {}

const resultOf = (answer: Answer) => (typeof answer === "string" ? answer : answer.result)

describe("a call", () => {
  it.effect("gets the reply that names it, and nothing of it is left", () =>
    Effect.gen(function* () {
      const replies = yield* theReplies
      const sending = (id: string) => Effect.forkChild(replies.await(id, withoutMonitor, sentAtOnce))
      const [first, second] = [yield* sending("one"), yield* sending("two")]
      yield* Effect.yieldNow
      assert.strictEqual(replies.waiting(), 2)
      replies.take(reply("two", true, "b"))
      replies.take(reply("nobody", true))
      replies.take(Buffer.from("garbage"))
      replies.take(reply("one", true, "a"))
      replies.take(reply("one", true, "too late"))
      assert.strictEqual(resultOf(yield* Fiber.join(first)), "a")
      assert.strictEqual(resultOf(yield* Fiber.join(second)), "b")
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("may be answered before its sending ends", () =>
    Effect.gen(function* () {
      const replies = yield* theReplies
      const calling = yield* Effect.forkChild(replies.await("one", withoutMonitor, neverSent))
      yield* Effect.yieldNow
      replies.take(reply("one", true, 1))
      assert.strictEqual(resultOf(yield* Fiber.join(calling)), 1)
    })
  )

  it.effect("that cannot be sent fails with the reason, and one that nobody waits for is forgotten", () =>
    Effect.gen(function* () {
      const replies = yield* theReplies
      const refused: Send<string> = (done) => {
        done(Exit.fail("no way"))
        return () => {}
      }
      assert.strictEqual(yield* Effect.flip(replies.await("one", withoutMonitor, refused)), "no way")
      let givenUp = 0
      const waiting = yield* Effect.forkChild(replies.await("two", withoutMonitor, () => () => givenUp++))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(givenUp, 1)
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("waits for as long as there are signs of life, counted from when it was sent", () =>
    Effect.gen(function* () {
      const replies = yield* theReplies
      let sent = () => {}
      const send: Send<never> = (done) => {
        sent = () => done(Exit.void)
        return () => {}
      }
      const patience = { ...withoutMonitor, monitor: Duration.seconds(2) }
      const calling = yield* Effect.forkChild(replies.await("one", patience, send))
      const isOver = Effect.sync(() => calling.pollUnsafe() !== undefined)
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* isOver)
      sent()
      for (let sign = 0; sign < 5; sign++) {
        yield* TestClock.adjust("1900 millis")
        replies.take(reply("one", false))
        assert.isFalse(yield* isOver)
      }
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(yield* isOver)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(calling), "silent")
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("is late when its time is over, and takes no answer after that", () =>
    Effect.gen(function* () {
      const replies = yield* theReplies
      const patience = { ...withoutMonitor, timeout: Duration.seconds(15) }
      const calling = yield* Effect.forkChild(replies.await("one", patience, neverSent))
      yield* TestClock.adjust("14999 millis")
      assert.isUndefined(calling.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(calling), "late")
      replies.take(reply("one", true, "too late"))
      assert.strictEqual(replies.waiting(), 0)
    })
  )

  it.effect("without a monitor is not ended by silence", () =>
    Effect.gen(function* () {
      const replies = yield* theReplies
      const calling = yield* Effect.forkChild(replies.await("one", withoutMonitor, sentAtOnce))
      yield* TestClock.adjust("1 day")
      assert.isUndefined(calling.pollUnsafe())
      replies.take(reply("one", true, "at last"))
      assert.strictEqual(resultOf(yield* Fiber.join(calling)), "at last")
    })
  )
})
