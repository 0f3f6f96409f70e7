/** One timer for many moments, on virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Deadlines from "../../src/layers/fabric/Deadlines.ts"

describe("deadlines", () => {
  it.effect("come in their order, whatever the order in which they were set", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const came: Array<number> = []
      const set = (millis: number) => deadlines.after(millis, () => came.push(millis))
      for (const millis of [300, 100, 200, 0]) set(millis)
      yield* TestClock.adjust("99 millis")
      assert.deepEqual(came, [0])
      yield* TestClock.adjust("1 millis")
      assert.deepEqual(came, [0, 100])
      set(50)
      yield* TestClock.adjust("50 millis")
      assert.deepEqual(came, [0, 100, 50])
      yield* TestClock.adjust("1 day")
      assert.deepEqual(came, [0, 100, 50, 200, 300])
      set(10)
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(came.at(-1), 10)
    })
  )

  it.effect("that were called off do not come", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const came: Array<string> = []
      const callOff = deadlines.after(100, () => came.push("called off"))
      deadlines.after(200, () => came.push("kept"))
      callOff()
      yield* TestClock.adjust("1 second")
      assert.deepEqual(came, ["kept"])
      callOff()
    })
  )

  it.effect("may set and call off others", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const came: Array<string> = []
      let callOff = () => {}
      deadlines.after(100, () => {
        callOff()
        deadlines.after(100, () => came.push("next"))
      })
      callOff = deadlines.after(100, () => came.push("called off"))
      yield* TestClock.adjust("100 millis")
      assert.deepEqual(came, [])
      yield* TestClock.adjust("100 millis")
      assert.deepEqual(came, ["next"])
    })
  )
})
