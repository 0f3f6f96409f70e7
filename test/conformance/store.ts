/** What every store must do, whatever it keeps its rows in: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, type Layer, Option, Redacted } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles, maxSetAside, noFailures, Unreadable } from "../../src/actors/Lifecycles.ts"
import type { BackupReport } from "../../src/services/ConductorApi.ts"
import type { GuestHostDirectory } from "../../src/services/GuestHostDirectory.ts"
import { History, maxEntries, maxReports } from "../../src/services/History.ts"
import { InstanceId, OperationId, operationId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { maxBackupReports, Observations } from "../../src/services/Observations.ts"
import type { Placements } from "../../src/services/Placements.ts"
import { type Provisioning, ProvisioningStore } from "../../src/services/Provisioning.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import type { Resizes } from "../../src/services/Resizes.ts"

export type Store =
  | Instances
  | Lifecycles
  | Observations
  | History
  | GuestHostDirectory
  | Placements
  | ProvisioningStore
  | Quotas
  | Resizes

let drawn = 0
const uuid = () => `00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`
const aProject = () => ProjectId.make(`project-${uuid()}`)
const nothing: Provisioning = { databases: [], users: [] }

const create = Effect.fnUntraced(function* (project: ProjectId, provisioning: Provisioning = nothing, volumeSize = 1) {
  const now = yield* Clock.currentTimeMillis
  const id = InstanceId.make(uuid())
  yield* (yield* Instances).create(
    {
      id,
      project,
      name: "db",
      flavor: "1",
      ram: 512,
      volumeSize,
      volumeType: null,
      datastoreVersion: "v",
      region: "RegionOne",
      access: { is_public: false, allowed_cidrs: ["10.0.0.0/8"] },
      created: now,
      updated: now
    },
    provisioning
  )
  return id
})

const load = (id: InstanceId) =>
  Effect.flatMap(Lifecycles, (lifecycles) => Effect.map(lifecycles.load(id), Option.getOrThrow))

/** An operation begun by a move has a minute. */
const stateOf = (tag: "Active" | "Restarting" | "Failed" | "Deleted", now: number): State => {
  switch (tag) {
    case "Active":
      return { _tag: tag }
    case "Restarting":
      return { _tag: tag, operation: operationId("restart", uuid()), deadline: now + 60_000 }
    case "Failed":
      return { _tag: tag, fault: { message: "It broke.", details: null, at: now }, previous: null, again: "delete" }
    case "Deleted":
      return { _tag: tag, at: now }
  }
}

const move = Effect.fnUntraced(function* (id: InstanceId, tag: "Active" | "Restarting" | "Failed" | "Deleted") {
  const { generation, mail } = yield* load(id)
  const now = yield* Clock.currentTimeMillis
  yield* (yield* Lifecycles).commit(id, {
    generation,
    state: stateOf(tag, now),
    transition: { from: "Building", to: tag, because: "test" },
    handled: mail.map(({ seq }) => seq)
  })
})

const used = Effect.fnUntraced(function* (project: ProjectId) {
  const usage = yield* (yield* Quotas).usage(project)
  return Object.fromEntries(usage.map(({ inUse, reserved, resource }) => [resource, { inUse, reserved }]))
})

/** Writes what nobody can read, past everything that sees to it that nobody does. */
export interface Poison<R> {
  /** A command of no known kind. */
  readonly command: (id: InstanceId, key: string) => Effect.Effect<void, unknown, R>
  /** The state that it is in, with a deadline that is no time. */
  readonly state: (id: InstanceId) => Effect.Effect<void, unknown, R>
  /** A state of a kind that only a newer release knows, with a deadline. */
  readonly newer: (id: InstanceId) => Effect.Effect<void, unknown, R>
}

export const storeConformance = <R>(name: string, store: Layer.Layer<Store | R, unknown>, poison: Poison<Store | R>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("keeps what was ordered, for its own project only", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const [mine, foreign] = [aProject(), aProject()]
        const id = yield* create(mine)
        const record = Option.getOrThrow(yield* instances.get({ project: mine }, id))
        expect(record).toMatchObject({ state: "New", fault: null, observed: null, address: null })
        expect(record.desired).toMatchObject({ name: "db", access: { allowed_cidrs: ["10.0.0.0/8"] } })
        expect(Option.isNone(yield* instances.get({ project: foreign }, id))).toBe(true)
        expect(Option.isSome(yield* instances.get("any", id))).toBe(true)
        expect(Option.isNone(yield* instances.get("any", "no such id"))).toBe(true)
        yield* instances.rename(id, "other")
        expect(Option.getOrThrow(yield* instances.get("any", id)).desired.name).toBe("other")
        expect(Object.keys(record.desired)).not.toContain("zone")

        const placed = { ...record.desired, id: InstanceId.make(uuid()), zone: "az2", locality: "affinity" as const }
        yield* instances.create(placed, nothing)
        expect(Option.getOrThrow(yield* instances.get("any", placed.id)).desired).toEqual(placed)
        expect(Option.getOrThrow(yield* (yield* Lifecycles).desired(placed.id))).toMatchObject({ zone: "az2" })
      })
    )

    it.effect("lists by id, in pages", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const project = aProject()
        const ids = [yield* create(project), yield* create(project), yield* create(project)].sort()
        const first = yield* instances.list(project, { limit: 2, marker: null })
        expect(first.items.map(({ desired }) => desired.id)).toEqual(ids.slice(0, 2))
        expect(first.next).toBe(ids[1])
        const second = yield* instances.list(project, { limit: 2, marker: first.next })
        expect(second.items.map(({ desired }) => desired.id)).toEqual(ids.slice(2))
        expect(second.next).toBeNull()
      })
    )

    it.effect("refuses what exceeds the quota, and writes nothing of it", () =>
      Effect.gen(function* () {
        const project = aProject()
        yield* (yield* Quotas).setLimits(project, { instances: 2, ram: 1000 })
        yield* create(project)
        const refused = yield* Effect.flip(create(project))
        expect(refused.resources).toEqual(["ram"])
        expect(yield* used(project)).toMatchObject({ instances: { inUse: 0, reserved: 1 } })
        expect((yield* (yield* Instances).list(project, { limit: 10, marker: null })).items).toHaveLength(1)
      })
    )

    it.effect("grants no more than the quota to whatever asks at once", () =>
      Effect.gen(function* () {
        const project = aProject()
        yield* (yield* Quotas).setLimits(project, { instances: 5 })
        const asked = Array.from({ length: 12 }, () => Effect.exit(create(project)))
        const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
        expect(answers.filter(Exit.isSuccess)).toHaveLength(5)
        expect(yield* used(project)).toMatchObject({ instances: { inUse: 0, reserved: 5 } })
      })
    )

    it.effect("reserves quota at the order, commits it at ACTIVE, and releases it with the delete, once", () =>
      Effect.gen(function* () {
        const project = aProject()
        const id = yield* create(project, nothing, 3)
        expect(yield* used(project)).toMatchObject({ volumes: { inUse: 0, reserved: 3 } })
        yield* move(id, "Active")
        expect(yield* used(project)).toMatchObject({ volumes: { inUse: 3, reserved: 0 } })
        yield* (yield* Instances).requestDelete(id)
        yield* (yield* Instances).requestDelete(id)
        expect(yield* used(project)).toMatchObject({ volumes: { inUse: 0, reserved: 0 } })
        expect(Option.getOrThrow(yield* (yield* Instances).get("any", id)).state).toBe("Deleting")
      })
    )

    it.effect("delivers each command once, in order, until it is handled", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const id = yield* create(aProject())
        yield* (yield* Instances).requestDelete(id)
        yield* (yield* Instances).requestDelete(id)
        const operation = operationId("build", uuid())
        yield* lifecycles.post(id, "a", { _tag: "OperationSucceeded", operation })
        yield* lifecycles.post(id, "a", { _tag: "OperationSucceeded", operation })
        const { mail } = yield* load(id)
        expect(mail.map(({ command }) => command._tag)).toEqual(["Create", "Delete", "OperationSucceeded"])
        yield* move(id, "Active")
        expect((yield* load(id)).mail).toEqual([])
        expect(Option.getOrNull(yield* lifecycles.posted(id, "a"))).toEqual({ _tag: "OperationSucceeded", operation })
        expect(Option.isNone(yield* lifecycles.posted(id, "b"))).toBe(true)
      })
    )

    it.effect("tells the commands up to one that cannot be read, and goes on behind it once that is set aside", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const [id, other] = [yield* create(aProject()), yield* create(aProject())]
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
        yield* move(id, "Active")
        const now = yield* Clock.currentTimeMillis
        expect(yield* lifecycles.overdue({ mailBefore: now + 1, now, limit: 1000 })).not.toContain(id)
      })
    )

    it.effect("tells what is left of a state that cannot be read, and of all others as ever", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const project = aProject()
        const [id, other] = [yield* create(project), yield* create(project)]
        yield* move(id, "Active")
        yield* move(id, "Restarting")
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
        const [id, other] = [yield* create(project), yield* create(project)]
        yield* move(id, "Active")
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

    it.effect("takes an operator's command with its line in the history, once, and only where it was seen", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const id = yield* create(aProject())
        yield* move(id, "Active")
        yield* move(id, "Restarting")
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
        yield* move(id, "Active")
        expect((yield* lifecycles.unsettled(1000)).map(({ instance }) => instance)).not.toContain(id)
      })
    )

    it.effect("takes a restart in service only, once, and shows it at once", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const id = yield* create(aProject())
        const shown = Effect.map(instances.get("any", id), (record) => Option.getOrThrow(record).state)
        const listed = Effect.fnUntraced(function* () {
          const { project } = Option.getOrThrow(yield* instances.get("any", id)).desired
          return (yield* instances.list(project, { limit: 10, marker: null })).items.map(({ state }) => state)
        })
        expect(yield* instances.requestRestart(id)).toBe(false)
        expect(yield* instances.requestRestart(InstanceId.make(uuid()))).toBe(false)
        yield* move(id, "Active")
        const before = Option.getOrThrow(yield* instances.get("any", id)).desired.updated
        yield* Effect.sleep("2 millis")
        expect(yield* instances.requestRestart(id)).toBe(true)
        expect([yield* shown, yield* listed()]).toEqual(["Restarting", ["Restarting"]])
        expect(Option.getOrThrow(yield* instances.get("any", id)).desired.updated).toBeGreaterThan(before)
        expect(yield* instances.requestRestart(id)).toBe(false)
        expect((yield* load(id)).mail.map(({ command }) => command._tag)).toEqual(["Restart"])

        yield* move(id, "Restarting")
        expect([yield* shown, yield* instances.requestRestart(id)]).toEqual(["Restarting", false])
        yield* move(id, "Active")
        expect([yield* shown, yield* listed()]).toEqual(["Active", ["Active"]])
        expect(yield* instances.requestRestart(id)).toBe(true)
        yield* instances.requestDelete(id)
        expect([yield* shown, yield* instances.requestRestart(id)]).toEqual(["Deleting", false])
        expect((yield* load(id)).mail.map(({ command }) => command._tag)).toEqual(["Restart", "Delete"])
        yield* move(id, "Restarting")
        expect(yield* shown).toBe("Deleting")
      })
    )

    it.effect("shows the delete of one that failed at once, and not any more when it has failed itself", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const id = yield* create(aProject())
        const shown = Effect.gen(function* () {
          const record = Option.getOrThrow(yield* instances.get("any", id))
          const { items } = yield* instances.list(record.desired.project, { limit: 10, marker: null })
          return [record.state, ...items.map(({ state }) => state)]
        })
        for (let n = 0; n < 2; n++) {
          yield* move(id, "Failed")
          expect(yield* shown).toEqual(["Failed", "Failed"])
          yield* instances.requestDelete(id)
          expect(yield* shown).toEqual(["Deleting", "Deleting"])
        }
      })
    )

    it.effect("takes one restart of all that are asked for at once, and none after a delete", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const id = yield* create(aProject())
        yield* move(id, "Active")
        const asked = Array.from({ length: 8 }, () => instances.requestRestart(id))
        const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
        expect(answers.filter((accepted) => accepted)).toHaveLength(1)
        for (let n = 0; n < 10; n++) {
          const both = yield* create(aProject())
          yield* move(both, "Active")
          const requests = [instances.requestDelete(both), Effect.asVoid(instances.requestRestart(both))]
          yield* Effect.all(requests, { concurrency: "unbounded" })
          expect((yield* load(both)).mail.at(-1)?.command._tag).toBe("Delete")
        }
      })
    )

    it.effect("counts a restart as under way, past its deadline as overdue, and hears its guest", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const observations = yield* Observations
        const id = yield* create(aProject())
        yield* move(id, "Active")
        expect(yield* lifecycles.underWay(1000)).not.toContain(id)
        yield* move(id, "Restarting")
        const now = yield* Clock.currentTimeMillis
        expect(yield* lifecycles.underWay(1000)).toContain(id)
        expect(yield* lifecycles.overdue({ mailBefore: 0, now, limit: 1000 })).not.toContain(id)
        expect(yield* lifecycles.overdue({ mailBefore: 0, now: now + 60_001, limit: 1000 })).toContain(id)
        expect((yield* lifecycles.count).get("Restarting")).toBeGreaterThan(0)
        const beat = { instance: id, status: "restarting" as const, sent: 10, receivedAt: 10 }
        expect(yield* observations.record([beat])).toEqual([{ instance: id, status: "restarting", changed: true }])
        expect(yield* observations.silentSince(100, 1000)).not.toContain(id)
        yield* move(id, "Active")
        expect(yield* observations.silentSince(100, 1000)).toContain(id)
      })
    )

    it.effect("refuses a commit on a state that has moved on", () =>
      Effect.gen(function* () {
        const id = yield* create(aProject())
        const { generation } = yield* load(id)
        yield* move(id, "Active")
        const commit = { generation, state: { _tag: "New" as const }, transition: null, handled: [] }
        const stale = yield* Effect.flip((yield* Lifecycles).commit(id, commit))
        expect(stale._tag).toBe("StaleGeneration")
        expect((yield* load(id)).state._tag).toBe("Active")
      })
    )

    it.effect("finds who missed a message, who is past a deadline, and who is at work", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const [idle, busy] = [yield* create(aProject()), yield* create(aProject())]
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
        const [dead, alive] = [yield* create(aProject()), yield* create(aProject())]
        yield* move(dead, "Deleted")
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
        for (let n = 0; n < 3; n++) yield* move(yield* create(aProject()), "Deleted")
        const now = (yield* Clock.currentTimeMillis) + 1
        expect(yield* lifecycles.prune(now, 2)).toBe(2)
        expect(yield* lifecycles.prune(now, 2)).toBe(1)
      })
    )

    it.effect("forgets commands that were handled, and neither those that wait nor those that were set aside", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const id = yield* create(aProject())
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
        const id = yield* create(aProject())
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

    it.effect("keeps no more of a history than is told, also of an instance whose guest tells nothing", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const history = yield* History
        const id = yield* create(aProject())
        const operation = OperationId.make(`restart-${uuid()}`)
        const step = { operation, operationName: "restart", step: "a step", waitsFor: null, deadline: null }
        for (let attempt = 1; attempt <= maxEntries + 20; attempt++)
          yield* history.stepStarted(id, { ...step, attempt })
        const { generation } = Option.getOrThrow(yield* lifecycles.load(id))
        const transition = { from: "New", to: "Active", because: "at rest" }
        yield* lifecycles.commit(id, { generation, state: { _tag: "Active" }, transition, handled: [] })
        const entries = yield* history.list(id)
        expect([entries.length, entries[0]]).toMatchObject([maxEntries, { attempt: 22 }])
      })
    )

    it.effect("tells a history in which a newer release has written of an operation of its own", () =>
      Effect.gen(function* () {
        const history = yield* History
        const id = yield* create(aProject())
        const operation: OperationId = JSON.parse('"pause-1"')
        yield* history.report(id, "before")
        const step = { operation, operationName: "pause", step: "a step", attempt: 1, waitsFor: "", deadline: null }
        yield* history.stepStarted(id, step)
        yield* history.report(id, "after")
        expect(yield* history.list(id)).toMatchObject([{ text: "before" }, { text: "after" }])
      })
    )

    it.effect("counts how often the turns of an instance have failed, until they are forgotten", () =>
      Effect.gen(function* () {
        const lifecycles = yield* Lifecycles
        const id = yield* create(aProject())
        const failures = Effect.map(lifecycles.load(id), (loaded) => Option.getOrThrow(loaded).failures)
        expect(yield* failures).toEqual(noFailures)
        expect([yield* lifecycles.noteFailure(id), yield* lifecycles.noteFailure(id)]).toEqual([1, 2])
        expect(yield* failures).toEqual({ count: 2, at: expect.any(Number) })
        yield* lifecycles.setFailures(id, 0)
        expect((yield* failures).count).toBe(0)
        expect(yield* lifecycles.noteFailure(InstanceId.make(uuid()))).toBe(0)
      })
    )

    it.effect("keeps the newest heartbeat of a guest, and tells what changed", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const id = yield* create(aProject())
        const stranger = InstanceId.make(uuid())
        const beat = (instance: InstanceId, status: "building" | "healthy", sent: number) => ({
          instance,
          status,
          sent,
          receivedAt: sent + 1000
        })
        expect(
          yield* observations.record([beat(id, "building", 10), beat(id, "healthy", 20), beat(stranger, "healthy", 20)])
        ).toEqual([{ instance: id, status: "healthy", changed: true }])
        expect(yield* observations.record([beat(id, "building", 20)])).toEqual([])
        expect(yield* observations.record([beat(id, "building", 15)])).toEqual([])
        expect(yield* observations.record([beat(id, "healthy", 30)])).toMatchObject([{ changed: false }])
        expect(yield* observations.record([])).toEqual([])
        expect(yield* observations.recordFailure(id, "it broke", null)).toBe(true)
        expect(Option.getOrThrow(yield* observations.get(id))).toMatchObject({
          status: "healthy",
          heartbeatAt: 1030,
          failure: "it broke"
        })
        yield* observations.forget(id)
        expect(Option.isNone(yield* observations.get(id))).toBe(true)
      })
    )

    it.effect("takes a heartbeat without a time as the newest, and what is newer than the last time after it", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const id = yield* create(aProject())
        const statusAfter = Effect.fnUntraced(function* (
          ...beats: ReadonlyArray<readonly ["healthy" | "crashed" | "paused", number | null]>
        ) {
          yield* observations.record(
            beats.map(([status, sent], n) => ({ instance: id, status, sent, receivedAt: 1000 + n }))
          )
          return Option.getOrThrow(yield* observations.get(id)).status
        })
        expect(yield* statusAfter(["crashed", null])).toBe("crashed")
        expect(yield* statusAfter(["healthy", 10])).toBe("healthy")
        expect(yield* statusAfter(["paused", 30], ["crashed", null], ["healthy", 20])).toBe("crashed")
        expect(yield* statusAfter(["healthy", null], ["crashed", null])).toBe("crashed")
        expect(yield* statusAfter(["healthy", 10])).toBe("crashed")
        expect(yield* statusAfter(["paused", 11])).toBe("paused")
      })
    )

    it.effect("takes note of what a guest tells, each method by itself, where it is newer", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const [id, dead] = [yield* create(aProject()), yield* create(aProject())]
        const stranger = InstanceId.make(uuid())
        expect(yield* observations.takeNote(id, "one", 10.00001)).toBe(true)
        expect(yield* observations.takeNote(id, "one", 10.00001)).toBe(false)
        expect(yield* observations.takeNote(id, "one", 9)).toBe(false)
        expect(yield* observations.takeNote(id, "one", 10.02)).toBe(true)
        expect(yield* observations.takeNote(id, "two", 1)).toBe(true)
        expect(yield* observations.takeNote(id, "one", null)).toBe(true)
        expect(yield* observations.takeNote(id, "one", 10)).toBe(false)
        expect(yield* observations.takeNote(id, "one", null)).toBe(true)
        yield* move(dead, "Deleted")
        for (const nobody of [dead, stranger]) expect(yield* observations.takeNote(nobody, "one", null)).toBe(false)
      })
    )

    it.effect("keeps the newest reason of a guest that failed", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const id = yield* create(aProject())
        yield* observations.record([{ instance: id, status: "building", sent: 1, receivedAt: 1 }])
        expect(yield* observations.recordFailure(id, "first", 10)).toBe(true)
        expect(yield* observations.recordFailure(id, "first", 10)).toBe(false)
        expect(yield* observations.recordFailure(id, "older", 9)).toBe(false)
        expect(Option.getOrThrow(yield* observations.get(id)).failure).toBe("first")
        expect(yield* observations.recordFailure(id, "of unknown age", null)).toBe(true)
        expect(Option.getOrThrow(yield* observations.get(id)).failure).toBe("of unknown age")
        expect(yield* observations.recordFailure(InstanceId.make(uuid()), "of nobody", 10)).toBe(false)
      })
    )

    it.effect("gathers what is told of a backup, and tells when its state changes", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const [id, dead] = [yield* create(aProject()), yield* create(aProject())]
        const tell = (sent: number | null, report: BackupReport, backup = "b-1", instance = id) =>
          Effect.map(observations.recordBackup(instance, backup, { report, sent }), Option.getOrNull)
        expect(yield* tell(10, { size: 1.5, note: "begun" })).toBeNull()
        expect(yield* tell(11, { state: "BUILDING", note: null })).toBe("BUILDING")
        expect(yield* tell(12, { state: "BUILDING", size: 2 })).toBeNull()
        expect(yield* tell(12, { state: "FAILED" })).toBeNull()
        expect(yield* tell(11.5, { state: "FAILED" })).toBeNull()
        expect(yield* tell(12.02, { state: "COMPLETED", success: true, location: "swift://a" })).toBe("COMPLETED")
        expect(yield* tell(1, { state: "BUILDING" }, "b-2")).toBe("BUILDING")
        expect(yield* tell(null, { state: "FAILED" }, "b-2")).toBe("FAILED")
        const known = { state: "COMPLETED", size: 2, note: null, success: true, location: "swift://a" }
        expect(Option.getOrNull(yield* observations.backup(id, "b-1"))).toEqual(known)
        expect(Option.getOrNull(yield* observations.backup(id, "b-2"))).toEqual({ state: "FAILED" })
        expect(Option.isNone(yield* observations.backup(id, "b-3"))).toBe(true)
        yield* move(dead, "Deleted")
        expect(yield* tell(1, { state: "BUILDING" }, "b-1", dead)).toBeNull()
        expect(yield* tell(1, { state: "BUILDING" }, "b-1", InstanceId.make(uuid()))).toBeNull()
        expect(Option.isNone(yield* observations.backup(dead, "b-1"))).toBe(true)
      })
    )

    it.effect("remembers no more backups of an instance than its bound, those that were told of last", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const id = yield* create(aProject())
        const tell = (n: number, sent = n) =>
          observations.recordBackup(id, `b-${n}`, { report: { state: "BUILDING" }, sent })
        yield* Effect.forEach(
          Array.from({ length: maxBackupReports }, (_, n) => n),
          (n) => tell(n),
          { concurrency: 10 }
        )
        yield* tell(0, maxBackupReports)
        yield* tell(maxBackupReports, maxBackupReports + 1)
        const kept = (n: number) => Effect.map(observations.backup(id, `b-${n}`), Option.isSome)
        expect([yield* kept(0), yield* kept(1), yield* kept(2), yield* kept(maxBackupReports)]).toEqual([
          true,
          false,
          true,
          true
        ])
      })
    )

    it.effect("tells a guest that has gone silent to one of all who ask at once", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const ids = yield* Effect.all(Array.from({ length: 20 }, () => create(aProject())))
        for (const id of ids) yield* move(id, "Active")
        yield* observations.record(ids.map((instance) => ({ instance, status: "healthy", sent: 10, receivedAt: 10 })))
        const asked = Array.from({ length: 8 }, () => observations.silentSince(100, 1000))
        const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
        const told = answers.flat().filter((id) => ids.includes(id))
        expect(told.toSorted()).toEqual(ids.toSorted())
      })
    )

    it.effect("tells of no more silent guests than it was asked for, and again of those who were not told of", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const ids = yield* Effect.all(Array.from({ length: 3 }, () => create(aProject())))
        for (const id of ids) yield* move(id, "Active")
        // Older than all others, and each older than the next.
        const beats = ids.map((instance, n) => ({ instance, status: "healthy" as const, sent: 1, receivedAt: n - 100 }))
        yield* observations.record(beats)
        expect((yield* observations.silentSince(0, 2)).toSorted()).toEqual(ids.slice(0, 2).toSorted())
        expect(yield* observations.silentSince(0, 2)).toEqual(ids.slice(2))
        yield* observations.unmarkSilent(ids.slice(1))
        yield* observations.unmarkSilent([])
        expect((yield* observations.silentSince(0, 10)).toSorted()).toEqual(ids.slice(1).toSorted())
        yield* observations.unmarkSilent(ids.slice(0, 1))
        yield* observations.record(beats.map((beat) => ({ ...beat, sent: 2, receivedAt: 1 })))
        expect(yield* observations.silentSince(0, 10)).toEqual([])
      })
    )

    it.effect("tells once which guests have gone silent, and when they come back", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const id = yield* create(aProject())
        const beat = (sent: number) => ({ instance: id, status: "healthy" as const, sent, receivedAt: sent })
        yield* observations.record([beat(10)])
        expect(yield* observations.silentSince(100, 1000)).not.toContain(id)
        yield* move(id, "Active")
        expect(yield* observations.silentSince(100, 1000)).toContain(id)
        expect(yield* observations.silentSince(100, 1000)).not.toContain(id)
        expect(yield* observations.record([beat(200)])).toEqual([{ instance: id, status: "healthy", changed: true }])
        yield* move(id, "Deleted")
        expect(yield* observations.record([beat(300)])).toEqual([])
        expect(Option.isNone(yield* observations.get(id))).toBe(true)
      })
    )

    it.effect("writes a step's line once, closes it, and keeps no more lines than its bound", () =>
      Effect.gen(function* () {
        const history = yield* History
        const id = yield* create(aProject())
        const key = { operation: operationId("build", uuid()), step: "s", attempt: 1 }
        const started = { ...key, operationName: "build", waitsFor: "rain", deadline: 5 }
        yield* history.stepStarted(id, started)
        yield* history.stepStarted(id, started)
        expect(yield* history.list(id)).toMatchObject([{ outcome: "running", waitsFor: "rain", endedAt: null }])
        yield* history.stepEnded(id, { ...key, outcome: "failed", error: "no rain", detail: "dry" })
        expect(yield* history.list(id)).toMatchObject([
          { outcome: "failed", error: "no rain", detail: "dry", waitsFor: null }
        ])
        yield* history.stepEnded(id, { ...key, outcome: "done", error: null, detail: null })
        expect(yield* history.list(id)).toMatchObject([{ outcome: "failed" }])
        for (let n = 0; n < maxReports + 5; n++) yield* history.report(id, `line ${n}`)
        const lines = yield* history.list(id)
        expect(lines).toHaveLength(maxReports + 1)
        expect(lines[0]).toMatchObject({ outcome: "failed" })
        expect(lines[1]).toMatchObject({ text: "line 5" })
        for (let attempt = 3; attempt <= maxEntries; attempt++) yield* history.stepStarted(id, { ...started, attempt })
        yield* history.report(id, "the last")
        const most = yield* history.list(id)
        expect(most).toHaveLength(maxEntries)
        expect(most.at(-1)).toMatchObject({ text: "the last" })
        expect(most.filter(({ kind }) => kind === "step")).toHaveLength(maxEntries - 2)
        const odd = { ...key, attempt: 2 }
        yield* history.stepStarted(id, { ...started, ...odd })
        yield* history.stepEnded(id, { ...odd, outcome: "failed", error: "it printed \0 and \ud800", detail: null })
        expect((yield* history.list(id)).at(-1)).toMatchObject({ outcome: "failed", attempt: 2 })
        const other = operationId("delete", uuid())
        const open = { ...key, attempt: maxEntries + 1 }
        yield* history.stepStarted(id, { ...started, ...open })
        yield* history.stepStarted(id, { ...started, ...open, operation: other })
        yield* history.operationEnded(id, key.operation)
        expect((yield* history.list(id)).slice(-3)).toMatchObject([
          { outcome: "failed", attempt: 2 },
          { outcome: "interrupted", attempt: maxEntries + 1, waitsFor: null },
          { outcome: "running", operation: other }
        ])
        yield* history.report(InstanceId.make(uuid()), "of nobody")
      })
    )

    it.effect("counts how often a step was begun, and opens its line again if it had not ended by itself", () =>
      Effect.gen(function* () {
        const history = yield* History
        const id = yield* create(aProject())
        const key = { operation: operationId("build", uuid()), step: "s", attempt: 1 }
        const started = { ...key, operationName: "build", waitsFor: "rain", deadline: 5 }
        yield* history.stepStarted(id, started)
        yield* history.stepEnded(id, { ...key, outcome: "interrupted", error: null, detail: null })
        const [cutOff] = yield* history.list(id)
        yield* history.stepStarted(id, { ...started, deadline: 9 })
        expect(yield* history.list(id)).toEqual([
          { ...cutOff, outcome: "running", waitsFor: "rain", endedAt: null, deadline: 9, begun: 2 }
        ])
        yield* history.stepEnded(id, { ...key, outcome: "done", error: null, detail: null })
        const [done] = yield* history.list(id)
        yield* history.stepStarted(id, started)
        expect(yield* history.list(id)).toEqual([{ ...done, outcome: "done", begun: 3 }])
        // A wait is opened each time that its workflow is read.
        const wait = { ...key, step: "wait", operationName: "build", waitsFor: "rain", deadline: 9 }
        yield* history.waitStarted(id, wait)
        yield* history.waitStarted(id, wait)
        expect((yield* history.list(id))[1]).toMatchObject({ step: "wait", outcome: "running", begun: 1 })
      })
    )

    it.effect("keeps an order's secrets until they are forgotten", () =>
      Effect.gen(function* () {
        const provisioning = yield* ProvisioningStore
        const user = { name: "ann", password: Redacted.make("s3cret"), host: null, databases: [{ name: "shop" }] }
        const id = yield* create(aProject(), { databases: [{ name: "shop" }], users: [user] })
        const kept = yield* provisioning.open(id)
        expect(kept.databases).toEqual([{ name: "shop" }])
        expect(kept.users.map(({ password }) => Redacted.value(password))).toEqual(["s3cret"])
        yield* provisioning.forget(id)
        expect(yield* provisioning.open(id)).toEqual(nothing)
      })
    )

    it.effect("remembers whether root was ever enabled", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const id = yield* create(aProject())
        expect(yield* instances.rootEnabled(id)).toBe("never")
        yield* instances.setRootEnabled(id, true, "ann")
        expect(yield* instances.rootEnabled(id)).toBe("enabled")
        yield* instances.setRootEnabled(id, false, "ann")
        expect(yield* instances.rootEnabled(id)).toBe("disabled")
      })
    )
  })
