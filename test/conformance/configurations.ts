/** What every store of configuration groups must do: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, type Layer, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import type { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { type ConfigurationGroup, Configurations } from "../../src/services/configuration/Configurations.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import { type InstanceId, operationId, type ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { mail, move } from "./asActor.ts"
import { aProject, create, nothing, uuid } from "./asApi.ts"

const aGroup = Effect.fnUntraced(function* (project: ProjectId, values: Values = { work_mem: 100 }) {
  const now = yield* Clock.currentTimeMillis
  const group: ConfigurationGroup = {
    ...{ id: uuid(), project, name: "tuned", description: null, datastoreVersion: "v" },
    ...{ values, revision: 1, created: now, updated: now }
  }
  yield* (yield* Configurations).create(group)
  return group
})

const anInstance = (project: ProjectId, configuration: string | null = null) =>
  create({ project }, nothing, configuration)

const record = (id: InstanceId) =>
  Effect.flatMap(Instances, (instances) => Effect.map(instances.get("any", id), Option.getOrThrow))

const active: State = { _tag: "Active" }
const configuring: State = { _tag: "Configuring", operation: operationId("configure", "1"), deadline: 4e12 }

export type ConfigurationStore = Configurations | Instances | Lifecycles

export const configurationsConformance = <R>(name: string, store: Layer.Layer<ConfigurationStore | R, unknown>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("keeps a group, for its own project only", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const [mine, foreign] = [aProject(), aProject()]
        const group = yield* aGroup(mine, { work_mem: 100, autovacuum: false, "search.path": "it's" })
        expect(Option.getOrThrow(yield* configurations.get({ project: mine }, group.id))).toEqual(group)
        expect(Option.getOrThrow(yield* configurations.get("any", group.id))).toEqual(group)
        expect(yield* configurations.get({ project: foreign }, group.id)).toEqual(Option.none())
        expect(yield* configurations.get("any", "nosuch")).toEqual(Option.none())
        expect((yield* configurations.list({ project: foreign }, { limit: 9, marker: null })).items).toEqual([])
      })
    )

    it.effect("lists by pages, in the order of ids", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const project = aProject()
        const ids = [(yield* aGroup(project)).id, (yield* aGroup(project)).id, (yield* aGroup(project)).id]
        const first = yield* configurations.list({ project }, { limit: 2, marker: null })
        expect([first.items.map(({ id }) => id), first.next]).toEqual([ids.slice(0, 2), ids[1]])
        const last = yield* configurations.list({ project }, { limit: 2, marker: first.next })
        expect([last.items.map(({ id }) => id), last.next]).toEqual([ids.slice(2), null])
      })
    )

    it.effect("attaches in service only, once, with a command", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const project = aProject()
        const group = yield* aGroup(project)
        const id = yield* anInstance(project)
        expect(yield* configurations.attach(id, group.id)).toBe(false)
        yield* move(id, active)
        expect(yield* configurations.attach(id, null)).toBe(false)
        expect(yield* configurations.attach(id, uuid())).toBe(false)
        expect(yield* configurations.attach(id, group.id)).toBe(true)
        expect(yield* mail(id)).toEqual(["Configure"])
        expect(yield* record(id)).toMatchObject({
          state: "Configuring",
          configuration: { id: group.id, name: "tuned", notApplied: null }
        })
        expect(yield* configurations.attach(id, group.id)).toBe(false)
        expect(yield* configurations.countInstances(group.id)).toBe(1)
        expect((yield* configurations.instances(group.id, { limit: 9, marker: null })).items).toEqual([
          { id, name: "db" }
        ])
        expect(Option.getOrThrow(yield* configurations.attachedTo(id))).toEqual(group)
        // What is on its way may be turned back.
        yield* move(id, configuring)
        expect(yield* configurations.attach(id, null)).toBe(true)
        expect(yield* mail(id)).toEqual(["Configure"])
        expect(yield* configurations.attachedTo(id)).toEqual(Option.none())
      })
    )

    it.effect("attaches and detaches where a restart is awaited, and not where one is asked for", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const project = aProject()
        const group = yield* aGroup(project)
        const id = yield* anInstance(project)
        yield* move(id, { _tag: "Active", restartRequired: true })
        expect((yield* record(id)).state).toBe("RestartRequired")
        expect(yield* configurations.attach(id, group.id)).toBe(true)
        expect(yield* configurations.attach(id, null)).toBe(true)
        expect(yield* mail(id)).toEqual(["Configure"])
        yield* move(id, active)
        expect(yield* (yield* Instances).requestRestart(id)).toBe(true)
        expect(yield* configurations.attach(id, group.id)).toBe(false)
        yield* move(id, { ...configuring, restart: true })
        expect((yield* record(id)).state).toBe("Restarting")
        expect(yield* configurations.attach(id, group.id)).toBe(false)
        expect(yield* (yield* Instances).requestRestart(id)).toBe(false)
      })
    )

    it.effect("tells each instance of a change, and bumps the revision", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const project = aProject()
        const group = yield* aGroup(project)
        const [serving, building, failed] = [
          yield* anInstance(project, group.id),
          yield* anInstance(project, group.id),
          yield* anInstance(project, group.id)
        ]
        const fault = { message: "", details: null, at: 0 }
        yield* move(serving, { _tag: "Active", restartRequired: true })
        yield* move(building, { _tag: "Building", operation: operationId("build", "1"), deadline: 4e12 })
        yield* move(failed, { _tag: "Failed", fault, previous: null })
        const told = yield* configurations.update(group.id, {
          name: null,
          description: "for the shop",
          values: (before) => ({ ...before, jit: false })
        })
        expect(told).toEqual([serving, building, failed])
        expect([yield* mail(serving), yield* mail(building), yield* mail(failed)]).toEqual([
          ["Configure"],
          ["Configure"],
          ["Configure"]
        ])
        expect(Option.getOrThrow(yield* configurations.get("any", group.id))).toMatchObject({
          name: "tuned",
          description: "for the shop",
          values: { work_mem: 100, jit: false },
          revision: 2
        })
        expect(yield* configurations.update(uuid(), { name: null, description: null, values: () => ({}) })).toEqual([])
      })
    )

    it.effect("removes what is attached to nothing, and a delete detaches", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const project = aProject()
        const group = yield* aGroup(project)
        const id = yield* anInstance(project, group.id)
        expect(yield* configurations.remove(group.id)).toBe("attached")
        yield* (yield* Instances).requestDelete(id)
        expect(yield* configurations.remove(group.id)).toBe("removed")
        expect(yield* configurations.remove(group.id)).toBe("missing")
      })
    )

    it.effect("keeps what has reached an instance, and shows what was refused until it has changed", () =>
      Effect.gen(function* () {
        const configurations = yield* Configurations
        const project = aProject()
        const group = yield* aGroup(project)
        const id = yield* anInstance(project, group.id)
        yield* move(id, active)
        expect(yield* configurations.applied(id)).toEqual({ told: {}, running: {}, refused: null })
        const refused = { configuration: group.id, revision: 1, reason: "no memory" }
        const applied = { told: { work_mem: 1 }, running: { jit: true }, refused }
        yield* configurations.setApplied(id, applied)
        expect(yield* configurations.applied(id)).toEqual(applied)
        expect((yield* record(id)).configuration?.notApplied).toBe("no memory")
        yield* configurations.update(group.id, { name: null, description: null, values: () => ({}) })
        expect((yield* record(id)).configuration?.notApplied).toBeNull()
        // Attached anew, it is tried anew.
        yield* move(id, active)
        yield* configurations.setApplied(id, { ...applied, refused: { ...refused, revision: 2 } })
        yield* configurations.attach(id, null)
        yield* configurations.attach(id, group.id)
        expect((yield* configurations.applied(id)).refused).toBeNull()
      })
    )
  })
