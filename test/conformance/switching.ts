/** What every store must do about databases that are stopped, started and rebuilt: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, type Layer, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { requestRebuild } from "../../src/actors/RebuildRequests.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { InstanceId, operationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { Resizes } from "../../src/services/Resizes.ts"
import { Switching } from "../../src/services/Switching.ts"
import { mail, move } from "./asActor.ts"
import { create, projectOf, uuid } from "./asApi.ts"

const shown = (id: InstanceId) =>
  Effect.flatMap(Instances, (instances) =>
    Effect.map(instances.get("any", id), (found) => Option.getOrThrow(found).state)
  )

const fault = { message: "broken", details: null, at: 1 }
const underWay = { operation: operationId("configure", "1"), deadline: 4e12 }
const states = {
  New: { _tag: "New" },
  Active: { _tag: "Active" },
  RestartRequired: { _tag: "Active", restartRequired: true },
  Restarting: { _tag: "Restarting", ...underWay },
  Configuring: { _tag: "Configuring", ...underWay },
  ToRestart: { _tag: "Configuring", ...underWay, restart: true },
  ToStop: { _tag: "Configuring", ...underWay, stop: true },
  Stopping: { _tag: "Stopping", ...underWay },
  Stopped: { _tag: "Stopped" },
  Starting: { _tag: "Starting", ...underWay },
  Rebuilding: { _tag: "Rebuilding", ...underWay },
  Struck: { _tag: "Failed", fault, previous: null, again: "service" },
  Unbuilt: { _tag: "Failed", fault, previous: null, again: "build" },
  Deleting: { _tag: "Deleting", ...underWay, previous: null }
} as const satisfies Record<string, State>

/** What can be asked in which state: a stop, a start, a restart, a rebuild. */
const open: Partial<Record<keyof typeof states, string>> = {
  Active: "stop restart rebuild",
  RestartRequired: "stop restart rebuild",
  Configuring: "stop restart rebuild",
  Stopped: "start rebuild",
  Struck: "rebuild"
}

const rebuild = (id: InstanceId) => requestRebuild(id, "ann")

export type SwitchingStore = Configurations | Instances | Lifecycles | Quotas | Resizes | Switching

export const switchingConformance = <R>(name: string, store: Layer.Layer<SwitchingStore | R, unknown>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    for (const [at, state] of Object.entries(states)) {
      it.effect(`takes what can be asked of one that is ${at}, and nothing else`, () =>
        Effect.gen(function* () {
          const instances = yield* Instances
          const switching = yield* Switching
          const ask = {
            stop: switching.requestStop,
            start: switching.requestStart,
            restart: instances.requestRestart,
            rebuild
          }
          const taken: Array<string> = []
          for (const what of ["stop", "start", "restart", "rebuild"] as const) {
            const id = yield* create()
            yield* move(id, state)
            const before = yield* mail(id)
            const accepted = yield* ask[what](id)
            if (accepted) taken.push(what)
            const command = what.charAt(0).toUpperCase() + what.slice(1)
            expect(yield* mail(id)).toEqual(accepted ? [command] : before)
          }
          const expected = Object.entries(open).find(([key]) => key === at)?.[1] ?? ""
          expect(taken.join(" ").replace("stop start", "start stop")).toBe(expected)
        })
      )
    }

    it.effect("takes one of them at a time, of however many that come at once, and shows it at once", () =>
      Effect.gen(function* () {
        const { requestRestart } = yield* Instances
        const { requestStart, requestStop } = yield* Switching
        const id = yield* create()
        yield* move(id, states.Active)
        const asked = [requestStop(id), requestRestart(id), requestStop(id), requestRestart(id)]
        const accepted = yield* Effect.all(asked, { concurrency: 4 })
        expect(accepted.filter((accepted) => accepted)).toHaveLength(1)
        const [command] = yield* mail(id)
        expect(yield* shown(id)).toBe(command === "Stop" ? "Stopping" : "Restarting")
        yield* move(id, states.Stopped)
        expect(yield* shown(id)).toBe("Stopped")
        expect([yield* requestStart(id), yield* requestStart(id)]).toEqual([true, false])
        expect(yield* shown(id)).toBe("Starting")
        yield* move(id, states.ToStop)
        expect(yield* shown(id)).toBe("Stopping")
      })
    )

    it.effect("asks nothing of what is to be deleted, or is not there", () =>
      Effect.gen(function* () {
        const { requestStart, requestStop } = yield* Switching
        const id = yield* create()
        yield* move(id, states.Stopped)
        yield* (yield* Instances).requestDelete(id)
        expect([yield* requestStart(id), yield* requestStop(id), yield* shown(id)]).toEqual([false, false, "Deleting"])
        expect(yield* requestStop(InstanceId.make(uuid()))).toBe(false)
      })
    )

    it.effect("shows a rebuild at once, and asks nothing beside it; it is not put beside anything else either", () =>
      Effect.gen(function* () {
        const { requestRestart } = yield* Instances
        const { requestStart, requestStop } = yield* Switching
        for (const state of [states.Active, states.Configuring, states.Stopped, states.Struck]) {
          const id = yield* create()
          yield* move(id, state)
          expect([yield* rebuild(id), yield* rebuild(id)]).toEqual([true, false])
          expect(yield* shown(id)).toBe("Rebuilding")
          expect([yield* requestRestart(id), yield* requestStop(id), yield* requestStart(id)]).not.toContain(true)
          expect(yield* mail(id)).toEqual(["Rebuild"])
          yield* (yield* Instances).requestDelete(id)
          expect(yield* shown(id)).toBe("Deleting")
        }
        const other = yield* create()
        yield* move(other, states.Active)
        yield* (yield* Resizes).request(other, { flavor: "1", volumeSize: 1 }, { _tag: "Volume", size: 2 })
        expect(yield* rebuild(other)).toBe(false)
        // By somebody who has looked before.
        const { generation } = Option.getOrThrow(yield* (yield* Lifecycles).load(other))
        const late = { generation, key: `restart:${generation}`, command: { _tag: "Rebuild" }, line: "" } as const
        yield* (yield* Lifecycles).request(other, late)
        expect(yield* mail(other)).toEqual(["Resize"])
      })
    )

    it.effect("attaches a group to what is stopped, and tells those that hold it of a change", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const id = yield* create()
        const now = yield* Clock.currentTimeMillis
        const group = uuid()
        yield* configurations.create({
          ...{ id: group, project: projectOf(id), name: "tuned", description: null },
          ...{ datastoreVersion: "v", values: {}, revision: 1, created: now, updated: now }
        })
        yield* move(id, states.ToStop)
        expect(yield* configurations.attach(id, group)).toBe(false)
        for (const state of [states.Stopping, states.Starting]) {
          yield* move(id, state)
          expect(yield* configurations.attach(id, group)).toBe(false)
        }
        yield* move(id, states.Stopped)
        expect(yield* configurations.attach(id, group)).toBe(true)
        for (const state of [states.Stopped, states.Stopping, states.Starting]) {
          yield* move(id, state)
          const change = { name: null, description: null, values: () => ({ work_mem: 200 }) }
          expect(yield* configurations.update(group, change)).toEqual([id])
          expect(yield* mail(id)).toEqual(["Configure"])
        }
      })
    )

    it.effect("holds the quota of what is stopped", () =>
      Effect.gen(function* () {
        const id = yield* create()
        for (const state of [states.Active, states.Stopping, states.Stopped]) yield* move(id, state)
        const usage = yield* (yield* Quotas).usage(projectOf(id))
        expect(usage.find(({ resource }) => resource === "instances")).toMatchObject({ inUse: 1, reserved: 0 })
      })
    )
  })
