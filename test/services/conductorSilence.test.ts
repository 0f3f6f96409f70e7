/** When a guest counts as silent: never while its agent is well, and once when it is not. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { RpcGroup } from "effect/rpc"
import { TestClock } from "effect/testing"
import * as Conductor from "../../src/services/Conductor.ts"
import { maxSilent, silenceCheck } from "../../src/services/conductor/Silence.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { History } from "../../src/services/History.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { heartbeatExpiry, operatingStatusOf } from "../../src/services/Status.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { anInstance, beat, conductor, logged, recorded, run, runWith } from "../kit/ConductorWorld.ts"

describe("a guest's silence", () => {
  /** Between the heartbeats of Trove's agents as they were recorded, and as late as they may come, in seconds. */
  const rhythms = { recorded: [49.3, 90, 60], latest: [94.5], regular: [60] }

  /** Lets time pass second by second, and sees what a tenant sees. */
  const watch = Effect.fnUntraced(function* (id: InstanceId, seconds: number) {
    const shown = new Set<string>()
    for (let n = 0; n < seconds; n++) {
      yield* TestClock.adjust("1 second")
      const now = yield* Clock.currentTimeMillis
      const observed = (yield* (yield* Instances).get("any", id)).pipe(Option.getOrThrow).observed
      shown.add(operatingStatusOf("Active", observed, now))
    }
    return [...shown]
  })

  for (const [name, gaps] of Object.entries(rhythms)) {
    for (const lost of [0, 7]) {
      const missing = lost === 0 ? "none of them lost" : `one in ${lost} of them lost`
      it.effect(`is none between ${name} heartbeats of Trove's agents, ${missing} and all of them late`, () =>
        run(
          Effect.gen(function* () {
            const id = yield* anInstance()
            const instance_id: string = id
            const api = yield* conductor
            const agent = Effect.gen(function* () {
              for (let n = 1; ; n++) {
                const sent = (yield* Clock.currentTimeMillis) / 1000
                // On its way for as long as a broker that comes back may take.
                const late = Effect.delay(
                  api.heartbeat({ instance_id, payload: { service_status: "healthy" }, sent }),
                  Duration.seconds(n % 5)
                )
                if (lost === 0 || n % lost !== 0) yield* Effect.forkChild(late)
                yield* Effect.sleep(Duration.seconds(gaps[n % gaps.length] ?? 60))
              }
            })
            yield* Effect.forkChild(agent)
            yield* TestClock.adjust("5 seconds")
            expect(yield* watch(id, 3600)).toEqual(["HEALTHY"])
            expect(recorded).toEqual([`${id} is healthy`])
          })
        )
      )
    }
  }

  it.effect("shows at once when it is too long, and is told once, however many conductors look for it", () =>
    run(
      Effect.gen(function* () {
        yield* Conductor.serve
        yield* Conductor.serve
        const id = yield* anInstance()
        yield* beat(id)
        expect(yield* watch(id, heartbeatExpiry / 1000)).toEqual(["HEALTHY"])
        expect(yield* watch(id, 60)).toEqual(["ERROR"])
        expect(recorded).toEqual([`${id} is healthy`, `${id} is silent`])
        yield* beat(id)
        expect(yield* watch(id, 1)).toEqual(["HEALTHY"])
        expect(recorded.at(-1)).toBe(`${id} is healthy`)
      })
    )
  )
})

describe("while nobody can be heard", () => {
  /** Guests that were last heard an hour before the conductor was there. */
  const longUnheard = Effect.fnUntraced(function* (count: number) {
    const ids = yield* Effect.all(Array.from({ length: count }, () => anInstance()))
    const receivedAt = (yield* Clock.currentTimeMillis) - 3_600_000
    const observations = yield* Observations
    yield* observations.record(ids.map((instance) => ({ instance, status: "healthy", sent: receivedAt, receivedAt })))
    return ids
  })

  /** They report every minute for so many. */
  const wellFor = Effect.fnUntraced(function* (minutes: number, ids: ReadonlyArray<InstanceId>) {
    for (let n = 0; n < minutes; n++) {
      for (const id of ids) yield* beat(id)
      yield* TestClock.adjust("1 minute")
    }
  })

  const told = () => recorded.filter((line) => line.endsWith(" is silent"))
  const grace = Duration.millis(heartbeatExpiry)

  it.effect("no guest counts as silent: the conductor has to be up for as long as a guest may be silent", () =>
    run(
      Effect.gen(function* () {
        const ids = yield* longUnheard(2)
        yield* wellFor(3, ids.slice(1))
        expect(told()).toEqual([])
        yield* wellFor(1, ids.slice(1))
        expect(told()).toEqual([`${ids[0]} is silent`])
      })
    )
  )

  it.effect("and at last many are, the taskmanager is told of so many at a time", () =>
    run(
      Effect.gen(function* () {
        const ids = yield* longUnheard(2 * maxSilent + 10)
        yield* TestClock.adjust(Duration.sum(grace, silenceCheck))
        const first = told().length
        expect(first % maxSilent).toBe(0)
        expect(first).toBeGreaterThan(0)
        yield* TestClock.adjust(silenceCheck)
        expect(told()).toHaveLength(Math.min(first + maxSilent, ids.length))
        yield* TestClock.adjust("1 minute")
        expect(new Set(told())).toEqual(new Set(ids.map((id) => `${id} is silent`)))
        expect(told()).toHaveLength(ids.length)
      })
    )
  )

  it.effect("for the store was away, all are given time to be heard when it is back", () => {
    let away = false
    const orAway = <A>(effect: Effect.Effect<A>) => Effect.suspend(() => (away ? Effect.die("away") : effect))
    return runWith(
      (observations, history) =>
        Layer.mergeAll(
          Layer.succeed(History, history),
          Layer.succeed(Observations, {
            ...observations,
            record: (beats) => orAway(observations.record(beats)),
            takeNote: (...note) => orAway(observations.takeNote(...note))
          })
        ),
      Effect.gen(function* () {
        const [one, other] = [yield* anInstance(), yield* anInstance()]
        yield* beat(one)
        yield* beat(other)
        away = true
        yield* Effect.forkChild(beat(one))
        // Longer than a guest may be silent. Only what is read still works.
        yield* TestClock.adjust("10 minutes")
        away = false
        yield* TestClock.adjust("30 seconds")
        yield* wellFor(3, [one])
        expect(told()).toEqual([])
        yield* wellFor(1, [one])
        expect(told()).toEqual([`${other} is silent`])
      })
    )
  })

  it.effect("for the broker was away, all are given time to be heard when somebody is heard again", () =>
    run(
      Effect.gen(function* () {
        const ids = yield* Effect.all(Array.from({ length: 20 }, () => anInstance()))
        for (const id of ids) yield* beat(id)
        // It comes back just before they would count as silent, and they are heard one after the other.
        yield* TestClock.adjust(Duration.subtract(grace, Duration.seconds(5)))
        for (const id of ids) {
          yield* beat(id)
          yield* TestClock.adjust("5 seconds")
        }
        expect(told()).toEqual([])
      })
    )
  )

  it.effect("nor told of, a guest that is silent is told of later, and no other one is alarmed about", () =>
    run(
      Effect.gen(function* () {
        const fabric = yield* Fabric
        yield* fabric.serve(taskmanagerTopic, RpcGroup.make(), {})
        const ids = yield* longUnheard(100)
        yield* TestClock.adjust("5 minutes")
        expect(told()).toEqual([])
        expect(logged()[0]).toBe("Warn: the taskmanager could not be told of 100 silent guests; it will be later")
        yield* fabric.serve(taskmanagerTopic, TaskmanagerApi, {
          wake: () => Effect.void,
          observed: () => Effect.void,
          silent: ({ instance_id }) => Effect.sync(() => void recorded.push(`${instance_id} is silent`))
        })
        yield* TestClock.adjust(silenceCheck)
        yield* TestClock.adjust("1 minute")
        expect(told()).toHaveLength(1)
        yield* wellFor(3, ids.slice(1, 60))
        expect(told()).toHaveLength(1)
        yield* wellFor(1, ids.slice(1, 60))
        expect(told().toSorted()).toEqual([ids[0], ...ids.slice(60)].map((id) => `${id} is silent`).toSorted())
      })
    )
  )
})
