/** What every store does with what tenants order, and with what that holds of their quota: a part of store.ts. */
import { expect } from "@effect/vitest"
import { Effect, Exit, Option, Redacted } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { InstanceId, type ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { ProvisioningStore } from "../../src/services/Provisioning.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { load, moveTo } from "./asActor.ts"
import { aProject, create, nothing, uuid } from "./asApi.ts"
import type { StoreTests } from "./store.ts"

/** What a project holds, by resource. */
const used = Effect.fnUntraced(function* (project: ProjectId) {
  const usage = yield* (yield* Quotas).usage(project)
  return Object.fromEntries(usage.map(({ inUse, reserved, resource }) => [resource, { inUse, reserved }]))
})

export const instancesTests = <R>(it: StoreTests<R>) => {
  it.effect("keeps what was ordered, for its own project only", () =>
    Effect.gen(function* () {
      const instances = yield* Instances
      const [mine, foreign] = [aProject(), aProject()]
      const access = { is_public: false, allowed_cidrs: ["10.0.0.0/8"] }
      const id = yield* create({ project: mine, access })
      const record = Option.getOrThrow(yield* instances.get({ project: mine }, id))
      expect(record).toMatchObject({ state: "New", fault: null, observed: null, address: null })
      expect(record.desired).toMatchObject({ name: "db", access: { allowed_cidrs: ["10.0.0.0/8"] } })
      expect(Option.isNone(yield* instances.get({ project: foreign }, id))).toBe(true)
      expect(Option.isSome(yield* instances.get("any", id))).toBe(true)
      expect(Option.isNone(yield* instances.get("any", "no such id"))).toBe(true)
      yield* instances.rename(id, "other")
      expect(Option.getOrThrow(yield* instances.get("any", id)).desired.name).toBe("other")
      expect(Object.keys(record.desired)).not.toContain("zone")
    })
  )

  it.effect("keeps where it is to be, for who builds it, too", () =>
    Effect.gen(function* () {
      const wanted = { zone: "az2", locality: "affinity" as const }
      const id = yield* create(wanted)
      expect(Option.getOrThrow(yield* (yield* Instances).get("any", id)).desired).toMatchObject(wanted)
      expect(Option.getOrThrow(yield* (yield* Lifecycles).desired(id))).toMatchObject(wanted)
    })
  )

  it.effect("lists by id, in pages", () =>
    Effect.gen(function* () {
      const instances = yield* Instances
      const project = aProject()
      const ids = [yield* create({ project }), yield* create({ project }), yield* create({ project })].sort()
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
      yield* create({ project })
      const refused = yield* Effect.flip(create({ project }))
      expect(refused.resources).toEqual(["ram"])
      expect(yield* used(project)).toMatchObject({ instances: { inUse: 0, reserved: 1 } })
      expect((yield* (yield* Instances).list(project, { limit: 10, marker: null })).items).toHaveLength(1)
    })
  )

  it.effect("grants no more than the quota to whatever asks at once", () =>
    Effect.gen(function* () {
      const project = aProject()
      yield* (yield* Quotas).setLimits(project, { instances: 5 })
      const asked = Array.from({ length: 12 }, () => Effect.exit(create({ project })))
      const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
      expect(answers.filter(Exit.isSuccess)).toHaveLength(5)
      expect(yield* used(project)).toMatchObject({ instances: { inUse: 0, reserved: 5 } })
    })
  )

  it.effect("reserves quota at the order, commits it at ACTIVE, and releases it with the delete, once", () =>
    Effect.gen(function* () {
      const project = aProject()
      const id = yield* create({ project, volumeSize: 3 })
      expect(yield* used(project)).toMatchObject({ volumes: { inUse: 0, reserved: 3 } })
      yield* moveTo(id, "Active")
      expect(yield* used(project)).toMatchObject({ volumes: { inUse: 3, reserved: 0 } })
      yield* (yield* Instances).requestDelete(id)
      yield* (yield* Instances).requestDelete(id)
      expect(yield* used(project)).toMatchObject({ volumes: { inUse: 0, reserved: 0 } })
      expect(Option.getOrThrow(yield* (yield* Instances).get("any", id)).state).toBe("Deleting")
    })
  )

  it.effect("takes a restart in service only, once, and shows it at once", () =>
    Effect.gen(function* () {
      const instances = yield* Instances
      const id = yield* create()
      const shown = Effect.map(instances.get("any", id), (record) => Option.getOrThrow(record).state)
      const listed = Effect.fnUntraced(function* () {
        const { project } = Option.getOrThrow(yield* instances.get("any", id)).desired
        return (yield* instances.list(project, { limit: 10, marker: null })).items.map(({ state }) => state)
      })
      expect(yield* instances.requestRestart(id)).toBe(false)
      expect(yield* instances.requestRestart(InstanceId.make(uuid()))).toBe(false)
      yield* moveTo(id, "Active")
      const before = Option.getOrThrow(yield* instances.get("any", id)).desired.updated
      yield* Effect.sleep("2 millis")
      expect(yield* instances.requestRestart(id)).toBe(true)
      expect([yield* shown, yield* listed()]).toEqual(["Restarting", ["Restarting"]])
      expect(Option.getOrThrow(yield* instances.get("any", id)).desired.updated).toBeGreaterThan(before)
      expect(yield* instances.requestRestart(id)).toBe(false)
      expect((yield* load(id)).mail.map(({ command }) => command._tag)).toEqual(["Restart"])

      yield* moveTo(id, "Restarting")
      expect([yield* shown, yield* instances.requestRestart(id)]).toEqual(["Restarting", false])
      yield* moveTo(id, "Active")
      expect([yield* shown, yield* listed()]).toEqual(["Active", ["Active"]])
      expect(yield* instances.requestRestart(id)).toBe(true)
      yield* instances.requestDelete(id)
      expect([yield* shown, yield* instances.requestRestart(id)]).toEqual(["Deleting", false])
      expect((yield* load(id)).mail.map(({ command }) => command._tag)).toEqual(["Restart", "Delete"])
      yield* moveTo(id, "Restarting")
      expect(yield* shown).toBe("Deleting")
    })
  )

  it.effect("shows the delete of one that failed at once, and not any more when it has failed itself", () =>
    Effect.gen(function* () {
      const instances = yield* Instances
      const id = yield* create()
      const shown = Effect.gen(function* () {
        const record = Option.getOrThrow(yield* instances.get("any", id))
        const { items } = yield* instances.list(record.desired.project, { limit: 10, marker: null })
        return [record.state, ...items.map(({ state }) => state)]
      })
      for (let n = 0; n < 2; n++) {
        yield* moveTo(id, "Failed")
        expect(yield* shown).toEqual(["Failed", "Failed"])
        yield* instances.requestDelete(id)
        expect(yield* shown).toEqual(["Deleting", "Deleting"])
      }
    })
  )

  it.effect("takes one restart of all that are asked for at once, and none after a delete", () =>
    Effect.gen(function* () {
      const instances = yield* Instances
      const id = yield* create()
      yield* moveTo(id, "Active")
      const asked = Array.from({ length: 8 }, () => instances.requestRestart(id))
      const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
      expect(answers.filter((accepted) => accepted)).toHaveLength(1)
      for (let n = 0; n < 10; n++) {
        const both = yield* create()
        yield* moveTo(both, "Active")
        const requests = [instances.requestDelete(both), Effect.asVoid(instances.requestRestart(both))]
        yield* Effect.all(requests, { concurrency: "unbounded" })
        expect((yield* load(both)).mail.at(-1)?.command._tag).toBe("Delete")
      }
    })
  )

  it.effect("keeps an order's secrets until they are forgotten", () =>
    Effect.gen(function* () {
      const provisioning = yield* ProvisioningStore
      const user = { name: "ann", password: Redacted.make("s3cret"), host: null, databases: [{ name: "shop" }] }
      const id = yield* create({}, { databases: [{ name: "shop" }], users: [user] })
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
      const id = yield* create()
      expect(yield* instances.rootEnabled(id)).toBe("never")
      yield* instances.setRootEnabled(id, true, "ann")
      expect(yield* instances.rootEnabled(id)).toBe("enabled")
      yield* instances.setRootEnabled(id, false, "ann")
      expect(yield* instances.rootEnabled(id)).toBe("disabled")
    })
  )
}
