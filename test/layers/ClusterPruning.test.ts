/** The workflow engine's tables stay as small as what is under way. */
import { NodeCrypto } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Effect, Layer, Option, Schedule, Schema } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { Activity, DurableDeferred, Workflow } from "effect/workflow"
import { pruneOnce } from "../../src/layers/postgres/ClusterPruning.ts"
import { stores } from "../support/postgres.ts"

/** As the payload of every operation has it. */
const operation = { instance: Schema.String, operation: Schema.String }

const Errand = Workflow.make("Errand", {
  payload: { id: Schema.String, waits: Schema.Boolean, ...operation },
  idempotencyKey: ({ id }) => id
})
const none = { instance: "", operation: "" }
const GoOn = DurableDeferred.make("GoOn")

const errand = Errand.toLayer(
  Effect.fnUntraced(function* ({ waits }) {
    yield* Activity.make({ name: "step", execute: Effect.void })
    if (waits) yield* DurableDeferred.await(GoOn)
  })
)

const engine = errand.pipe(
  Layer.provideMerge(ClusterWorkflowEngine.layer),
  Layer.provide(SingleRunner.layer({ runnerStorage: "memory" })),
  Layer.provideMerge(stores),
  Layer.provide([NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest])
)

const rows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly n: bigint }>`
    SELECT (SELECT count(*) FROM cluster_messages) + (SELECT count(*) FROM cluster_replies) AS n`
).pipe(Effect.map(([row]) => Number(row?.n)))

const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  effect.pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("20 millis") }), Effect.timeout("30 seconds"))

layer(engine, { excludeTestServices: true, timeout: 60_000 })("pruning", (it) => {
  it.effect("removes what has ended for long enough, and never what still waits", () =>
    Effect.gen(function* () {
      yield* Errand.execute({ id: "done", waits: false, ...none })
      const waiting = yield* Errand.execute({ id: "waiting", waits: true, ...none }, { discard: true })
      yield* until(Errand.poll(waiting), (result) => Option.isSome(result) && result.value._tag === "Suspended")

      expect(yield* pruneOnce(0)).toBe(0)
      const before = yield* rows
      expect(yield* pruneOnce(Date.now() + 1000)).toBe(1)
      expect(yield* rows).toBeLessThan(before)
      expect(Option.isSome(yield* Errand.poll(waiting))).toBe(true)

      const token = DurableDeferred.tokenFromExecutionId(GoOn, { workflow: Errand, executionId: waiting })
      yield* DurableDeferred.succeed(GoOn, { token, value: undefined })
      yield* until(Errand.poll(waiting), (result) => Option.isSome(result) && result.value._tag === "Complete")
      expect(yield* pruneOnce(Date.now() + 1000)).toBe(1)
      expect(yield* rows).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.effect("removes what came too late for an execution that is no more", () =>
    Effect.gen(function* () {
      const executionId = yield* Errand.execute({ id: "gone", waits: false, ...none }, { discard: true })
      yield* until(Errand.poll(executionId), Option.isSome)
      expect(yield* pruneOnce(Date.now() + 1000)).toBe(1)
      expect(yield* rows).toBe(0)
      const token = DurableDeferred.tokenFromExecutionId(GoOn, { workflow: Errand, executionId })
      yield* DurableDeferred.succeed(GoOn, { token, value: undefined })
      // Somebody who knew nothing of the removal has answered a step of it.
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO cluster_replies (id, kind, request_id, payload) VALUES (1, 0, 1, '{}')`
      yield* until(rows, (n) => n >= 3)
      expect(yield* pruneOnce(Date.now() + 1000)).toBe(0)
      expect(yield* rows).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "keeps what has ended as long as its instance is not at rest, for who waits for it would begin it anew",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const operation = { instance: "an-instance", operation: "build-1" }
        yield* sql`
        INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
        VALUES (${operation.instance}, 'p', 'n', '1', 1, 1, 'v', 'r', now(), now())`
        yield* sql`
        INSERT INTO lifecycles (instance, tag, state, generation, since)
        VALUES (${operation.instance}, 'Building', ${JSON.stringify({ operation: operation.operation })}::jsonb, 1, now())`
        yield* Errand.execute({ id: "wanted", waits: false, ...operation })
        expect(yield* pruneOnce(Date.now() + 1000)).toBe(0)
        // Such as the build that a delete has called off, when the delete is called off itself.
        yield* sql`UPDATE lifecycles SET state = '{"previous": "delete-1"}'`
        expect(yield* pruneOnce(Date.now() + 1000)).toBe(0)
        expect(yield* rows).toBeGreaterThan(0)
        yield* sql`UPDATE lifecycles SET state = '{}'`
        expect(yield* pruneOnce(Date.now() + 1000)).toBe(1)
        expect(yield* rows).toBe(0)
      })
  )

  it.effect("is done by one at a time, and in as many batches as there are", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(
        Array.from({ length: 620 }, (_, n) => n),
        (n) => Errand.execute({ id: `many-${n}`, waits: false, ...none }, { discard: true }),
        { concurrency: 32, discard: true }
      )
      yield* until(
        Effect.map(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT id FROM cluster_messages WHERE NOT processed`),
          ({ length }) => length
        ),
        (left) => left === 0
      )
      const pruned = yield* Effect.all([pruneOnce(Date.now() + 1000), pruneOnce(Date.now() + 1000)], {
        concurrency: 2
      })
      expect(Math.max(...pruned)).toBeGreaterThan(0)
      const rest = yield* pruneOnce(Date.now() + 1000)
      expect(pruned.reduce((sum, n) => sum + n, rest)).toBe(620)
      expect(yield* rows).toBe(0)
    })
  )
})
