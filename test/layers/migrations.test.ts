/** Databases of earlier releases: what they hold is there after the migration. */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Migrations from "../../src/layers/postgres/Migrations.ts"
import * as PgPlacements from "../../src/layers/postgres/PgPlacements.ts"
import { Compute, ServerSpec } from "../../src/services/Compute.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { Placements } from "../../src/services/Placements.ts"
import { localHost } from "../../src/services/Placing.ts"
import { serverSpec } from "../conformance/guestHosts.ts"
import { client } from "../support/postgres.ts"

let drawn = 0
const insertInstance = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = InstanceId.make(`00000000-0000-4000-8002-${String(++drawn).padStart(12, "0")}`)
  yield* sql`
    INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
    VALUES (${id}, 'p', 'db', '1', 512, 1, 'v', 'R', now(), now())`
  return id
})

/** A database of the first release, whose addresses have gone round so far; null: none was ever given out. */
const firstRelease = Effect.fnUntraced(function* (lastGiven: number | null, owned: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP SCHEMA public CASCADE`
  yield* sql`CREATE SCHEMA public`
  yield* Effect.scoped(Layer.build(Migrations.layerUntil(1)))
  if (lastGiven !== null) yield* sql`SELECT setval('address_cursor', ${lastGiven}::bigint)`
  return yield* Effect.forEach(owned, (address) =>
    Effect.tap(insertInstance, (id) => sql`INSERT INTO addresses (address, instance) VALUES (${address}, ${id})`)
  )
})

const thisRelease = Effect.gen(function* () {
  yield* Layer.build(Migrations.layer)
  const built = yield* Layer.build(PgPlacements.layer([localHost("127.76.0.0/16")]))
  return Context.get(built, Placements)
})

const next = Effect.fnUntraced(function* (placements: Placements["Service"]) {
  const sql = yield* SqlClient.SqlClient
  const id = yield* insertInstance
  yield* sql`
    INSERT INTO lifecycles (instance, tag, state, generation, since) VALUES (${id}, 'New', '{"_tag":"New"}', 0, now())`
  const wanted = { port: 5432, memoryMb: 512, agent: "coffer" as const, zone: null }
  return yield* placements.ensure(id, wanted)
})

const everythingIsFree = Layer.succeed(
  Compute,
  Compute.of({
    portOf: () => 5432,
    isFree: () => Effect.succeed(true),
    ensure: () => Effect.void,
    destroy: () => Effect.void
  })
)

const world = Layer.mergeAll(client, NodeServices.layer, everythingIsFree)

layer(world, { excludeTestServices: true, timeout: 60_000 })("a database of before there were many hosts", (it) => {
  it.effect("keeps who has which address, and goes on where the addresses had gone round to", () =>
    Effect.gen(function* () {
      const owned = ["127.76.0.41", "127.76.0.43"]
      const ids = yield* firstRelease(40, owned)
      const placements = yield* thisRelease
      for (const [n, id] of ids.entries()) {
        assert.deepEqual(Option.getOrThrow(yield* placements.find(id)), { host: "local", address: owned[n] })
      }
      assert.deepEqual(yield* next(placements), { host: "local", address: "127.76.0.42" })
      assert.strictEqual((yield* next(placements)).address, "127.76.0.44")
    }).pipe(Effect.scoped)
  )

  it.effect("begins again where the addresses had gone round to the last", () =>
    Effect.gen(function* () {
      const [id] = yield* firstRelease(65_023, ["127.76.255.254"])
      const placements = yield* thisRelease
      assert.isTrue(id !== undefined && Option.isSome(yield* placements.find(id)))
      assert.strictEqual((yield* next(placements)).address, "127.76.0.1")
    }).pipe(Effect.scoped)
  )

  it.effect("begins at the beginning where no address was ever given out", () =>
    Effect.gen(function* () {
      yield* firstRelease(null, [])
      assert.strictEqual((yield* next(yield* thisRelease)).address, "127.76.0.1")
    }).pipe(Effect.scoped)
  )

  it.effect("has journals of builds in which no host and no agent is named", () =>
    Effect.gen(function* () {
      const { agent: _, host: __, ...earlier } = serverSpec("a")
      const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(ServerSpec))
      assert.deepEqual(yield* decode(earlier), { ...earlier, host: "local", agent: "coffer" })
      const now = { ...earlier, host: "beta", agent: "trove" as const }
      assert.deepEqual(yield* decode(Schema.encodeSync(Schema.toCodecJson(ServerSpec))(now)), now)
    })
  )
})
