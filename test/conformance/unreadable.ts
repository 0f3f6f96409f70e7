/** What every store does with what nobody here can read, or only a newer release can: a part of store.ts. */
import { expect } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles, Unreadable } from "../../src/actors/Lifecycles.ts"
import { History } from "../../src/services/History.ts"
import { InstanceId, type OperationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { load, moveTo } from "./asActor.ts"
import { aProject, create, uuid } from "./asApi.ts"
import type { Store, StoreTests } from "./store.ts"

/** Writes what nobody can read, past everything that sees to it that nobody does. */
export interface Poison<R> {
  /** A command of no known kind. */
  readonly command: (id: InstanceId, key: string) => Effect.Effect<void, unknown, R>
  /** The state that it is in, with a deadline that is no time. */
  readonly state: (id: InstanceId) => Effect.Effect<void, unknown, R>
  /** A state of a kind that only a newer release knows, with a deadline. */
  readonly newer: (id: InstanceId) => Effect.Effect<void, unknown, R>
}

export const unreadableTests = <R>(it: StoreTests<R>, poison: Poison<Store | R>) => {
  it.effect("tells the commands up to one that cannot be read, and goes on behind it once that is set aside", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const [id, other] = [yield* create(), yield* create()]
      yield* poison.command(id, "poison")
      yield* (yield* Instances).requestDelete(id)
      const { generation, mail, state, unreadable } = yield* load(id)
      expect(mail.map(({ command }) => command._tag)).toEqual(["Create"])
      expect(unreadable).toMatchObject({ key: "poison", reason: expect.stringContaining("Expected") })
      expect(yield* load(other)).toMatchObject({ unreadable: null })
      const setAside = [{ seq: unreadable?.seq ?? 0, reason: "nobody can read it" }]
      yield* lifecycles.commit(id, { generation, state, transition: null, handled: [], setAside })
      const after = yield* load(id)
      expect(after.unreadable).toBeNull()
      expect(after.mail.map(({ command }) => command._tag)).toEqual(["Create", "Delete"])
      expect(yield* lifecycles.setAside(id)).toMatchObject([{ key: "poison", reason: "nobody can read it" }])
      expect(yield* lifecycles.setAside(other)).toEqual([])
      yield* moveTo(id, "Active")
      const now = yield* Clock.currentTimeMillis
      expect(yield* lifecycles.overdue({ mailBefore: now + 1, now, limit: 1000 })).not.toContain(id)
    })
  )

  it.effect("tells what is left of a state that cannot be read, and of all others as ever", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const project = aProject()
      const [id, other] = [yield* create({ project }), yield* create({ project })]
      yield* moveTo(id, "Active")
      yield* moveTo(id, "Restarting")
      const { generation, state } = yield* load(id)
      const operation = "operation" in state ? state.operation : null
      yield* poison.state(id)
      expect(Exit.isFailure(yield* Effect.exit(lifecycles.load(id)))).toBe(true)
      const salvaged = Option.getOrThrow(yield* lifecycles.salvage(id))
      expect(salvaged).toMatchObject({ tag: "Restarting", operation })
      expect(salvaged.generation).toBeGreaterThanOrEqual(generation)
      expect(Option.isNone(yield* lifecycles.salvage(InstanceId.make(uuid())))).toBe(true)
      const listed = yield* (yield* Instances).list(project, { limit: 10, marker: null })
      expect(listed.items.map(({ desired }) => desired.id).toSorted()).toEqual([id, other].toSorted())
      const mine = (yield* lifecycles.unsettled(1000)).find(({ instance }) => instance === id)
      expect(mine).toMatchObject({ name: "db", project, state: null })
      const fault = { message: "it cannot be read", details: null, at: 1 }
      const failed: State = { _tag: "Failed", fault, previous: operation, again: "service" }
      const commit = { generation: salvaged.generation, state: failed, transition: null, handled: [] }
      yield* lifecycles.commit(id, commit)
      expect((yield* load(id)).state).toEqual(failed)
    })
  )

  it.effect("shows an instance in a state that only a newer release knows, among all others", () =>
    Effect.gen(function* () {
      const [instances, lifecycles] = [yield* Instances, yield* Lifecycles]
      const project = aProject()
      const [id, other] = [yield* create({ project }), yield* create({ project })]
      yield* moveTo(id, "Active")
      const unknown = (yield* lifecycles.count).get("Unknown") ?? 0
      yield* poison.newer(id)
      expect((yield* lifecycles.count).get("Unknown")).toBe(unknown + 1)
      expect(Option.getOrThrow(yield* instances.get({ project }, id))).toMatchObject({
        state: "Unknown",
        fault: null
      })
      const { items } = yield* instances.list(project, { limit: 10, marker: null })
      expect(items.map(({ desired, state }) => [desired.id, state])).toEqual([
        [id, "Unknown"],
        [other, "New"]
      ])
      const loaded = yield* Effect.exit(lifecycles.load(id))
      expect(Exit.isFailure(loaded) && Cause.squash(loaded.cause)).toBeInstanceOf(Unreadable)
      const mine = (yield* lifecycles.unsettled(1000)).find(({ instance }) => instance === id)
      expect(mine).toMatchObject({ state: null })
      // Its guest is heard, for nobody here knows that it should not.
      const now = yield* Clock.currentTimeMillis
      const beat = { instance: id, status: "healthy" as const, sent: now, receivedAt: now }
      expect(yield* (yield* Observations).record([beat])).toHaveLength(1)
      expect(yield* instances.requestRestart(id)).toBe(false)
      const before = yield* lifecycles.salvage(id)
      yield* instances.requestDelete(id)
      expect(yield* lifecycles.salvage(id)).toEqual(before)
      expect(yield* lifecycles.overdue({ mailBefore: now + 60_000, now: 0, limit: 10_000 })).toContain(id)
      expect(Option.getOrThrow(yield* instances.get({ project }, id)).state).toBe("Unknown")
    })
  )

  it.effect("tells a history in which a newer release has written of an operation of its own", () =>
    Effect.gen(function* () {
      const history = yield* History
      const id = yield* create()
      const operation: OperationId = JSON.parse('"pause-1"')
      yield* history.report(id, "before")
      const step = { operation, operationName: "pause", step: "a step", attempt: 1, waitsFor: "", deadline: null }
      yield* history.stepStarted(id, step)
      yield* history.report(id, "after")
      expect(yield* history.list(id)).toMatchObject([{ text: "before" }, { text: "after" }])
    })
  )
}
