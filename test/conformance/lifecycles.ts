/** What every store keeps of the lives of instances, and of their mail: a part of store.ts. */
import { expect } from "@effect/vitest"
import { Clock, Effect, Option } from "effect"
import { Lifecycles, maxSetAside, noFailures } from "../../src/actors/Lifecycles.ts"
import { History } from "../../src/services/History.ts"
import { InstanceId, OperationId, operationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { load, moveTo } from "./asActor.ts"
import { create, uuid } from "./asApi.ts"
import type { StoreTests } from "./store.ts"

export const lifecyclesTests = <R>(it: StoreTests<R>) => {
  it.effect("delivers each command once, in order, until it is handled", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const id = yield* create()
      yield* (yield* Instances).requestDelete(id)
      yield* (yield* Instances).requestDelete(id)
      const operation = operationId("build", uuid())
      yield* lifecycles.post(id, "a", { _tag: "OperationSucceeded", operation })
      yield* lifecycles.post(id, "a", { _tag: "OperationSucceeded", operation })
      const { mail } = yield* load(id)
      expect(mail.map(({ command }) => command._tag)).toEqual(["Create", "Delete", "OperationSucceeded"])
      yield* moveTo(id, "Active")
      expect((yield* load(id)).mail).toEqual([])
      expect(Option.getOrNull(yield* lifecycles.posted(id, "a"))).toEqual({ _tag: "OperationSucceeded", operation })
      expect(Option.isNone(yield* lifecycles.posted(id, "b"))).toBe(true)
    })
  )

  it.effect("takes an operator's command with its line in the history, once, and only where it was seen", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const id = yield* create()
      yield* moveTo(id, "Active")
      yield* moveTo(id, "Restarting")
      const { generation, state } = yield* load(id)
      const operation = "operation" in state ? state.operation : operationId("restart", "none")
      const command = { _tag: "Cancel" as const, operation, by: "ann" }
      const request = { generation, key: `cancel:${operation}`, command, line: "ann asked to cancel" }
      const lines = Effect.flatMap(History, (history) =>
        Effect.map(history.list(id), (entries) => entries.filter(({ kind }) => kind === "report"))
      )
      const early = yield* Effect.flip(lifecycles.request(id, { ...request, generation: generation - 1 }))
      expect(early._tag).toBe("StaleGeneration")
      expect(yield* lines).toEqual([])
      yield* lifecycles.request(id, request)
      yield* lifecycles.request(id, request)
      expect((yield* load(id)).mail.map(({ command }) => command)).toEqual([command])
      expect(yield* lines).toMatchObject([{ text: "ann asked to cancel" }])
      expect((yield* lifecycles.unsettled(1000)).map(({ instance }) => instance)).toContain(id)
      yield* moveTo(id, "Active")
      expect((yield* lifecycles.unsettled(1000)).map(({ instance }) => instance)).not.toContain(id)
    })
  )

  it.effect("counts a restart as under way, past its deadline as overdue, and hears its guest", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const observations = yield* Observations
      const id = yield* create()
      yield* moveTo(id, "Active")
      expect(yield* lifecycles.underWay(1000)).not.toContain(id)
      yield* moveTo(id, "Restarting")
      const now = yield* Clock.currentTimeMillis
      expect(yield* lifecycles.underWay(1000)).toContain(id)
      expect(yield* lifecycles.overdue({ mailBefore: 0, now, limit: 1000 })).not.toContain(id)
      expect(yield* lifecycles.overdue({ mailBefore: 0, now: now + 60_001, limit: 1000 })).toContain(id)
      expect((yield* lifecycles.count).get("Restarting")).toBeGreaterThan(0)
      const beat = { instance: id, status: "restarting" as const, sent: 10, receivedAt: 10 }
      expect(yield* observations.record([beat])).toEqual([{ instance: id, status: "restarting", changed: true }])
      expect(yield* observations.silentSince(100, 1000)).not.toContain(id)
      yield* moveTo(id, "Active")
      expect(yield* observations.silentSince(100, 1000)).toContain(id)
    })
  )

  it.effect("refuses a commit on a state that has moved on", () =>
    Effect.gen(function* () {
      const id = yield* create()
      const { generation } = yield* load(id)
      yield* moveTo(id, "Active")
      const commit = { generation, state: { _tag: "New" as const }, transition: null, handled: [] }
      const stale = yield* Effect.flip((yield* Lifecycles).commit(id, commit))
      expect(stale._tag).toBe("StaleGeneration")
      expect((yield* load(id)).state._tag).toBe("Active")
    })
  )

  it.effect("finds who missed a message, who is past a deadline, and who is at work", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const [idle, busy] = [yield* create(), yield* create()]
      const { generation, mail } = yield* load(busy)
      const now = yield* Clock.currentTimeMillis
      const operation = operationId("build", uuid())
      const state = { _tag: "Building" as const, operation, deadline: now + 1000 }
      yield* lifecycles.commit(busy, { generation, state, transition: null, handled: mail.map(({ seq }) => seq) })
      const early = yield* lifecycles.overdue({ mailBefore: now + 500, now: now + 500, limit: 1000 })
      expect(early).toContain(idle)
      expect(early).not.toContain(busy)
      expect(yield* lifecycles.overdue({ mailBefore: 0, now: now + 2000, limit: 1000 })).toContain(busy)
      expect(yield* lifecycles.underWay(1000)).toContain(busy)
      expect(yield* lifecycles.underWay(1000)).not.toContain(idle)
      const fault = { message: "late", details: null, at: now }
      const failed = (previous: OperationId | null) => ({ _tag: "Failed" as const, fault, previous })
      const commit = { transition: null, handled: [] }
      yield* lifecycles.commit(busy, { ...commit, generation: generation + 1, state: failed(operation) })
      expect(yield* lifecycles.underWay(1000)).toContain(busy)
      yield* lifecycles.commit(busy, { ...commit, generation: generation + 2, state: failed(null) })
      expect(yield* lifecycles.underWay(1000)).not.toContain(busy)
      expect((yield* lifecycles.count).get("Failed")).toBeGreaterThan(0)
    })
  )

  it.effect("forgets the deleted, and only them, when their time is over", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const [dead, alive] = [yield* create(), yield* create()]
      yield* moveTo(dead, "Deleted")
      expect(Option.isNone(yield* (yield* Instances).get("any", dead))).toBe(true)
      expect(yield* lifecycles.prune(0, 1000)).toBe(0)
      expect((yield* (yield* History).list(dead)).length).toBe(1)
      expect(yield* lifecycles.prune((yield* Clock.currentTimeMillis) + 1, 1000)).toBeGreaterThan(0)
      expect(Option.isNone(yield* lifecycles.load(dead))).toBe(true)
      expect(yield* (yield* History).list(dead)).toEqual([])
      expect(Option.isSome(yield* lifecycles.load(alive))).toBe(true)
    })
  )

  it.effect("forgets no more of the deleted at a time than it is told to", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      yield* lifecycles.prune((yield* Clock.currentTimeMillis) + 1, 1000)
      for (let n = 0; n < 3; n++) yield* moveTo(yield* create(), "Deleted")
      const now = (yield* Clock.currentTimeMillis) + 1
      expect(yield* lifecycles.prune(now, 2)).toBe(2)
      expect(yield* lifecycles.prune(now, 2)).toBe(1)
    })
  )

  it.effect("forgets commands that were handled, and neither those that wait nor those that were set aside", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const id = yield* create()
      const operation = OperationId.make(`build-${uuid()}`)
      const ended = OperationId.make(`restart-${uuid()}`)
      yield* lifecycles.post(id, "under way", { _tag: "OperationSucceeded", operation })
      yield* lifecycles.post(id, "over", { _tag: "OperationSucceeded", operation: ended })
      yield* lifecycles.post(id, "poison", { _tag: "Delete" })
      yield* lifecycles.post(id, "waits", { _tag: "Restart" })
      const loaded = Option.getOrThrow(yield* lifecycles.load(id))
      const [created, underWay, over, poison] = loaded.mail
      expect(loaded.waitsSince).toBeLessThanOrEqual(yield* Clock.currentTimeMillis)
      const seqs = [created, underWay, over].flatMap((mail) => (mail === undefined ? [] : [mail.seq]))
      yield* lifecycles.commit(id, {
        generation: loaded.generation,
        state: { _tag: "Building", operation, deadline: (yield* Clock.currentTimeMillis) + 60_000 },
        transition: null,
        handled: seqs,
        setAside: [{ seq: poison?.seq ?? 0, reason: "for a reason" }]
      })
      const kept = Effect.filter(["create", "under way", "over", "poison", "waits"], (key) =>
        Effect.map(lifecycles.posted(id, key), Option.isSome)
      )
      yield* lifecycles.pruneMail(0, 1000)
      expect(yield* kept).toHaveLength(5)
      const now = (yield* Clock.currentTimeMillis) + 1
      expect(yield* lifecycles.pruneMail(now, 1)).toBe(1)
      yield* lifecycles.pruneMail(now, 1000)
      expect(yield* kept).toEqual(["under way", "poison", "waits"])
      // Its outcome is asked for as long as it may be told again.
      yield* lifecycles.commit(id, {
        generation: loaded.generation + 1,
        state: { _tag: "Active" },
        transition: null,
        handled: []
      })
      yield* lifecycles.pruneMail(now, 1000)
      expect(yield* kept).toEqual(["poison", "waits"])
    })
  )

  it.effect("keeps the newest of what was set aside", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const id = yield* create()
      for (let n = 0; n < maxSetAside + 3; n++) {
        yield* lifecycles.post(id, `poison ${n}`, { _tag: "Restart" })
        const { generation, mail, state } = Option.getOrThrow(yield* lifecycles.load(id))
        const setAside = mail.map(({ seq }) => ({ seq, reason: "for a reason" }))
        yield* lifecycles.commit(id, { generation, state, transition: null, handled: [], setAside })
      }
      const kept = (yield* lifecycles.setAside(id)).map(({ key }) => key)
      expect([kept.length, kept[0], kept.at(-1)]).toEqual([maxSetAside, "poison 3", `poison ${maxSetAside + 2}`])
    })
  )

  it.effect("counts how often the turns of an instance have failed, until they are forgotten", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const id = yield* create()
      const failures = Effect.map(lifecycles.load(id), (loaded) => Option.getOrThrow(loaded).failures)
      expect(yield* failures).toEqual(noFailures)
      expect([yield* lifecycles.noteFailure(id), yield* lifecycles.noteFailure(id)]).toEqual([1, 2])
      expect(yield* failures).toEqual({ count: 2, at: expect.any(Number) })
      yield* lifecycles.setFailures(id, 0)
      expect((yield* failures).count).toBe(0)
      expect(yield* lifecycles.noteFailure(InstanceId.make(uuid()))).toBe(0)
    })
  )
}
