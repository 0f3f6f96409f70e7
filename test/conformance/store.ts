/** What every store must do, whatever it keeps its rows in: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, Exit, type Layer, Option, Redacted } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Addresses } from "../../src/services/Addresses.ts"
import { History, maxEntries } from "../../src/services/History.ts"
import { InstanceId, type OperationId, operationId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { type Provisioning, ProvisioningStore } from "../../src/services/Provisioning.ts"
import { Quotas } from "../../src/services/Quotas.ts"

export type Store = Instances | Lifecycles | Observations | History | Addresses | ProvisioningStore | Quotas

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

const move = Effect.fnUntraced(function* (id: InstanceId, tag: "Active" | "Deleted") {
  const { generation, mail } = yield* load(id)
  const now = yield* Clock.currentTimeMillis
  yield* (yield* Lifecycles).commit(id, {
    generation,
    state: tag === "Active" ? { _tag: tag } : { _tag: tag, at: now },
    transition: { from: "Building", to: tag, because: "test" },
    handled: mail.map(({ seq }) => seq)
  })
})

const used = Effect.fnUntraced(function* (project: ProjectId) {
  const usage = yield* (yield* Quotas).usage(project)
  return Object.fromEntries(usage.map(({ inUse, reserved, resource }) => [resource, { inUse, reserved }]))
})

export const storeConformance = (name: string, store: Layer.Layer<Store, unknown>) =>
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
        expect(yield* lifecycles.prune(0)).toBe(0)
        expect((yield* (yield* History).list(dead)).length).toBe(1)
        expect(yield* lifecycles.prune((yield* Clock.currentTimeMillis) + 1)).toBeGreaterThan(0)
        expect(Option.isNone(yield* lifecycles.load(dead))).toBe(true)
        expect(yield* (yield* History).list(dead)).toEqual([])
        expect(Option.isSome(yield* lifecycles.load(alive))).toBe(true)
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
        yield* observations.recordFailure(id, "it broke")
        expect(Option.getOrThrow(yield* observations.get(id))).toMatchObject({
          status: "healthy",
          heartbeatAt: 1030,
          failure: "it broke"
        })
        yield* observations.forget(id)
        expect(Option.isNone(yield* observations.get(id))).toBe(true)
      })
    )

    it.effect("tells once which guests have gone silent, and when they come back", () =>
      Effect.gen(function* () {
        const observations = yield* Observations
        const id = yield* create(aProject())
        const beat = (sent: number) => ({ instance: id, status: "healthy" as const, sent, receivedAt: sent })
        yield* observations.record([beat(10)])
        expect(yield* observations.silentSince(100)).not.toContain(id)
        yield* move(id, "Active")
        expect(yield* observations.silentSince(100)).toContain(id)
        expect(yield* observations.silentSince(100)).not.toContain(id)
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
        for (let n = 0; n < maxEntries + 5; n++) yield* history.report(id, `line ${n}`)
        const lines = yield* history.list(id)
        expect(lines).toHaveLength(maxEntries)
        expect(lines.at(-1)).toMatchObject({ text: `line ${maxEntries + 4}` })
        const odd = { ...key, attempt: 2 }
        yield* history.stepStarted(id, { ...started, ...odd })
        yield* history.stepEnded(id, { ...odd, outcome: "failed", error: "it printed \0 and \ud800", detail: null })
        expect((yield* history.list(id)).at(-1)).toMatchObject({ outcome: "failed", attempt: 2 })
        yield* history.report(InstanceId.make(uuid()), "of nobody")
      })
    )

    it.effect("gives each instance an address of its own, the same whenever asked, until it is released", () =>
      Effect.gen(function* () {
        const addresses = yield* Addresses
        const [one, two] = [yield* create(aProject()), yield* create(aProject())]
        const first = yield* addresses.ensure(one, 5432)
        expect(yield* addresses.ensure(one, 5432)).toBe(first)
        expect(yield* addresses.ensure(two, 5432)).not.toBe(first)
        expect(Option.getOrThrow(yield* (yield* Instances).get("any", one)).address).toBe(first)
        yield* addresses.release(one)
        expect(yield* addresses.ensure(yield* create(aProject()), 5432)).not.toBe(first)
        expect(Option.getOrThrow(yield* (yield* Instances).get("any", one)).address).toBeNull()
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
