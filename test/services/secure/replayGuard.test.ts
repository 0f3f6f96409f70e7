/** What is taken once is not taken again, by this receiver and by the one that comes after it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import * as ReplayGuard from "../../../src/layers/fabric/secure/ReplayGuard.ts"
import * as Sequence from "../../../src/layers/fabric/secure/Sequence.ts"

const fresh = Effect.flatMap(ReplayGuard.inMemory, (floor) => ReplayGuard.make(floor))
const second = 1_000_000n

describe("a replay guard", () => {
  it.effect("takes each message once, however the numbers of several senders come mixed", () =>
    Effect.gen(function* () {
      const { accept } = yield* fresh
      assert.isTrue(yield* accept(5n * second, "a"))
      assert.isTrue(yield* accept(3n * second, "b"))
      assert.isTrue(yield* accept(5n * second, "c"))
      assert.isFalse(yield* accept(5n * second, "a"))
      assert.isFalse(yield* accept(3n * second, "b"))
      assert.isFalse(yield* accept(6n * second, "c"))
    })
  )

  it.effect("takes what is behind the newest by less than a minute, and nothing older", () =>
    Effect.gen(function* () {
      const { accept } = yield* fresh
      assert.isTrue(yield* accept(100n * second, "new"))
      assert.isTrue(yield* accept(40n * second + 1n, "just"))
      assert.isFalse(yield* accept(40n * second, "late"))
    })
  )

  it.effect("takes anew what was not handled after all, once", () =>
    Effect.gen(function* () {
      const { accept, release } = yield* fresh
      assert.isTrue(yield* accept(5n * second, "a"))
      yield* release(5n * second, "a")
      assert.isTrue(yield* accept(5n * second, "a"))
      assert.isFalse(yield* accept(5n * second, "a"))
      yield* release(5n * second, "unknown")
      assert.isFalse(yield* accept(5n * second, "a"))
    })
  )

  it.effect("may be told to refuse nothing for its age, as long as it would know it again", () =>
    Effect.gen(function* () {
      const guard = yield* ReplayGuard.make(yield* ReplayGuard.inMemory, 3, null)
      assert.isTrue(yield* guard.accept(900n * second, "new"))
      assert.isTrue(yield* guard.accept(1n * second, "old"))
      assert.isFalse(yield* guard.accept(1n * second, "old"))
      for (const n of [901n, 902n]) assert.isTrue(yield* guard.accept(n * second, `${n}`))
      assert.isFalse(yield* guard.accept(1n * second, "older than what is remembered"))
    })
  )

  it.effect("remembers so many ids and no more, and refuses what is as old as the forgotten ones", () =>
    Effect.gen(function* () {
      const guard = yield* ReplayGuard.make(yield* ReplayGuard.inMemory, 3)
      for (const n of [1n, 2n, 3n, 4n]) assert.isTrue(yield* guard.accept(n, `${n}`))
      assert.isFalse(yield* guard.accept(1n, "another"))
      assert.isFalse(yield* guard.accept(1n, "1"))
      assert.isFalse(yield* guard.accept(2n, "2"))
      assert.isTrue(yield* guard.accept(2n, "another"))
    })
  )

  it.effect("takes a message only when it will be refused by the receiver that comes after", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const kept: ReplayGuard.ReplayFloor = {
        read: Effect.succeed(0n),
        write: (highest) => Effect.sync(() => void events.push(`kept ${highest}`))
      }
      const { accept } = yield* ReplayGuard.make(kept)
      for (const [sequence, id] of [
        [7n, "a"],
        [6n, "b"],
        [7n, "a"],
        [8n, "c"]
      ] as const) {
        if (yield* accept(sequence, id)) events.push(`taken ${id}`)
      }
      assert.deepEqual(events, ["kept 7", "taken a", "taken b", "kept 8", "taken c"])
    })
  )

  it.effect("refuses, after a new start, everything up to the highest number that was taken", () =>
    Effect.gen(function* () {
      const kept = yield* ReplayGuard.inMemory
      const before = yield* ReplayGuard.make(kept)
      yield* before.accept(10n, "a")
      yield* before.accept(8n, "b")
      const { accept } = yield* ReplayGuard.make(kept)
      for (const [sequence, id] of [
        [10n, "a"],
        [8n, "b"],
        [9n, "never seen"]
      ] as const) {
        assert.isFalse(yield* accept(sequence, id))
      }
      assert.isTrue(yield* accept(11n, "c"))
    })
  )

  it.effect("forgets nothing that it took while others ask at the same time", () =>
    Effect.gen(function* () {
      const { accept } = yield* fresh
      const asked = Array.from({ length: 200 }, (_, n) => ({ sequence: BigInt(1000 + (n % 50)), id: `${n % 50}` }))
      const answers = yield* Effect.forEach(asked, ({ id, sequence }) => accept(sequence, id), {
        concurrency: "unbounded"
      })
      assert.lengthOf(answers.filter(Boolean), 50)
    })
  )

  it("never takes a message twice, across any messages and any number of new starts", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            { weight: 20, arbitrary: fc.record({ sequence: fc.bigInt(1n, 200n), id: fc.nat(60) }) },
            { weight: 1, arbitrary: fc.constant("start" as const) }
          ),
          { maxLength: 200 }
        ),
        fc.integer({ min: 1, max: 20 }),
        (events, remembers) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const kept = yield* ReplayGuard.inMemory
              let guard = yield* ReplayGuard.make(kept, remembers)
              const taken = new Set<string>()
              for (const event of events) {
                if (event === "start") {
                  guard = yield* ReplayGuard.make(kept, remembers)
                  continue
                }
                const name = `${event.sequence} ${event.id}`
                if (!(yield* guard.accept(event.sequence, String(event.id)))) continue
                assert.isFalse(taken.has(name))
                taken.add(name)
              }
            })
          )
      )
    ))
})

describe("the numbers of a sender", () => {
  it.effect("rise with every message, by the clock, and when the clock is set back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1000)
      const next = yield* Sequence.make
      const first = yield* next
      assert.strictEqual(first, second)
      assert.strictEqual(yield* next, second + 1n)
      yield* TestClock.setTime(2000)
      assert.strictEqual(yield* next, 2n * second)
      yield* TestClock.setTime(500)
      assert.strictEqual(yield* next, 2n * second + 1n)
    })
  )
})
