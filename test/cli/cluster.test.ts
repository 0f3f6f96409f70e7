/** `coffer cluster status`: over a real database as a process. */
import { NodeServices } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlRunnerStorage } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { sessionName } from "../../src/layers/cluster/Lease.ts"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import * as Migrations from "../../src/layers/postgres/Migrations.ts"
import { placementLock } from "../../src/layers/postgres/PgGuestHosts.ts"
import * as PgPool from "../../src/layers/postgres/PgPool.ts"
import { fileWith, key, secrets } from "../config/fixture.ts"
import { server } from "../support/postgres.ts"
import { coffer } from "./process.ts"

const one = "10.0.0.1:34431"

/** With sessions as the taskmanager at that address has them. */
const pool = Layer.unwrap(Effect.map(ControlPostgres, ({ url }) => PgPool.layer(url, sessionName(one))))
const stores = Migrations.layer.pipe(
  Layer.provideMerge(pool),
  Layer.provideMerge(server),
  Layer.provide(NodeServices.layer)
)

const status = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { url } = yield* ControlPostgres
  const config = yield* fileWith(`
[database]
url = "${Redacted.value(url)}"
[broker]
urls = ["amqp://coffer:${secrets.broker}@127.0.0.1:1"]
shared_guest_credentials = true
guest_urls = ["amqp://guests:${secrets.guests}@127.0.0.1:1"]
[secrets]
key = "${key}"`)
  return yield* coffer(["cluster", "status", ...args, "--config", config])
})

layer(stores, { excludeTestServices: true, timeout: 120_000 })("coffer cluster status", (it) => {
  it.effect(
    "tells who is there, what each has, and what waits",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        expect(yield* status()).toMatchObject({
          code: 0,
          err: "",
          out: "No taskmanager has been started yet.\n\nNo command waits.\nNo operation is under way.\n"
        })

        yield* Layer.build(SqlRunnerStorage.layerMigrations({}))
        yield* sql`
          INSERT INTO cluster_runners (address, runner, healthy, last_heartbeat) VALUES
            (${one}, '{}', true, now()), ('10.0.0.2:34431', '{}', true, now()),
            ('10.0.0.3:34431', '{}', true, now() - interval '5 minutes')`
        yield* sql`
          INSERT INTO taskmanagers (address, reported, started, actors, consumed, taken) VALUES
            (${one}, now(), now() - interval '1 hour', 12, 34, now()),
            ('10.0.0.3:34431', now() - interval '5 minutes', now() - interval '1 hour', 5, 6, now() - interval '5 minutes')`
        // It is about a placement just now, and that lock is no shard.
        yield* sql`SELECT pg_advisory_lock(4711, 1000001), pg_advisory_lock(4711, 1000002),
          pg_advisory_lock(${placementLock[0]}::int, ${placementLock[1]}::int)`
        for (const [id, minutes] of [
          ["a", 3],
          ["b", 90]
        ] as const) {
          yield* sql`
            INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
            VALUES (${id}, 'p', ${id}, '1', 512, 1, 'v', 'R', now(), now())`
          yield* sql`
            INSERT INTO lifecycles (instance, tag, state, generation, deadline, since)
            VALUES (${id}, 'Building', '{}', 1, now(), now() - make_interval(mins => ${minutes}))`
          yield* sql`
            INSERT INTO mailbox (instance, key, command, posted, handled)
            VALUES (${id}, 'k', '{}', now() - make_interval(mins => ${minutes}), CASE WHEN ${id} = 'b' THEN now() END)`
        }

        const { code, err, out } = yield* status()
        expect([code, err]).toEqual([0, ""])
        const [header, ...rows] = out.trimEnd().split("\n")
        expect(header).toMatch(/^ADDRESS +STATUS +SHARDS +ACTORS +CONSUMED +RUNS FOR$/)
        expect(rows[0]).toMatch(/^10\.0\.0\.1:34431 +alive +2 +12 +34\/min +60 min$/)
        // Its lease holds, and it has no session any more: it was killed just now.
        expect(rows[1]).toMatch(/^10\.0\.0\.2:34431 +gone for \d+ s +0 +- +- +-$/)
        expect(rows[2]).toMatch(/^10\.0\.0\.3:34431 +gone for 5 min +0 +- +- +-$/)
        expect(rows.slice(4)).toEqual([
          "1 command waits, the oldest for 3 min.",
          "2 operations are under way, the oldest for 90 min: b (Building)."
        ])

        // A machine that is busy enough takes a lease's time to answer.
        yield* sql`UPDATE cluster_runners SET last_heartbeat = now() WHERE address = ${one}`
        yield* sql`UPDATE taskmanagers SET reported = now() WHERE address = ${one}`
        const document = JSON.parse((yield* status("--json")).out)
        expect(document).toMatchObject({
          taskmanagers: [
            { address: one, alive: true, shards: 2, actors: 12, consumed_last_minute: 34 },
            { address: "10.0.0.2:34431", alive: false, actors: null, runs_seconds: null },
            { alive: false, shards: 0 }
          ],
          mail: { waiting: 1 },
          operations: { under_way: 2, oldest: { instance: "b", state: "Building" } }
        })
      }).pipe(Effect.scoped),
    120_000
  )
})
