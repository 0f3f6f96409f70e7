/** What an audit sees of the workflow engine's tables, and what it takes out of them. */
import { NodeCrypto } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Effect, Layer, Option, Schedule, Schema } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { Activity, DurableDeferred, Workflow } from "effect/workflow"
import * as PgJournal from "../../src/layers/postgres/PgJournal.ts"
import { InstanceId, operationId } from "../../src/services/Ids.ts"
import { JournalInventory } from "../../src/services/Inventories.ts"
import { client, stores } from "../support/postgres.ts"

const Errand = Workflow.make("Errand", {
  payload: { instance: Schema.String, operation: Schema.String, waits: Schema.Boolean },
  idempotencyKey: ({ operation }) => operation
})
const GoOn = DurableDeferred.make("GoOn")

const errand = Errand.toLayer(
  Effect.fnUntraced(function* ({ waits }) {
    yield* Activity.make({ name: "step", execute: Effect.void })
    if (waits) yield* DurableDeferred.await(GoOn)
  })
)

const engine = Layer.merge(errand, PgJournal.layer).pipe(
  Layer.provideMerge(ClusterWorkflowEngine.layer),
  Layer.provide(SingleRunner.layer({ runnerStorage: "memory" })),
  Layer.provideMerge(stores),
  Layer.provide([NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest])
)

const known = InstanceId.make("00000000-0000-4000-8000-00000000000a")
const lost = InstanceId.make("00000000-0000-4000-8000-00000000000b")

const opened = Effect.flatMap(JournalInventory, ({ open }) =>
  Effect.map(open, ({ found }) => found.map(({ instance, operation }) => `${instance} ${operation}`))
)

const hasBegun = Effect.fnUntraced(function* (payload: {
  readonly instance: string
  readonly operation: string
  readonly waits: boolean
}) {
  const id = yield* Errand.execute(payload, { discard: true })
  yield* Errand.poll(id).pipe(
    Effect.repeat({ until: Option.isSome, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("10 seconds")
  )
})

layer(engine, { excludeTestServices: true, timeout: 60_000 })("the journal", (it) => {
  it.effect("is told of operations that have not ended, and loses those that no state waits for", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
        VALUES (${known}, 'p', 'n', '1', 1, 1, 'v', 'r', now(), now())`
      const [building, forgotten] = [operationId("build", "1"), operationId("restart", "2")]
      yield* sql`
        INSERT INTO lifecycles (instance, tag, state, generation, since)
        VALUES (${known}, 'Building', ${JSON.stringify({ operation: building })}::jsonb, 1, now())`
      yield* hasBegun({ instance: known, operation: building, waits: true })
      yield* hasBegun({ instance: known, operation: forgotten, waits: true })
      yield* hasBegun({ instance: lost, operation: operationId("build", "3"), waits: true })
      yield* hasBegun({ instance: lost, operation: operationId("build", "4"), waits: false })

      const { covers, found } = yield* (yield* JournalInventory).open
      expect(covers).toEqual(["journal"])
      expect(Math.abs(Date.now() - (found[0]?.since ?? 0))).toBeLessThan(60_000)
      expect(yield* opened).toEqual([`${known} ${building}`, `${known} ${forgotten}`, `${lost} build-3`])
      yield* (yield* JournalInventory).forget(lost)
      yield* (yield* JournalInventory).forget(known)
      expect(yield* opened).toEqual([`${known} ${building}`])
      // What has ended is pruned in its time.
      const left = yield* sql`SELECT DISTINCT entity_id FROM cluster_messages`
      expect(left.length).toBe(2)
    })
  )
})

layer(PgJournal.layer.pipe(Layer.provide(client)), { excludeTestServices: true, timeout: 60_000 })(
  "a journal that no taskmanager has begun yet",
  (it) => {
    it.effect("is empty", () =>
      Effect.gen(function* () {
        const journal = yield* JournalInventory
        expect(yield* journal.open).toEqual({ covers: ["journal"], found: [] })
        yield* journal.forget(lost)
      })
    )
  }
)
