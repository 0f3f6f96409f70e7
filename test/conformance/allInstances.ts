/** What every store tells an administrator of all projects' instances. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, type Layer, Option } from "effect"
import type { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { AllInstances } from "../../src/services/AllInstances.ts"
import type { ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { move } from "./asActor.ts"
import { aProject, create } from "./asApi.ts"

type Store = AllInstances | Instances | Lifecycles

/** Ids of all pages of two. */
const idsOf = Effect.fnUntraced(function* (project: ProjectId | null, deleted: boolean | null) {
  const all = yield* AllInstances
  const ids: Array<string> = []
  let marker: string | null = null
  do {
    const page: Effect.Success<ReturnType<typeof all.list>> = yield* all.list(
      { project, deleted },
      { limit: 2, marker }
    )
    expect(page.items.length).toBeLessThanOrEqual(2)
    ids.push(...page.items.map(({ record }) => record.desired.id))
    marker = page.next
  } while (marker !== null)
  return ids
})

export const allInstancesConformance = <E>(name: string, store: Layer.Layer<Store, E>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("lists those of one project or of all, deleted or not, page by page", () =>
      Effect.gen(function* () {
        const [one, other] = [aProject(), aProject()]
        const mine = [
          yield* create({ project: one }),
          yield* create({ project: one }),
          yield* create({ project: one })
        ] as const
        const foreign = yield* create({ project: other })
        yield* move(mine[1], { _tag: "Deleted", at: 1 })
        expect(yield* idsOf(one, false)).toEqual([mine[0], mine[2]])
        expect(yield* idsOf(one, true)).toEqual([mine[1]])
        expect(yield* idsOf(one, null)).toEqual(mine)
        const all = yield* idsOf(null, null)
        expect(all).toEqual(expect.arrayContaining([...mine, foreign]))
        expect(all.toSorted()).toEqual(all)
        expect(yield* idsOf(aProject(), null)).toEqual([])
      })
    )

    it.effect("tells of one, deleted or not, and of its root", () =>
      Effect.gen(function* () {
        const all = yield* AllInstances
        const instances = yield* Instances
        const id = yield* create()
        const get = Effect.map(all.get(id), Option.getOrThrow)
        expect(yield* get).toMatchObject({ record: { state: "New", address: null }, host: null, root: null })
        const before = yield* Clock.currentTimeMillis
        yield* instances.setRootEnabled(id, true, "ann")
        const { root } = yield* get
        expect(root).toMatchObject({ enabled: true, by: "ann" })
        expect(root?.at).toBeGreaterThanOrEqual(before)
        yield* instances.setRootEnabled(id, false, "bob")
        expect((yield* get).root).toMatchObject({ enabled: false, by: "bob" })
        yield* move(id, { _tag: "Deleted", at: 1 })
        expect((yield* get).record.state).toBe("Deleted")
        expect(Option.isNone(yield* all.get("00000000-0000-4000-8010-ffffffffffff"))).toBe(true)
      })
    )
  })
