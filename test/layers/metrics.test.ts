/** What `/metrics` tells of instances and operations is what the store holds. */
import { expect, it, layer } from "@effect/vitest"
import { Effect, Layer, Metric, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { AuditListener } from "../../src/actors/Audits.ts"
import type { State } from "../../src/actors/Instance.ts"
import * as Metrics from "../../src/layers/Metrics.ts"
import { InstanceId, operationId } from "../../src/services/Ids.ts"
import { StoredState } from "../../src/services/Status.ts"
import { stores } from "../support/postgres.ts"

/** By its attributes, `state=Active` or `kind=build`. */
const gauges = (id: string) =>
  Effect.map(
    Metric.snapshot,
    (metrics) =>
      new Map(
        metrics.flatMap(({ attributes, id: found, state }) =>
          found === id && "value" in state
            ? Object.entries(attributes ?? {}).map(([key, value]) => [`${key}=${value}`, Number(state.value)] as const)
            : []
        )
      )
  )

const insert = Effect.fnUntraced(function* (id: string, state: State, secondsAgo: number) {
  const sql = yield* SqlClient.SqlClient
  const since = new Date(Date.now() - secondsAgo * 1000)
  yield* sql`
    INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
    VALUES (${id}, 'p', 'db', '1', 1, 1, 'v', 'r', ${since}, ${since})`
  yield* sql`
    INSERT INTO lifecycles (instance, tag, state, generation, since)
    VALUES (${id}, ${state._tag}, ${JSON.stringify(state)}::jsonb, 1, ${since})`
})

it.effect("tells what the last audit found, and nothing once this process audits no more", () =>
  Effect.gen(function* () {
    const tell = yield* AuditListener
    const one = { resource: "home", place: "host a", host: "a", state: null, since: null, remedy: null } as const
    const instance = InstanceId.make("aaaaaaaa-0000-4000-8000-000000000001")
    const finding = { ...one, instance, finding: "orphan", holdsData: true, outcome: null, detail: null } as const
    const unseen = [{ place: "the broker", reason: "away" }]
    yield* tell({ at: 5000, looked: [], unseen, findings: [finding, finding], total: 2 })
    const values = Effect.map(Metric.snapshot, (metrics) =>
      metrics.flatMap(({ attributes, id, state }) =>
        id.startsWith("coffer_audit_") && "value" in state && Number(state.value) !== 0
          ? [[id, attributes?.["finding"], attributes?.["resource"], Number(state.value)]]
          : []
      )
    )
    expect((yield* values).toSorted()).toEqual([
      ["coffer_audit_findings", "orphan", "home", 2],
      ["coffer_audit_last_seconds", undefined, undefined, 5],
      ["coffer_audit_places_unseen", undefined, undefined, 1]
    ])
    yield* tell(null)
    expect(yield* values).toEqual([])
  }).pipe(Effect.provide(Metrics.ofAudits))
)

layer(stores, { excludeTestServices: true, timeout: 60_000 })("metrics", (it) => {
  it.effect("count the instances of every state, and the operations under way with the age of the oldest", () =>
    Effect.gen(function* () {
      const deadline = Date.now() + 60_000
      yield* insert("a", { _tag: "Active" }, 500)
      yield* insert("b", { _tag: "Restarting", operation: operationId("restart", "b"), deadline }, 100)
      yield* insert("c", { _tag: "Restarting", operation: operationId("restart", "c"), deadline }, 10)
      yield* insert("d", { _tag: "Building", operation: operationId("build", "d"), deadline }, 50)
      const fault = { message: "late", details: null, at: 0 }
      yield* insert("e", { _tag: "Failed", fault, previous: operationId("build", "e"), again: "build" }, 70)
      yield* insert("f", { _tag: "Failed", fault, previous: null, again: "build" }, 700)
      const sql = yield* SqlClient.SqlClient
      yield* insert("g", { _tag: "Active" }, 5)
      yield* sql`UPDATE lifecycles SET tag = 'Pausing', state = '{"_tag":"Pausing"}' WHERE instance = 'g'`
      yield* sql`
        INSERT INTO mailbox (instance, key, command, posted, handled, set_aside)
        VALUES ('f', 'poison', '{"_tag":"Explode"}', now(), now(), 'nobody can read it')`
      yield* Layer.build(Metrics.layer)
      // The last that is read of a look at the store.
      const oldest = yield* gauges("coffer_operation_oldest_seconds").pipe(
        Effect.repeat({ until: (found) => found.has("kind=delete"), schedule: Schedule.spaced("20 millis") }),
        Effect.timeout("10 seconds")
      )
      const instances = yield* gauges("coffer_instances")
      expect([...instances.keys()].toSorted()).toEqual(StoredState.literals.map((tag) => `state=${tag}`).toSorted())
      expect(instances.get("state=Active")).toBe(1)
      expect(instances.get("state=Unknown")).toBe(1)
      expect(instances.get("state=Restarting")).toBe(2)
      expect(instances.get("state=Failed")).toBe(2)
      const running = yield* gauges("coffer_operations_running")
      expect([...running]).toEqual(
        expect.arrayContaining([
          ["kind=build", 1],
          ["kind=restart", 2],
          ["kind=delete", 0]
        ])
      )
      expect(oldest.get("kind=restart")).toBeGreaterThanOrEqual(100)
      expect(oldest.get("kind=restart")).toBeLessThan(200)
      expect(oldest.get("kind=delete")).toBe(0)
      const aside = Metric.snapshot.pipe(
        Effect.map((metrics) => metrics.find(({ id }) => id === "coffer_mailbox_set_aside")?.state),
        Effect.repeat({ until: (state) => state !== undefined, schedule: Schedule.spaced("20 millis") }),
        Effect.timeout("10 seconds")
      )
      expect(yield* aside).toMatchObject({ value: 1 })
      const calledOff = yield* gauges("coffer_operations_called_off")
      expect([calledOff.get("kind=build"), calledOff.get("kind=delete")]).toEqual([1, 0])
      const since = yield* gauges("coffer_operation_called_off_oldest_seconds")
      expect(since.get("kind=build")).toBeGreaterThanOrEqual(70)
      expect(since.get("kind=build")).toBeLessThan(170)
    }).pipe(Effect.scoped)
  )
})
