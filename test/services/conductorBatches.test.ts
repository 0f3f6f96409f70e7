/** How the conductor writes what many guests report: together, in order, and once, though the store be away. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { History } from "../../src/services/History.ts"
import { Observations } from "../../src/services/Observations.ts"
import { anInstance, beat, failure, runWith, seen, story } from "../kit/ConductorWorld.ts"

describe("what guests report at once", () => {
  /** The store as it is, and what it was asked to write. */
  const watched = (asked: Array<string>) => (observations: Observations["Service"], history: History["Service"]) =>
    Layer.mergeAll(
      Layer.succeed(History, history),
      Layer.succeed(Observations, {
        ...observations,
        record: (beats) => {
          asked.push(`beats: ${beats.length}`)
          return observations.record(beats)
        },
        recordFailure: (...failure) => {
          asked.push("a failure")
          return observations.recordFailure(...failure)
        }
      })
    )

  const atOnce = <E, R>(reports: ReadonlyArray<Effect.Effect<void, E, R>>) =>
    Effect.all(reports, { concurrency: "unbounded" })

  it.effect("is written in one statement, past what others tell", () => {
    const asked: Array<string> = []
    return runWith(
      watched(asked),
      Effect.gen(function* () {
        const other = yield* anInstance()
        const ids = yield* Effect.all(Array.from({ length: 20 }, () => anInstance()))
        const beats = ids.map((id) => beat(id, "building"))
        yield* atOnce([...beats.slice(0, 10), failure(other, "no image"), ...beats.slice(10)])
        expect(asked).toEqual(["a failure", "beats: 20"])
        for (const id of ids) expect(yield* seen(id)).toMatchObject({ status: "building" })
      })
    )
  })

  it.effect("is written in the order in which one guest told it", () => {
    const asked: Array<string> = []
    return runWith(
      watched(asked),
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* atOnce([beat(id, "building"), failure(id, "no image"), beat(id, "failed to spawn", 1)])
        expect(asked).toEqual(["beats: 1", "a failure", "beats: 1"])
        expect(yield* seen(id)).toMatchObject({ status: "failed to spawn", failure: "no image" })
      })
    )
  })
})

describe("while the store is away", () => {
  it.effect("guests wait, and nothing is lost or told twice", () => {
    let away = false
    const orAway = <A>(effect: Effect.Effect<A>) => Effect.suspend(() => (away ? Effect.die("away") : effect))
    return runWith(
      (observations, history) =>
        Layer.mergeAll(
          Layer.succeed(History, {
            ...history,
            report: (...line) => {
              const written = orAway(history.report(...line))
              // It goes away when it has written the first line.
              return Effect.tap(written, () => Effect.sync(() => (away = true)))
            }
          }),
          Layer.succeed(Observations, {
            ...observations,
            record: (beats) => orAway(Effect.delay(observations.record(beats), 1)),
            takeNote: (...note) => orAway(observations.takeNote(...note))
          })
        ),
      Effect.gen(function* () {
        const [one, two] = [yield* anInstance(), yield* anInstance()]
        const reports = [beat(one), failure(one, "no space", "BackupCreate"), beat(two)]
        const sending = yield* Effect.forkChild(Effect.all(reports, { concurrency: "unbounded" }))
        yield* TestClock.adjust("30 seconds")
        expect(sending.pollUnsafe()).toBeUndefined()
        expect(yield* seen(two)).toBeNull()
        away = false
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(sending)
        expect(yield* seen(two)).toMatchObject({ status: "healthy" })
        expect(yield* story(one)).toEqual(["the guest: backup create failed: no space"])
      })
    )
  })
})
