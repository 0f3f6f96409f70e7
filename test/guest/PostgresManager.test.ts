/** The manager of PostgreSQL, by the conformance suite, on a real server. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { DatabaseRuntime } from "../../src/guest/DatabaseRuntime.ts"
import type { DatastoreSession, Endpoint } from "../../src/guest/DatastoreManager.ts"
import { PostgresManager } from "../../src/guest/PostgresManager.ts"
import { reservedDatabases, reservedUsers } from "../../src/guest/PostgresNames.ts"
import { readTail } from "../../src/layers/embedded/OwnedFiles.ts"
import { logFile } from "../../src/layers/runtime/LogFolder.ts"
import * as ProcessRuntime from "../../src/layers/runtime/ProcessRuntime.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import { datastoreManagerConformance } from "../conformance/datastoreManager.ts"
import { embeddedLayer, instance, postgresLogin } from "../layers/embeddedFixture.ts"

class Server extends Context.Service<Server, { readonly endpoint: Endpoint; readonly volume: string }>()(
  "test/Server"
) {
  static readonly with = (settings: Values) =>
    Layer.effect(
      Server,
      Effect.gen(function* () {
        const spec = { ...(yield* instance("postgresql")), settings }
        yield* (yield* DatabaseRuntime).start(spec, () => Effect.void)
        // It listens; on a busy machine that is a while before it serves.
        yield* Effect.retry(Effect.scoped(login(spec, "postgres", spec.adminPassword, "postgres")), {
          schedule: Schedule.spaced("20 millis"),
          times: 500
        })
        return { endpoint: spec, volume: spec.volume }
      })
    ).pipe(Layer.provide(ProcessRuntime.layer), Layer.provide(embeddedLayer))

  static readonly layer = Server.with({})

  /** It logs all that a configuration group can have it log. */
  static readonly talkative = Server.with({
    log_statement: "all",
    log_min_duration_statement: 0,
    log_min_error_statement: "debug5",
    log_min_messages: "debug5",
    log_transaction_sample_rate: 1,
    log_duration: true,
    debug_print_parse: true,
    debug_print_rewritten: true,
    debug_print_plan: true
  })
}

const login = (endpoint: Endpoint, user: string, password: Redacted.Redacted, database: string) =>
  postgresLogin({ ...endpoint, user, password, database })

const everything = (endpoint: Endpoint) =>
  login(endpoint, "postgres", endpoint.adminPassword, "postgres").pipe(
    Effect.flatMap((client) =>
      client.query(
        // The role that owns what deleted users left is made with the first of them, and stays.
        "SELECT rolname::text AS n FROM pg_roles WHERE rolname <> 'os_former_owners' UNION ALL SELECT datname::text FROM pg_database UNION ALL SELECT relname::text FROM pg_class ORDER BY 1"
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
      yield* session.changePasswords([{ name: "ann", password: Redacted.make("the-secret-2"), host: null }])
      yield* session.enableRoot(Redacted.make("the-secret-3"))
      const ann = yield* login(endpoint, "ann", Redacted.make("the-secret-2"), "postgres").pipe(Effect.flip)
      assert.isDefined(ann)
      const root = yield* login(endpoint, "root", Redacted.make("the-secret-3"), "postgres")
      yield* root.query("CREATE ROLE told PASSWORD 'a tenant''s own'")
      const log = readTail(logFile(volume, "general"), 100_000_000)
      assert.include(log, "CREATE ROLE told PASSWORD")
      assert.notInclude(log, "the-secret")
      yield* session.createDatabases([{ name: "latin", characterSet: "LATIN1", collate: "C" }])
      assert.deepEqual(yield* session.listDatabases({ limit: 9, marker: null, includeMarker: false }), [
        [{ name: "latin", characterSet: "LATIN1", collate: "C" }],
        null
      ])
      yield* Effect.flip(session.createDatabases([{ name: "odd", characterSet: "UTF8'; DROP DATABASE latin; --" }]))
    }).pipe(Effect.scoped, Effect.provide(Server.talkative)),
  60_000
)

/** A server of its own, for what depends on the state that it comes in. */
const onNewServer = (
  behaviour: string,
  test: (session: DatastoreSession, endpoint: Endpoint) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.live(
    behaviour,
    () =>
      Effect.gen(function* () {
        const { endpoint } = yield* Server
        const session = yield* PostgresManager.open(endpoint)
        yield* Effect.retry(session.ping, Schedule.spaced("20 millis"))
        yield* test(session, endpoint)
      }).pipe(Effect.scoped, Effect.provide(Server.layer)),
    60_000
  )

const user = (name: string, ...databases: ReadonlyArray<string>) => ({
  name,
  password: Redacted.make(`pw-of-${name}`),
  host: null,
  databases: databases.map((database) => ({ name: database }))
})
const loginAs = (endpoint: Endpoint, name: string, database: string) =>
  login(endpoint, name, Redacted.make(`pw-of-${name}`), database)

onNewServer("lets a deleted user's functions run with nobody's greater rights", (session, endpoint) =>
  Effect.gen(function* () {
    yield* session.createDatabases([{ name: "one" }])
    yield* session.createUsers([user("ann", "one"), user("bob", "one")])
    yield* Effect.scoped(
      Effect.gen(function* () {
        const ann = yield* loginAs(endpoint, "ann", "one")
        yield* ann.query(
          `CREATE FUNCTION public.passwords() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
           AS 'BEGIN RETURN (SELECT count(rolpassword) FROM pg_authid); END'`
        )
      })
    )
    yield* session.deleteUser("ann", null)
    const bob = yield* loginAs(endpoint, "bob", "one")
    yield* Effect.flip(bob.query("SELECT public.passwords()"))
    const [owner] = yield* bob.query(
      "SELECT rolname::text AS name, rolsuper, rolcanlogin FROM pg_roles JOIN pg_proc ON proowner = pg_roles.oid WHERE proname = 'passwords'"
    )
    assert.deepEqual(owner, { name: "os_former_owners", rolsuper: false, rolcanlogin: false })
    assert.deepEqual(
      (yield* session.listUsers({ limit: null, marker: null, includeMarker: false }))[0].map(({ name }) => name),
      ["bob"]
    )
  })
)

onNewServer("deletes a user whom root made a superuser, and who owns what only superusers can", (session, endpoint) =>
  Effect.gen(function* () {
    yield* session.createDatabases([{ name: "one" }])
    yield* session.createUsers([user("ann", "one")])
    const admin = yield* login(endpoint, "postgres", endpoint.adminPassword, "postgres")
    yield* admin.query("ALTER ROLE ann SUPERUSER")
    const ann = yield* loginAs(endpoint, "ann", "one")
    yield* ann.query("CREATE FOREIGN DATA WRAPPER anns")
    yield* session.deleteUser("ann", null)
    assert.isNull(yield* session.getUser("ann", null))
  })
)

onNewServer("keeps users out of the databases that the server came with", (session, endpoint) =>
  Effect.gen(function* () {
    yield* session.createDatabases([{ name: "one" }])
    yield* session.createUsers([user("ann", "one")])
    yield* loginAs(endpoint, "ann", "one")
    for (const database of ["postgres", "template1"]) {
      yield* Effect.flip(loginAs(endpoint, "ann", database))
    }
  })
)

onNewServer("closes a server that was made before, with the first ping", (session, endpoint) =>
  Effect.gen(function* () {
    yield* session.createUsers([user("ann")])
    const admin = yield* login(endpoint, "postgres", endpoint.adminPassword, "postgres")
    yield* admin.query("GRANT CONNECT ON DATABASE postgres, template1 TO PUBLIC")
    yield* loginAs(endpoint, "ann", "template1")
    const later = yield* PostgresManager.open(endpoint)
    yield* later.ping
    for (const database of ["postgres", "template1"]) yield* Effect.flip(loginAs(endpoint, "ann", database))
  })
)

onNewServer("makes databases although somebody is connected to template1", (session, endpoint) =>
  Effect.gen(function* () {
    const sitting = yield* login(endpoint, "postgres", endpoint.adminPassword, "template1")
    yield* sitting.query("SELECT 1")
    yield* session.createDatabases([{ name: "one" }])
  })
)
