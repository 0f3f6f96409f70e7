/** What every store of the catalog's changes must do: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, type Layer } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { type AddedVersion, type CatalogChanges, nothingChanged } from "../../src/services/catalog/CatalogChanges.ts"
import { CatalogStore } from "../../src/services/catalog/CatalogStore.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { create } from "./asApi.ts"

const project = ProjectId.make("catalog")

const version: AddedVersion = {
  ...{ id: "v-9", name: "nine", version: "9", manager: "postgresql", image: "postgres:9", active: true },
  ...{ packages: ["postgresql-9"], imageTags: [], datastore: "ds-9" }
}

const changes: CatalogChanges = {
  datastores: [{ id: "ds-9", name: "ninth" }],
  versions: [version],
  active: { "v-1": false },
  defaults: { "ds-9": "v-9", "ds-1": null },
  parameters: { "v-9": { work_mem: { name: "work_mem", type: "integer", restart: false, min: 64 }, port: null } },
  retired: [{ datastoreName: "eighth", version: { ...version, id: "v-8" }, at: 1e12 }]
}

const add = (id: string) =>
  Effect.flatMap(CatalogStore, ({ change }) =>
    change((before) => Effect.succeed({ ...before, versions: [...before.versions, { ...version, id }] }))
  )

export type CatalogStores = CatalogStore | Instances | Configurations | Lifecycles

export const catalogConformance = <R>(name: string, store: Layer.Layer<CatalogStores | R, unknown>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("begins with nothing, and keeps a change to the letter", () =>
      Effect.gen(function* () {
        const store = yield* CatalogStore
        expect(yield* store.changes).toEqual(nothingChanged)
        yield* store.change(() => Effect.succeed(changes))
        expect(yield* store.changes).toEqual(changes)
      })
    )

    it.effect("gives the very same value for as long as nothing changes", () =>
      Effect.gen(function* () {
        const store = yield* CatalogStore
        yield* store.change(() => Effect.succeed(changes))
        const first = yield* store.changes
        expect(yield* store.changes).toBe(first)
        yield* add("v-another")
        expect(yield* store.changes).not.toBe(first)
      })
    )

    it.effect("loses none of many changes at once", () =>
      Effect.gen(function* () {
        const store = yield* CatalogStore
        yield* store.change(() => Effect.succeed(nothingChanged))
        const ids = Array.from({ length: 20 }, (_, n) => `v-${n}`)
        yield* Effect.forEach(ids, add, { concurrency: "unbounded" })
        const { versions } = yield* store.changes
        expect(versions.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
      })
    )

    it.effect("changes nothing where a change fails, and says how", () =>
      Effect.gen(function* () {
        const store = yield* CatalogStore
        yield* store.change(() => Effect.succeed(changes))
        const refused = yield* Effect.flip(store.change(() => Effect.fail("a rule" as const)))
        expect(refused).toBe("a rule")
        expect(yield* store.changes).toEqual(changes)
      })
    )

    it.effect("gives what a list was made of to who is told how far it had come", () =>
      Effect.gen(function* () {
        const store = yield* CatalogStore
        const instances = yield* Instances
        const mine = ProjectId.make("catalog-listed")
        yield* create({ project: mine })
        const page = { limit: 20, marker: null }
        yield* add("v-since")
        const { offer } = yield* instances.list(mine, page)
        expect((yield* store.changesSince(offer)).versions.map(({ id }) => id)).toContain("v-since")
      })
    )

    it.effect("knows which versions instances and configuration groups need, until they are gone", () =>
      Effect.gen(function* () {
        const { used } = yield* CatalogStore
        const now = yield* Clock.currentTimeMillis
        const id = yield* create({ project, datastoreVersion: "v-of-instance" })
        yield* (yield* Configurations).create({
          ...{ id: "group-of-catalog", project, name: "tuned", description: null, datastoreVersion: "v-of-group" },
          ...{ values: {}, revision: 1, created: now, updated: now }
        })
        const asked = ["v-of-instance", "v-of-group", "v-of-none"]
        expect([...(yield* used(asked))].toSorted()).toEqual(["v-of-group", "v-of-instance"])
        expect([...(yield* used([]))]).toEqual([])

        const lifecycles = yield* Lifecycles
        const gone = { generation: 0, state: { _tag: "Deleted", at: now }, transition: null, handled: [] } as const
        yield* lifecycles.commit(id, gone)
        expect([...(yield* used(asked))]).toEqual(["v-of-group"])
        yield* (yield* Configurations).remove("group-of-catalog")
        expect([...(yield* used(asked))]).toEqual([])
      })
    )
  })
