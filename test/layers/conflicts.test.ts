/** Transactions that stand in each other's way, in a real PostgreSQL: who is undone is run again, and done once. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, Option, Schedule, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { again, isConflict, maxAgain } from "../../src/layers/postgres/Conflicts.ts"
import { History } from "../../src/services/History.ts"
import { InstanceId, OperationId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { stores } from "../support/postgres.ts"

const id = InstanceId.make("5d6c2f1e-0000-4000-8000-00000000c0f1")

const ordered = Effect.gen(function* () {
  yield* (yield* Instances).create(
    {
      id,
      project: ProjectId.make("one"),
      name: "db",
      flavor: "1",
      ram: 512,
      volumeSize: 1,
      volumeType: null,
      datastoreVersion: "v",
      region: "r",
      access: null,
      created: 1,
      updated: 1
    },
    { databases: [], users: [] }
  )
})

const decision = {
  generation: 0,
  state: { _tag: "Building", operation: OperationId.make("build-1"), deadline: 60_000 },
  transition: { from: "New", to: "Building", because: "create requested" },
  handled: []
} as const

/** Waits until so many sessions of this database wait for a lock of another. */
const waiting = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.pipe(
    Effect.filterOrFail((rows) => rows.length > 0),
    Effect.retry({ times: 400, schedule: Schedule.spaced("25 millis") })
  )
})

/** Another transaction that has the rows of the instance, and asks for its lifecycle when it is let. */
const rival = Effect.fnUntraced(function* (has: Deferred.Deferred<void>, goOn: Deferred.Deferred<void>) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.gen(function* () {
    // Who looks for deadlocks first is undone: it is to be the other.
    yield* sql`SET LOCAL deadlock_timeout = '60s'`
    yield* sql`UPDATE instances SET updated = now() WHERE id = ${id}`
    yield* Deferred.succeed(has, undefined)
    yield* Deferred.await(goOn)
    yield* sql`SELECT 1 FROM lifecycles WHERE instance = ${id} FOR UPDATE`
  }).pipe(sql.withTransaction)
})

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope | Layer.Success<typeof stores>>) =>
  it.live(name, () => test.pipe(Effect.scoped, Effect.provide(stores)), 60_000)

describe("of two transactions that stand in each other's way", () => {
  live(
    "the one that PostgreSQL undoes for a deadlock is run again, and done once",
    Effect.gen(function* () {
      yield* ordered
      const [has, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const other = yield* Effect.forkScoped(rival(has, goOn))
      yield* Deferred.await(has)
      const commit = yield* Effect.forkScoped((yield* Lifecycles).commit(id, decision))
      yield* waiting
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(other)
      yield* Fiber.join(commit)

      const loaded = Option.getOrThrow(yield* (yield* Lifecycles).load(id))
      expect(loaded).toMatchObject({ generation: 1, state: { _tag: "Building" } })
      const lines = yield* (yield* History).list(id)
      expect(lines.filter(({ kind }) => kind === "transition")).toHaveLength(1)
      // What was to be shown has happened; the server counts it a little later.
      const sql = yield* SqlClient.SqlClient
      yield* sql`SELECT 1 FROM pg_stat_database WHERE datname = current_database() AND deadlocks = 1`.pipe(
        Effect.filterOrFail((rows) => rows.length > 0),
        Effect.retry({ times: 400, schedule: Schedule.spaced("25 millis") })
      )
    })
  )

  live(
    "the one that cannot be serialized is run again, by what the other has written",
    Effect.gen(function* () {
      yield* ordered
      const sql = yield* SqlClient.SqlClient
      const rename = sql`UPDATE instances SET name = name || ' and one' WHERE id = ${id}`
      let runs = 0
      const transaction = Effect.gen(function* () {
        runs++
        yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
        yield* sql`SELECT name FROM instances WHERE id = ${id}`
        if (runs === 1) yield* Deferred.succeed(hasRead, undefined)
        if (runs === 1) yield* Deferred.await(goOn)
        yield* rename
      }).pipe(sql.withTransaction)
      const [hasRead, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const running = yield* Effect.forkScoped(again(transaction))
      yield* Deferred.await(hasRead)
      yield* rename
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(running)

      expect(runs).toBe(2)
      expect(yield* sql`SELECT name FROM instances WHERE id = ${id}`).toEqual([{ name: "db and one and one" }])
    })
  )

  live(
    "none is run again for another reason, or for ever",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      let runs = 0
      const counted = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.andThen(
          Effect.sync(() => runs++),
          effect
        )
      yield* Effect.exit(again(counted(sql`SELECT 1 / 0`)))
      expect(runs).toBe(1)

      runs = 0
      const conflict = sql`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`
      const exit = yield* Effect.exit(again(counted(conflict)))
      expect(runs).toBe(1 + maxAgain)
      expect(Exit.isFailure(exit) && isConflict(exit.cause)).toBe(true)
    })
  )
})
