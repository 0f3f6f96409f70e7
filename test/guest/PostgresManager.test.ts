/** The manager of PostgreSQL, by the conformance suite, on a real server. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import { DatabaseRuntime } from "../../src/guest/DatabaseRuntime.ts"
import type { Endpoint } from "../../src/guest/DatastoreManager.ts"
import { PostgresManager } from "../../src/guest/PostgresManager.ts"
import { reservedDatabases, reservedUsers } from "../../src/guest/PostgresNames.ts"
import { readTail } from "../../src/layers/embedded/OwnedFiles.ts"
import * as ProcessRuntime from "../../src/layers/runtime/ProcessRuntime.ts"
import { datastoreManagerConformance } from "../conformance/datastoreManager.ts"
import { embeddedLayer, instance, postgresLogin } from "../layers/embeddedFixture.ts"

class Server extends Context.Service<Server, { readonly endpoint: Endpoint; readonly volume: string }>()(
  "test/Server"
) {
  static readonly layer = Layer.effect(
    Server,
    Effect.gen(function* () {
      const spec = yield* instance("postgresql")
      yield* (yield* DatabaseRuntime).start(spec, () => Effect.void)
      return { endpoint: spec, volume: spec.volume }
    })
  ).pipe(Layer.provide(ProcessRuntime.layer), Layer.provide(embeddedLayer))
}

const login = (endpoint: Endpoint, user: string, password: Redacted.Redacted, database: string) =>
  postgresLogin({ ...endpoint, user, password, database })

const everything = (endpoint: Endpoint) =>
  login(endpoint, "postgres", endpoint.adminPassword, "postgres").pipe(
    Effect.flatMap((client) =>
      client.query(
        "SELECT rolname::text AS n FROM pg_roles UNION ALL SELECT datname::text FROM pg_database UNION ALL SELECT relname::text FROM pg_class ORDER BY 1"
      )
    ),
    Effect.map((rows) => rows.map((row) => String(Object.values(row as object)[0]))),
    Effect.scoped
  )

datastoreManagerConformance("PostgresManager", {
  manager: PostgresManager,
  layer: Server.layer,
  endpoint: Effect.map(Server, ({ endpoint }) => endpoint),
  login,
  anyDatabase: "postgres",
  everything,
  isName: (name) =>
    name !== "" &&
    name.isWellFormed() &&
    !name.includes("\0") &&
    Buffer.byteLength(name) <= 63 &&
    !/\s$/.test(name) &&
    !name.startsWith("pg_") &&
    ![...reservedDatabases, ...reservedUsers, "public", "none"].includes(name),
  reserved: { databases: reservedDatabases, users: [...reservedUsers, "public", "none", "pg_monitor"] },
  runs: 40
})

it.live(
  "keeps passwords out of the server's log and of refusals, and honours character set and collation",
  () =>
    Effect.gen(function* () {
      const { endpoint, volume } = yield* Server
      const session = yield* PostgresManager.open(endpoint)
      // It listens; on a busy machine that is a while before it serves.
      yield* Effect.retry(session.ping, Schedule.spaced("20 millis"))
      yield* session
        .createUsers([
          { name: "ann", password: Redacted.make("the-secret"), host: null, databases: [] },
          { name: "bob", password: Redacted.make("the-secret\0"), host: null, databases: [] }
        ])
        .pipe(
          Effect.flip,
          Effect.tap((refusal) => Effect.sync(() => assert.notInclude(refusal.message, "the-secret")))
        )
      assert.notInclude(readTail(`${volume}/server.log`, 100_000), "the-secret")
      yield* session.createDatabases([{ name: "latin", characterSet: "LATIN1", collate: "C" }])
      assert.deepEqual(yield* session.listDatabases({ limit: 9, marker: null, includeMarker: false }), [
        [{ name: "latin", characterSet: "LATIN1", collate: "C" }],
        null
      ])
      yield* Effect.flip(session.createDatabases([{ name: "odd", characterSet: "UTF8'; DROP DATABASE latin; --" }]))
    }).pipe(Effect.scoped, Effect.provide(Server.layer)),
  60_000
)
