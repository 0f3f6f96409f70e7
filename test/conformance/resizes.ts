/** Resizes in a store: what they hold, what they become, and what is given back; run by memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Effect, type Layer, Option, Result } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { InstanceId, operationId, type ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { Resizes, type ResizeTarget } from "../../src/services/Resizes.ts"
import { load, move } from "./asActor.ts"
import { aProject, create, uuid } from "./asApi.ts"

type Store = Instances | Lifecycles | Quotas | Resizes

const larger: ResizeTarget = { _tag: "Flavor", flavor: "2", ram: 1024 }
const smaller: ResizeTarget = { _tag: "Flavor", flavor: "0", ram: 256 }
const volume = (size: number): ResizeTarget => ({ _tag: "Volume", size })

const active = { _tag: "Active" } as const
const resizing = (to: ResizeTarget): State => ({
  _tag: "Resizing",
  operation: operationId("resize", uuid()),
  deadline: 1,
  to
})

/** An instance in service, of 512 MB and 1 GB, in a project of its own. */
const inService = Effect.fnUntraced(function* (project = aProject()) {
  const id = yield* create({ project })
  yield* move(id, active)
  return { id, project }
})

const seen = { flavor: "1", volumeSize: 1 }

const ask = Effect.fnUntraced(function* (id: InstanceId, target: ResizeTarget, as = seen) {
  return yield* (yield* Resizes).request(id, as, target)
})

/** MB and GB, in use and reserved. */
const held = Effect.fnUntraced(function* (project: ProjectId) {
  const usage = yield* (yield* Quotas).usage(project)
  return ["ram", "volumes"].flatMap((name) => {
    const one = usage.find(({ resource }) => resource === name)
    return [one?.inUse, one?.reserved]
  })
})

const shown = (id: InstanceId) =>
  Effect.map(
    Effect.flatMap(Instances, (instances) => instances.get("any", id)),
    (record) => Option.getOrThrow(record).state
  )

export const resizesConformance = <E>(name: string, store: Layer.Layer<Store, E>) =>
  layer(store, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    it.effect("hold what they take more, show at once, and become what the instance is and holds", () =>
      Effect.gen(function* () {
        const { id, project } = yield* inService()
        expect(yield* ask(id, larger)).toBe(true)
        expect([yield* shown(id), yield* held(project)]).toEqual(["Resizing", [512, 512, 1, 0]])
        expect((yield* load(id)).mail.map(({ command }) => command)).toEqual([{ _tag: "Resize", to: larger }])
        yield* move(id, resizing(larger))
        expect([yield* shown(id), yield* held(project)]).toEqual(["Resizing", [512, 512, 1, 0]])
        yield* move(id, active, { resized: larger })
        expect(yield* held(project)).toEqual([1024, 0, 1, 0])
        const desired = Option.getOrThrow(yield* (yield* Lifecycles).desired(id))
        expect(desired).toMatchObject({ flavor: "2", ram: 1024, volumeSize: 1 })
        expect(yield* ask(id, volume(4), { flavor: "2", volumeSize: 1 })).toBe(true)
        expect(yield* held(project)).toEqual([1024, 0, 1, 3])
        yield* move(id, resizing(volume(4)))
        yield* move(id, active, { resized: volume(4) })
        expect(yield* held(project)).toEqual([1024, 0, 4, 0])
      })
    )

    it.effect("to less hold nothing more, and free what they free when they have succeeded", () =>
      Effect.gen(function* () {
        const { id, project } = yield* inService()
        yield* ask(id, smaller)
        yield* move(id, resizing(smaller))
        expect(yield* held(project)).toEqual([512, 0, 1, 0])
        yield* move(id, active, { resized: smaller })
        expect(yield* held(project)).toEqual([256, 0, 1, 0])
      })
    )

    it.effect("that end otherwise give back what they held, and that alone", () =>
      Effect.gen(function* () {
        const failed: State = {
          _tag: "Failed",
          fault: { message: "", details: null, at: 1 },
          previous: null,
          again: "service"
        }
        for (const end of [active, failed]) {
          const { id, project } = yield* inService()
          yield* ask(id, larger)
          yield* move(id, resizing(larger))
          yield* move(id, end)
          expect(yield* held(project)).toEqual([512, 0, 1, 0])
        }
        // One that nobody began: its command was handled, and that was all.
        const { id, project } = yield* inService()
        yield* ask(id, larger)
        yield* move(id, active)
        expect(yield* held(project)).toEqual([512, 0, 1, 0])
      })
    )

    it.effect("are held for while they wait, in the mailbox or in a state that remembers them", () =>
      Effect.gen(function* () {
        const { id, project } = yield* inService()
        yield* ask(id, larger)
        const configuring = { _tag: "Configuring", operation: operationId("configure", uuid()), deadline: 1 } as const
        yield* move(id, configuring, { handled: [] })
        expect(yield* held(project)).toEqual([512, 512, 1, 0])
        yield* move(id, { ...configuring, resize: larger })
        expect([yield* shown(id), yield* held(project)]).toEqual(["Resizing", [512, 512, 1, 0]])
        yield* move(id, configuring)
        expect([yield* shown(id), yield* held(project)]).toEqual(["Configuring", [512, 0, 1, 0]])
        expect(yield* ask(id, larger)).toBe(true)
      })
    )

    it.effect("hold nothing after a delete was asked for", () =>
      Effect.gen(function* () {
        const { id, project } = yield* inService()
        yield* ask(id, larger)
        yield* (yield* Instances).requestDelete(id)
        expect(yield* held(project)).toEqual([0, 0, 0, 0])
        expect(yield* ask(id, larger)).toBe(false)
        yield* move(id, resizing(larger))
        yield* move(id, active, { resized: larger })
        expect(yield* held(project)).toEqual([0, 0, 0, 0])
      })
    )

    it.effect("are one at a time, beside no restart, and of what was seen", () =>
      Effect.gen(function* () {
        const instances = yield* Instances
        const { id, project } = yield* inService()
        expect(yield* ask(id, larger, { flavor: "0", volumeSize: 1 })).toBe(false)
        expect(yield* ask(id, volume(2), { flavor: "1", volumeSize: 3 })).toBe(false)
        const asked = yield* Effect.all(
          Array.from({ length: 6 }, (_, n) => ask(id, n % 2 === 0 ? larger : volume(2))),
          { concurrency: "unbounded" }
        )
        expect(asked.filter((accepted) => accepted)).toHaveLength(1)
        const total = (yield* held(project)).reduce<number>((sum, one) => sum + (one ?? 0), 0)
        expect([513 + 512, 513 + 1]).toContain(total)
        expect(yield* instances.requestRestart(id)).toBe(false)
        yield* move(id, active)
        expect(yield* instances.requestRestart(id)).toBe(true)
        expect(yield* ask(id, larger)).toBe(false)
        const building = yield* inService()
        yield* move(building.id, { _tag: "Building", operation: operationId("build", uuid()), deadline: 1 })
        expect(yield* ask(building.id, larger)).toBe(false)
        expect(yield* ask(InstanceId.make(uuid()), larger)).toBe(false)
      })
    )

    it.effect("never hold more together than the quota has, whatever asks at once", () =>
      Effect.gen(function* () {
        const project = aProject()
        const quotas = yield* Quotas
        yield* quotas.setLimits(project, { ram: 4 * 512 + 2 * 512, volumes: 4 + 3, instances: 6 })
        const all = yield* Effect.all(Array.from({ length: 4 }, () => inService(project)))
        const results = yield* Effect.all(
          all.map(({ id }) => Effect.result(ask(id, larger))),
          { concurrency: "unbounded" }
        )
        expect(results.filter(Result.isSuccess)).toHaveLength(2)
        const refused = results.filter(Result.isFailure)
        expect(refused.map(({ failure }) => failure.resources)).toEqual([["ram"], ["ram"]])
        expect(yield* held(project)).toEqual([4 * 512, 2 * 512, 4, 0])
        const late = yield* Effect.all(
          all
            .flatMap(({ id }, n) => (results[n] !== undefined && Result.isFailure(results[n]) ? [id] : []))
            .map((id) => Effect.result(ask(id, volume(3)))),
          { concurrency: "unbounded" }
        )
        expect(late.filter(Result.isSuccess)).toHaveLength(1)
        expect(yield* held(project)).toEqual([4 * 512, 2 * 512, 4, 2])
      })
    )
  })
