/**
 * A PostgreSQL of the bench's own, as `coffer up` starts one (with its durability: fsync is on), with the control
 * plane's tables and rows that were not built by anybody.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { chmod } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { ControlPostgres } from "../src/layers/embedded/ControlPostgres.ts"
import { DataFolder } from "../src/layers/embedded/DataFolder.ts"
import { PostgresBinaries } from "../src/layers/embedded/PostgresBinaries.ts"
import * as Migrations from "../src/layers/postgres/Migrations.ts"

/** A folder that servers of other users can walk through, gone with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-bench-"))
    await chmod(folder, 0o755)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The version that the embedded catalog offers first. */
const version = "c0ffe700-0000-4000-8000-000000001001"

/** Starts it; `url` is for the children. */
export const open = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const server = ControlPostgres.layer.pipe(
    Layer.provide(PostgresBinaries.layer),
    Layer.provide(DataFolder.layer(join(folder, "data")))
  )
  const client = Layer.unwrap(Effect.map(ControlPostgres, ({ url }) => PgClient.layer({ url, maxConnections: 2 })))
  const context = yield* Layer.build(
    Migrations.layer.pipe(Layer.provideMerge(client), Layer.provideMerge(server), Layer.provide(NodeServices.layer))
  )
  const { url } = yield* Effect.provideContext(ControlPostgres, context)
  const sql = yield* Effect.provideContext(SqlClient.SqlClient, context)

  let calls = 0
  /** Instances that are up and were seen to be healthy, as far as the rows can tell. */
  const insertActive = (project: string, count: number) =>
    Effect.suspend(
      () => sql`
    WITH made AS (
      INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
      SELECT gen_random_uuid()::text, ${project}, 'instance-' || n, '1', 512, 1, ${version}, 'RegionOne', now(), now()
      FROM generate_series(1, ${count}::int) n RETURNING id
    ), numbered AS (
      SELECT id, row_number() OVER () AS n FROM made
    ), seen AS (
      INSERT INTO observations (instance, status, sent, heartbeat_at)
      SELECT id, 'healthy', now(), now() + interval '1 day' FROM made
    ), held AS (
      INSERT INTO quota_holds (instance, project, ram, volumes, committed) SELECT id, ${project}, 512, 1, true FROM made
    ), placed AS (
      INSERT INTO addresses (host, address, instance, confirmed)
      SELECT 'local', '127.' || ${100 + calls++}::int || '.' || n / 250 || '.' || n % 250, id, true FROM numbered
    )
    INSERT INTO lifecycles (instance, tag, state, generation, since)
    SELECT id, 'Active', '{"_tag":"Active"}', 3, now() FROM made`
    )

  return { url: Redacted.value(url), sql, insertActive }
})
