/** When a taskmanager that is of no use leaves, and when it stays; over a real database. */
import { NodeServices } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { SqlRunnerStorage } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { lease } from "../../../src/layers/cluster/Lease.ts"
import * as Leaving from "../../../src/layers/cluster/Leaving.ts"
import { Tenure } from "../../../src/layers/cluster/Tenure.ts"
import { FabricHealth } from "../../../src/layers/fabric/RabbitFabric.ts"
import * as Migrations from "../../../src/layers/postgres/Migrations.ts"
import * as Postgres from "../../support/postgres.ts"

const database = Layer.mergeAll(Migrations.layer, SqlRunnerStorage.layerMigrations({})).pipe(
  Layer.provideMerge(Postgres.client),
  Layer.provide(NodeServices.layer)
)

/** A taskmanager that took its last message when it was started, and what it did since. */
const world = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE taskmanagers, cluster_runners`
  const self = { takenAt: 0, holds: true }
  const ended: Array<string> = []
  const { holds, look } = yield* Leaving.make("me:1", (reason) => Effect.sync(() => void ended.push(reason))).pipe(
    Effect.provideService(
      FabricHealth,
      FabricHealth.of({
        isConnected: () => true,
        servers: () => [{ topic: "taskmanager", lastTaken: () => self.takenAt, count: () => 0 }]
      })
    ),
    Effect.provideService(Tenure, Tenure.of({ check: () => {}, held: () => self.holds, renewing: () => () => {} }))
  )
  /** Somebody else took a message so long ago. */
  const another = (seconds: number) => sql`
    INSERT INTO taskmanagers (address, reported, started, actors, consumed, taken)
    VALUES ('other:1', now(), now(), 0, 0, now() - make_interval(secs => ${seconds}))`
  const anotherRenews = sql`INSERT INTO cluster_runners (address, runner, healthy) VALUES ('other:1', '{}', true)`
  return { self, ended, holds, look, another, anotherRenews }
})

const past = Duration.sum(Leaving.patience, Duration.seconds(1))

layer(database, { excludeTestServices: true, timeout: 120_000 })("a taskmanager", (it) => {
  it.effect("that takes nothing, while another does, leaves", () =>
    Effect.gen(function* () {
      const { another, ended, look } = yield* world
      yield* another(1)
      yield* TestClock.adjust(Leaving.patience)
      expect([yield* look, ended]).toEqual([false, []])
      yield* TestClock.adjust("1 second")
      expect(yield* look).toBe(true)
      expect(ended).toEqual([expect.stringMatching(/it has taken nothing from the broker for 1m, and others do/)])
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("stays when nobody takes anything: the broker is away for all", () =>
    Effect.gen(function* () {
      const { another, ended, look } = yield* world
      yield* another(300)
      yield* TestClock.adjust(past)
      expect([yield* look, ended]).toEqual([false, []])
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("stays when it is alone", () =>
    Effect.gen(function* () {
      const { ended, look, self } = yield* world
      self.holds = false
      yield* TestClock.adjust(past)
      expect([yield* look, ended]).toEqual([false, []])
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("that can hold no shard says so soon, and leaves if another can", () =>
    Effect.gen(function* () {
      const { anotherRenews, ended, holds, look, self } = yield* world
      yield* anotherRenews
      yield* TestClock.adjust(past)
      self.takenAt = Duration.toMillis(past)
      yield* holds
      self.holds = false
      yield* TestClock.adjust(Duration.sum(lease, Duration.seconds(1)))
      expect((yield* Effect.flip(holds)).message).toBe("no shard was held for 10 s")
      expect(yield* look).toBe(false)
      yield* TestClock.adjust("51 seconds")
      self.takenAt += 60_000
      expect([yield* look, ended]).toEqual([true, [expect.stringMatching(/it could hold no shard for 1m/)]])
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("that works stays", () =>
    Effect.gen(function* () {
      const { another, anotherRenews, ended, look, self } = yield* world
      yield* another(1)
      yield* anotherRenews
      yield* TestClock.adjust(Duration.times(past, 10))
      self.takenAt = Duration.toMillis(Duration.times(past, 10))
      expect([yield* look, ended]).toEqual([false, []])
    }).pipe(Effect.provide(TestClock.layer()))
  )
})
