/** How the conductor writes what many guests report: together, in order, and once, though the store be away. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Fabric } from "../../src/services/Fabric.ts"
import { History } from "../../src/services/History.ts"
import { Observations } from "../../src/services/Observations.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { anInstance, beat, failure, logged, run, runWith, seen, story } from "../kit/ConductorWorld.ts"

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

  /** A store that is away for the first `tries` tries of writing a heartbeat, and never takes those of `refused`. */
  const failing =
    (tries: { left: number }, refused: () => string | undefined = () => undefined) =>
    (observations: Observations["Service"], history: History["Service"]) =>
      Layer.mergeAll(
        Layer.succeed(History, history),
        Layer.succeed(Observations, {
          ...observations,
          record: (beats) =>
            Effect.suspend(() => {
              if (tries.left-- > 0) return Effect.die("away")
              if (beats.some(({ instance }) => instance === refused())) return Effect.die("refused")
              return observations.record(beats)
            }),
          takeNote: (...note) =>
            Effect.suspend(() => (tries.left > 0 ? Effect.die("away") : observations.takeNote(...note)))
        })
      )

  // The batch, so many rounds of five, and of the next one the first two.
  for (const [rounds, when] of [
    [0, "the first"],
    [60, "a later"]
  ] as const) {
    it.effect(`and comes back in the middle of ${when} round, what was tried before is not dropped`, () =>
      runWith(
        failing({ left: 1 + rounds * 5 + 2 }),
        Effect.gen(function* () {
          const ids = yield* Effect.all(Array.from({ length: 5 }, () => anInstance()))
          const sending = yield* Effect.forkChild(
            Effect.all(
              ids.map((id) => beat(id)),
              { concurrency: "unbounded" }
            )
          )
          yield* TestClock.adjust(Duration.seconds(rounds + 3))
          yield* Fiber.join(sending)
          for (const id of ids) expect(yield* seen(id)).toMatchObject({ status: "healthy" })
          expect(logged().filter((line) => line.startsWith("Error"))).toEqual([])
        })
      )
    )
  }

  it.effect("for however long, nothing is given up, and the log says so once a minute", () => {
    const tries = { left: Number.POSITIVE_INFINITY }
    return runWith(
      failing(tries),
      Effect.gen(function* () {
        const ids = [yield* anInstance(), yield* anInstance()]
        const sending = yield* Effect.forkChild(
          Effect.all(
            ids.map((id) => beat(id)),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("10 minutes")
        expect(sending.pollUnsafe()).toBeUndefined()
        expect(logged().filter((line) => line.includes("2 reports of guests could not be written yet"))).toHaveLength(
          10
        )
        expect(logged().length).toBe(11)
        tries.left = 0
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(sending)
        for (const id of ids) expect(yield* seen(id)).toMatchObject({ status: "healthy" })
      })
    )
  })

  it.effect("is not what a report says that the store refuses: it is dropped when others are written", () => {
    let bad: string | undefined
    return runWith(
      failing({ left: 0 }, () => bad),
      Effect.gen(function* () {
        bad = yield* anInstance()
        const other = yield* anInstance()
        const sending = yield* Effect.forkChild(beat(bad))
        yield* TestClock.adjust("10 seconds")
        expect(sending.pollUnsafe()).toBeUndefined()
        const next = yield* Effect.forkChild(beat(other))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(next)
        yield* Fiber.join(sending)
        expect(yield* seen(other)).toMatchObject({ status: "healthy" })
        expect(logged().at(-1)).toBe("Error: 1 reports of guests were dropped: the store refuses them")
        // Alone, it is told by a write that changes nothing.
        const alone = yield* Effect.forkChild(beat(bad))
        yield* TestClock.adjust("62 seconds")
        yield* Fiber.join(alone)
      })
    )
  })
})

describe("what has changed", () => {
  it.effect("is told to the taskmanager of many guests at a time, after their reports are done with", () =>
    run(
      Effect.gen(function* () {
        let telling = 0
        let most = 0
        const told: Array<string> = []
        yield* (yield* Fabric).serve(taskmanagerTopic, TaskmanagerApi, {
          wake: () => Effect.void,
          silent: () => Effect.void,
          observed: Effect.fnUntraced(function* ({ instance_id }) {
            most = Math.max(most, ++telling)
            yield* Effect.sleep("2 seconds")
            telling--
            told.push(instance_id)
          })
        })
        const ids = yield* Effect.all(Array.from({ length: 40 }, () => anInstance()))
        const sending = yield* Effect.forkChild(
          Effect.all(
            ids.map((id) => beat(id)),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 second")
        expect(told).toEqual([])
        yield* Fiber.join(sending)
        yield* TestClock.adjust("8 seconds")
        expect(new Set(told)).toEqual(new Set(ids))
        expect(most).toBe(16)
      })
    )
  )
})
