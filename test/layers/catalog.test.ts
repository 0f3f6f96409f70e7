import { expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, Tracer } from "effect"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import * as PgCatalogStore from "../../src/layers/postgres/PgCatalogStore.ts"
import { nothingChanged } from "../../src/services/catalog/CatalogChanges.ts"
import { CatalogStore } from "../../src/services/catalog/CatalogStore.ts"
import { ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { create } from "../conformance/asApi.ts"
import { catalogConformance } from "../conformance/catalog.ts"
import { stores } from "../support/postgres.ts"

catalogConformance("changes of the catalog in memory", MemoryStore.layer)
catalogConformance("changes of the catalog in PostgreSQL", stores)

/** How often PostgreSQL is asked for it. */
const questionsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let questions = 0
    const tracer = Tracer.make({
      span: (options) => {
        if (options.kind === "client") questions++
        return new Tracer.NativeSpan(options)
      }
    })
    return Effect.map(Effect.withTracer(effect, tracer), (value) => ({ value, questions }))
  })

const project = ProjectId.make("two-processes")
const page = { limit: 20, marker: null }

layer(stores, { excludeTestServices: true, timeout: 60_000 })("changes of the catalog in two processes", (it) => {
  it.effect("are asked for by a list where it tells of some that are not known here, and else not", () =>
    Effect.gen(function* () {
      const administrators = yield* CatalogStore
      const other = Context.get(yield* Layer.build(Layer.fresh(PgCatalogStore.layer)), CatalogStore)
      const instances = yield* Instances
      yield* create({ project })
      const changes = { ...nothingChanged, datastores: [{ id: "ds-9", name: "ninth" }] }
      yield* administrators.change(() => Effect.succeed(changes))

      const first = yield* questionsOf(instances.list(project, page))
      expect(first.questions).toBe(1)
      const { offer } = first.value
      expect(yield* questionsOf(other.changesSince(offer))).toEqual({ value: changes, questions: 1 })
      expect(yield* questionsOf(other.changesSince(offer))).toEqual({ value: changes, questions: 0 })

      const more = { ...changes, datastores: [...changes.datastores, { id: "ds-10", name: "tenth" }] }
      yield* administrators.change(() => Effect.succeed(more))
      const { offer: later } = yield* instances.list(project, page)
      expect(yield* other.changesSince(later)).toEqual(more)
    })
  )
})
