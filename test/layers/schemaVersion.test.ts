/** Which versions of the tables a release works with, and how it knows that an upgrade is under way. */
import { NodeServices } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import * as Migrations from "../../src/layers/postgres/Migrations.ts"
import * as PgUpgrades from "../../src/layers/postgres/PgUpgrades.ts"
import * as SchemaVersion from "../../src/layers/postgres/SchemaVersion.ts"
import { Upgrades } from "../../src/services/Upgrades.ts"
import { client } from "../support/postgres.ts"

/** The tables as a release has them that has these migrations beyond ours. */
const tablesWith = Effect.fnUntraced(function* (...names: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP SCHEMA public CASCADE`
  yield* sql`CREATE SCHEMA public`
  yield* Effect.scoped(Layer.build(Migrations.layer))
  for (const [n, name] of names.entries()) {
    yield* sql`INSERT INTO ${sql(Migrations.table)} (migration_id, name) VALUES (${Migrations.newest + 1 + n}, ${name})`
  }
})

const isUnderWay = Effect.scoped(
  Effect.flatMap(Layer.build(PgUpgrades.layer), (built) => Context.get(built, Upgrades).isUnderWay)
)

/** What a process says of them when it starts, or why it does not. */
const start = Effect.gen(function* () {
  const said: Array<string> = []
  const logger = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
  const exit = yield* Effect.exit(Effect.provide(SchemaVersion.checkAtStart, logger))
  return Exit.isSuccess(exit) ? said : String(exit.cause)
})

layer(Layer.merge(client, NodeServices.layer), { excludeTestServices: true, timeout: 60_000 })("tables", (it) => {
  it.effect("of this very release are no upgrade", () =>
    Effect.gen(function* () {
      yield* tablesWith()
      expect(yield* isUnderWay).toBe(false)
      expect(yield* start).toEqual([])
    })
  )

  it.effect(
    "of a newer release that only adds let a process of this one start, and tell that an upgrade is under way",
    () =>
      Effect.gen(function* () {
        yield* tablesWith("pausing", "more_of_it")
        expect(yield* isUnderWay).toBe(true)
        expect(yield* start).toEqual([expect.stringContaining("an upgrade is under way")])
      })
  )

  it.effect("of a newer release that takes something away refuse it", () =>
    Effect.gen(function* () {
      yield* tablesWith("pausing", `${Migrations.breaking}states`, "after_it")
      expect(yield* start).toContain("it was migrated by a newer release")
    })
  )

  it.effect("of an older release refuse it, until they are migrated", () =>
    Effect.gen(function* () {
      yield* tablesWith()
      const sql = yield* SqlClient.SqlClient
      yield* sql`DELETE FROM ${sql(Migrations.table)} WHERE migration_id = ${Migrations.newest}`
      expect(yield* isUnderWay).toBe(false)
      expect(yield* start).toContain("Run: coffer db migrate")
    })
  )
})
