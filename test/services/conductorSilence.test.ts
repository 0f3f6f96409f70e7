/** When a guest counts as silent: never while its agent is well, and once when it is not. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Conductor from "../../src/services/Conductor.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { heartbeatExpiry, operatingStatusOf } from "../../src/services/Status.ts"
import { anInstance, beat, conductor, recorded, run } from "../kit/ConductorWorld.ts"

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
