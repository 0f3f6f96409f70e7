/**
 * What is true of every operation of an instance in service, whatever it does: it is asked for once, it survives the
 * process that began it and a store that is away, and a delete ends it at any moment and leaves nothing.
 *
 * To add an operation, give it a line in `inServiceOperations.ts`.
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, type Scope } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { becauses, held, type InServiceOperation, loseGuest, operations } from "./inServiceOperations.ts"

const isGone = Effect.fnUntraced(function* (id: InstanceId) {
  expect(yield* World.status(id)).toBeNull()
  expect((yield* FakeDatabases).servers.size).toBe(0)
  expect(yield* held).toEqual([0, 0, 0, 0])
  expect(yield* (yield* Configurations).attachedTo(id)).toEqual(Option.none())
  expect(yield* World.unfinished(id)).toEqual([])
})

/** The moments at which something can happen to it: each step begins, each step ends. */
const ends = ({ steps }: InServiceOperation) =>
  steps.flatMap((step) => (["started", "ended"] as const).map((call) => ({ call, step })))

/** Whatever the guest is asked for takes an hour. */
const busy = Effect.map(FakeDatabases, ({ faults }) => {
  faults.startTime = Duration.hours(1)
})

for (const [name, operation] of Object.entries(operations)) {
  const { because, from, isDone, request, shows, state, steps } = operation

  /** As the api does. */
  const ask = (id: InstanceId) => Effect.tap(request(id), () => World.news(id))

  const neverEnds = operation.silence ?? (() => busy)

  const hasSucceeded = Effect.fnUntraced(function* (id: InstanceId) {
    yield* isDone(id)
    expect(yield* becauses(id, state)).toEqual([because])
  })

  /** Until it has ended, or this is too long for it. */
  const settles = Effect.fnUntraced(function* (id: InstanceId) {
    for (let n = 0; n < 8; n++) {
      yield* World.passes("5 seconds")
      if ((yield* becauses(id, state)).length > 0 && (yield* World.unfinished(id)).length === 0) return
    }
  })

  describe(name, () => {
    it.effect("is accepted once of all that are asked for at once, and shows at once", () =>
      World.run(
        Effect.gen(function* () {
          const id = yield* from
          const asked = yield* Effect.all([ask(id), ask(id)], { concurrency: 2 })
          expect(asked.toSorted()).toEqual([false, true])
          expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual([shows, ""])
          yield* settles(id)
          yield* hasSucceeded(id)
        })
      )
    )

    it.effect("is done although the news of it was lost", () =>
      World.run(
        Effect.gen(function* () {
          const id = yield* from
          expect(yield* request(id)).toBe(true)
          yield* settles(id)
          yield* hasSucceeded(id)
        })
      )
    )

    it.effect("is refused of what is not in service", () =>
      World.run(
        Effect.gen(function* () {
          const id = yield* World.create()
          expect(yield* ask(id)).toBe(false)
          yield* World.passes("5 seconds")
          yield* World.remove(id)
          expect(yield* ask(id)).toBe(false)
          yield* World.passes("5 seconds")
          expect(yield* ask(id)).toBe(false)
          expect(yield* World.status(id)).toBeNull()
        })
      )
    )

    if (operation.waitsBeside !== true)
      it.effect("has no other beside it, be it waiting or under way", () =>
        World.run(
          Effect.gen(function* () {
            const id = yield* from
            yield* neverEnds(id)
            expect(yield* ask(id)).toBe(true)
            const others = Effect.all(Object.values(operations).map((other) => other.request(id)))
            const refused = Object.keys(operations).map(() => false)
            expect(yield* others).toEqual(refused)
            yield* World.passes("5 seconds")
            const loaded = yield* (yield* Lifecycles).load(id)
            expect(Option.getOrThrow(loaded)).toMatchObject({ state: { _tag: state }, mail: [] })
            expect(yield* others).toEqual(refused)
          })
        )
      )

    for (const { call, step } of ends(operation))
      it.effect(`goes on in the next process when one dies as "${step}" has ${call}`, () => {
        let isUnderWay = false
        return World.runWithDeath(
          (at, name) => isUnderWay && at === call && name === step,
          Effect.gen(function* () {
            const id = yield* from
            isUnderWay = true
            yield* ask(id)
            yield* World.passes("10 seconds")
            return id
          }),
          (id) => Effect.andThen(settles(id), hasSucceeded(id))
        )
      })

    for (const step of steps)
      it.effect(`does not fail for a store that is away for a moment while "${step}" runs`, () => {
        let outage = 0
        return World.runWithOutage(
          (name) => name === step && outage-- > 0,
          Effect.gen(function* () {
            const id = yield* from
            outage = 2
            yield* ask(id)
            yield* settles(id)
            expect(outage).toBeLessThanOrEqual(0)
            yield* hasSucceeded(id)
          })
        )
      })

    for (const { call, step } of ends(operation))
      it.effect(`leaves nothing when it is deleted as "${step}" has ${call}`, () => {
        let isUnderWay = false
        return World.runWithDelete(
          (at, name) => isUnderWay && at === call && name === step,
          Effect.gen(function* () {
            const id = yield* from
            isUnderWay = true
            yield* ask(id)
            yield* World.passes("15 seconds")
            yield* isGone(id)
          })
        )
      })

    for (const millis of operation.moments ?? [])
      it.effect(`leaves nothing when it is deleted ${millis} ms into it`, () =>
        World.run(
          Effect.gen(function* () {
            const id = yield* from
            yield* ask(id)
            yield* World.passes(Duration.millis(millis), "10 millis")
            yield* World.remove(id)
            expect(yield* World.status(id)).toBe("SHUTDOWN")
            yield* World.passes("20 seconds")
            yield* isGone(id)
          })
        )
      )

    const withoutAnEnd: ReadonlyArray<
      readonly [string, (id: InstanceId) => Effect.Effect<void, never, World.World | Scope.Scope>]
    > = [
      ["it does not come to its end", neverEnds],
      ["it waits for its guest", loseGuest]
    ]

    for (const [what, spoil] of withoutAnEnd)
      it.effect(`is not waited for by a delete where ${what}`, () =>
        World.run(
          Effect.gen(function* () {
            const id = yield* from
            yield* spoil(id)
            yield* ask(id)
            yield* World.passes("50 seconds")
            yield* World.remove(id)
            expect(yield* World.status(id)).toBe("SHUTDOWN")
            yield* World.passes("10 seconds")
            yield* isGone(id)
            expect(yield* World.story(id)).toEqual(
              expect.arrayContaining([
                `${state} → Deleting`,
                "delete: call off what ran before done",
                "Deleting → Deleted"
              ])
            )
          })
        )
      )
  })
}
