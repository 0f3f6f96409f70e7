/** The workflow engine's tables stay as small as what is under way. */
import { NodeCrypto } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Effect, Layer, Option, Schedule, Schema } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { Activity, DurableDeferred, Workflow } from "effect/workflow"
import { pruneOnce } from "../../src/layers/postgres/ClusterPruning.ts"
import { client } from "../support/postgres.ts"

const Errand = Workflow.make("Errand", {
  payload: { id: Schema.String, waits: Schema.Boolean },
  idempotencyKey: ({ id }) => id
})
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
  Layer.provideMerge(client),
  Layer.provide([NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest])
)

const rows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly n: bigint }>`
    SELECT (SELECT count(*) FROM cluster_messages) + (SELECT count(*) FROM cluster_replies) AS n`
).pipe(Effect.map(([row]) => Number(row?.n)))

const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  effect.pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("20 millis") }), Effect.timeout("10 seconds"))

layer(engine, { excludeTestServices: true, timeout: 60_000 })("pruning", (it) => {
  it.effect("removes what has ended for long enough, and never what still waits", () =>
    Effect.gen(function* () {
      yield* Errand.execute({ id: "done", waits: false })
      const waiting = yield* Errand.execute({ id: "waiting", waits: true }, { discard: true })
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
})
