/** What every store of orders of another version must do: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, type Layer, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import type { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Accesses } from "../../src/services/Accesses.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { UpgradeOrders } from "../../src/services/DatastoreUpgrades.ts"
import { InstanceId, operationId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { load, move } from "./asActor.ts"
import { create, nothing, uuid } from "./asApi.ts"

export const anInstance = (configuration: string | null = null) =>
  create({ datastoreVersion: "v-1" }, nothing, configuration)

/** A configuration group of the first version. */
export const aGroup = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const group = { id: uuid(), project: ProjectId.make("p"), name: "tuned", description: null, created: now }
  const rest = { datastoreVersion: "v-1", values: {}, revision: 1, updated: now }
  yield* (yield* Configurations).create({ ...group, ...rest })
  return group.id
})

const commands = (id: InstanceId) => Effect.map(load(id), ({ mail }) => mail.map(({ command }) => command))
const record = (id: InstanceId) =>
  Effect.flatMap(Instances, (instances) => Effect.map(instances.get("any", id), Option.getOrThrow))
export const request = (id: InstanceId, version: string) =>
  Effect.flatMap(UpgradeOrders, (orders) => orders.request(id, version))

/** Somebody changes who may reach it: a Configure command, whatever it is doing. */
export const reach = (id: InstanceId) =>
  Effect.flatMap(Accesses, (accesses) => accesses.request(id, { allowed_cidrs: ["10.0.0.0/8"] }))

export const active: State = { _tag: "Active" }
const upgrading: State = { _tag: "Upgrading", operation: operationId("upgrade", "1"), deadline: 4e12, version: "v-2" }

export const upgradeOrdersConformance = <R>(
  name: string,
  store: Layer.Layer<UpgradeOrders | Accesses | Configurations | Instances | Lifecycles | R, unknown>
) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("takes one order of all that are asked for at once, at rest in service, and shows it at once", () =>
      Effect.gen(function* () {
        const id = yield* anInstance()
        expect(yield* request(id, "v-2")).toBe(false)
        expect(yield* request(InstanceId.make(uuid()), "v-2")).toBe(false)
        yield* move(id, active)
        const asked = Array.from({ length: 8 }, () => request(id, "v-2"))
        const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
        expect(answers.filter((accepted) => accepted)).toHaveLength(1)
        expect((yield* record(id)).state).toBe("Upgrading")
        expect(yield* commands(id)).toEqual([{ _tag: "Upgrade", version: "v-2" }])
        expect(yield* (yield* Instances).requestRestart(id)).toBe(false)

        yield* move(id, upgrading)
        expect([(yield* record(id)).state, yield* request(id, "v-2")]).toEqual(["Upgrading", false])
        expect((yield* record(id)).desired.datastoreVersion).toBe("v-1")
        yield* move(id, active, { version: "v-2" })
        expect((yield* record(id)).desired.datastoreVersion).toBe("v-2")
        expect((yield* record(id)).state).toBe("Active")
      })
    )

    it.effect("takes none where a restart is required or asked for, a group is on its way, or it is to go", () =>
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* move(id, { _tag: "Active", restartRequired: true })
        expect(yield* request(id, "v-2")).toBe(false)
        yield* move(id, active)
        expect(yield* (yield* Instances).requestRestart(id)).toBe(true)
        expect(yield* request(id, "v-2")).toBe(false)
        yield* move(id, active)
        yield* (yield* Instances).requestDelete(id)
        expect(yield* request(id, "v-2")).toBe(false)
        expect((yield* commands(id)).map(({ _tag }) => _tag)).toEqual(["Delete"])
      })
    )

    it.effect("takes none behind a change that its actor has yet to hear of", () =>
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* move(id, { _tag: "Restarting", operation: operationId("restart", "1"), deadline: 4e12 })
        yield* reach(id)
        // It came while the actor was in its turn.
        yield* move(id, active, { handled: [] })
        expect(yield* request(id, "v-2")).toBe(false)
        yield* move(id, active)
        expect(yield* request(id, "v-2")).toBe(true)
      })
    )

    it.effect("takes one to the version of the configuration group, and none to another", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const group = yield* aGroup
        const id = yield* anInstance(group)
        yield* move(id, active)
        expect(yield* request(id, "v-2")).toBe(false)
        yield* configurations.update(group, { name: null, description: null, values: () => ({ work_mem: 100 }) })
        expect(yield* request(id, "v-1")).toBe(false)
        yield* move(id, active)
        expect(yield* request(id, "v-1")).toBe(true)
        // What a group is attached to is not what it is then.
        expect(yield* configurations.attach(id, null)).toBe(false)
      })
    )
  })
