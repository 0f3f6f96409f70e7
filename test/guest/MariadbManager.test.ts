/** The manager of MariaDB, by the conformance suite and by what only MariaDB has, on a real server in a container. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import * as fc from "fast-check"
import { DatabaseRuntime } from "../../src/guest/DatabaseRuntime.ts"
import type { Endpoint } from "../../src/guest/DatastoreManager.ts"
import { MariadbManager } from "../../src/guest/MariadbManager.ts"
import { checkDatabaseName, checkUserName, reservedDatabases, reservedUsers } from "../../src/guest/MariadbNames.ts"
import { readTail } from "../../src/layers/embedded/OwnedFiles.ts"
import { logFile } from "../../src/layers/runtime/LogFolder.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import { datastoreManagerConformance } from "../conformance/datastoreManager.ts"
import { containerSpec, dockerLayer, missingEngine, mysqlLogin } from "../support/containers.ts"

class Server extends Context.Service<Server, Endpoint & { readonly volume: string }>()("test/MariadbServer") {
  static readonly with = (settings: Values) =>
    Layer.effect(
      Server,
      Effect.gen(function* () {
        const spec = { ...(yield* containerSpec("mariadb", 20)), settings }
        yield* (yield* DatabaseRuntime).start(spec, () => Effect.void)
        return spec
      })
    ).pipe(Layer.provide(dockerLayer))

  static readonly fresh = Server.with({})

  /** One whose root has been taken over: from then on the manager leaves no trace but what it is told to make. */
  static readonly managed = Layer.tap(Server.fresh, (context) =>
    Effect.scoped(Effect.flatMap(MariadbManager.open(Context.get(context, Server)), (session) => session.ping))
  )
}

/** Pieces that mean something to the server, its client or a file system. */
const hostile = fc.string({
  unit: fc.constantFrom(
    ...["`", "``", "'", '"', ";", "--", "/*", "*/", ".", "..", "/", "%", "_", "?", "??", "@", "#", "#mysql50#", ":a"],
    ...["\\", " ", "\n", "\0", "é", "中", "💾", "\u202e", "\ud800", "mysql", "sys", "a", "A", "x".repeat(30)]
  ),
  minLength: 0,
  maxLength: 6
})

const secret = (text: string) => Redacted.make(text)
const asAdministrator = (endpoint: Endpoint, sql: string) =>
  mysqlLogin(endpoint, "os_admin", endpoint.adminPassword, "").pipe(
    Effect.flatMap((client) => client.query(sql)),
    Effect.map((rows) => rows.map((row) => Object.values(row as object).join("@"))),
    Effect.scoped
  )

const isName = (name: string) =>
  Effect.runSync(Effect.isSuccess(Effect.andThen(checkDatabaseName(name), checkUserName(name))))

const named = `MariadbManager${missingEngine === null ? "" : ` (skipped: ${missingEngine})`}`

describe.skipIf(missingEngine !== null)(named, () => {
  datastoreManagerConformance("conformance", {
    manager: MariadbManager,
    layer: Server.managed,
    endpoint: Effect.map(Server, (endpoint) => endpoint),
    login: mysqlLogin,
    anyDatabase: "",
    everything: (endpoint) =>
      asAdministrator(
        endpoint,
        `SELECT CONCAT(User, IF(User = 'root', '', CONCAT('@', Host))) AS n FROM mysql.user
         UNION ALL SELECT SCHEMA_NAME FROM information_schema.SCHEMATA
         UNION ALL SELECT CONCAT('grant ', Db, ' ', User) FROM mysql.db
         UNION ALL SELECT CONCAT('table ', TABLE_SCHEMA, ' ', TABLE_NAME) FROM information_schema.TABLES ORDER BY 1`
      ),
    isName,
    reserved: { databases: [...reservedDatabases, "MySQL"], users: [...reservedUsers, "Root"] },
    runs: 150
  })

  const live = (name: string, test: (endpoint: Endpoint) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(name, () => Effect.flatMap(Server, test).pipe(Effect.scoped, Effect.provide(Server.fresh)), 60_000)

  live("takes the image's root for itself, so that nobody has root until it is enabled", (endpoint) =>
    Effect.gen(function* () {
      yield* mysqlLogin(endpoint, "root", endpoint.adminPassword, "")
      const session = yield* MariadbManager.open(endpoint)
      yield* session.ping
      yield* Effect.flip(mysqlLogin(endpoint, "root", endpoint.adminPassword, ""))
      assert.deepEqual(yield* asAdministrator(endpoint, "SELECT User, Host FROM mysql.user ORDER BY 1, 2"), [
        "mariadb.sys@localhost",
        "os_admin@%",
        "root@localhost"
      ])
      yield* (yield* MariadbManager.open(endpoint)).ping
      yield* session.enableRoot(secret("root's"))
      const root = yield* mysqlLogin(endpoint, "root", secret("root's"), "")
      yield* root.query("CREATE USER other IDENTIFIED BY 'pw'")
      yield* root.query("GRANT ALL ON *.* TO other")
      yield* session.disableRoot
      yield* Effect.flip(root.query("SELECT 1"))
    })
  )

  live("goes on with a takeover that was cut short, and drops anonymous users", (endpoint) =>
    Effect.gen(function* () {
      const root = yield* mysqlLogin(endpoint, "root", endpoint.adminPassword, "")
      for (const who of ["''@'%'", "''@'localhost'", "'root'@'127.0.0.1'"]) {
        yield* root.query(`CREATE USER ${who} IDENTIFIED BY 'x'`)
      }
      yield* (yield* MariadbManager.open(endpoint)).ping
      assert.deepEqual(
        yield* asAdministrator(endpoint, "SELECT User, Host FROM mysql.user WHERE User IN ('', 'root')"),
        ["root@localhost"]
      )
    })
  )

  live("keeps apart what only looks alike: wildcards in names, hosts, case", (endpoint) =>
    Effect.gen(function* () {
      const session = yield* MariadbManager.open(endpoint)
      yield* session.createDatabases(["a_b", "axb", "a%", "A_B"].map((name) => ({ name })))
      const databases = [{ name: "a_b" }]
      yield* session.createUsers([
        { name: "ann", password: secret("pw"), host: null, databases },
        { name: "ann", password: secret("pw-2"), host: "10.0.%", databases: [] },
        { name: "Ann", password: secret("pw-3"), host: "Example.ORG", databases: [{ name: "a%" }] }
      ])
      const ann = yield* mysqlLogin(endpoint, "ann", secret("pw"), "a_b")
      for (const other of ["axb", "a%", "A_B", "mysql"]) yield* Effect.flip(ann.query(`USE \`${other}\``))
      const [users] = yield* session.listUsers({ limit: null, marker: null, includeMarker: false })
      assert.deepEqual(users, [
        { name: "Ann", host: "example.org", databases: [{ name: "a%" }] },
        { name: "ann", host: "%", databases },
        { name: "ann", host: "10.0.%", databases: [] }
      ])
      assert.deepEqual(
        (yield* session.listUsers({ limit: 1, marker: "ann@%", includeMarker: false }))[0],
        users.slice(2)
      )
      assert.deepEqual(yield* session.getUser("Ann", "EXAMPLE.org"), users[0])
      yield* session.deleteUser("ann", "10.0.%")
      assert.isNotNull(yield* session.getUser("ann", null))
      assert.isNull(yield* session.getUser("ann", "10.0.%"))
    })
  )

  live("forgets the grants on a database with it", (endpoint) =>
    Effect.gen(function* () {
      const session = yield* MariadbManager.open(endpoint)
      yield* session.createDatabases([{ name: "shop_1" }])
      yield* session.createUsers([{ name: "ann", password: secret("pw"), host: null, databases: [{ name: "shop_1" }] }])
      yield* session.deleteDatabase("shop_1")
      yield* session.createDatabases([{ name: "shop_1" }])
      yield* Effect.flip(mysqlLogin(endpoint, "ann", secret("pw"), "shop_1"))
      assert.deepEqual((yield* session.getUser("ann", null))?.databases, [])
    })
  )

  live("honours character set and collation, with utf8mb4 for those that name none", (endpoint) =>
    Effect.gen(function* () {
      const session = yield* MariadbManager.open(endpoint)
      yield* session.createDatabases([
        { name: "both", characterSet: "latin1", collate: "latin1_german1_ci" },
        { name: "collated", collate: "latin2_czech_cs" },
        { name: "plain", characterSet: null }
      ])
      const [databases] = yield* session.listDatabases({ limit: null, marker: null, includeMarker: false })
      assert.deepEqual(databases, [
        { name: "both", characterSet: "latin1", collate: "latin1_german1_ci" },
        { name: "collated", characterSet: "latin2", collate: "latin2_czech_cs" },
        { name: "plain", characterSet: "utf8mb4", collate: "utf8mb4_general_ci" }
      ])
      for (const characterSet of ["klingon", "utf8; DROP DATABASE plain", "latin1 COLLATE x"]) {
        yield* Effect.flip(session.createDatabases([{ name: "odd", characterSet }]))
      }
      yield* Effect.flip(session.createDatabases([{ name: "odd", characterSet: "latin1", collate: "utf8mb4_bin" }]))
    })
  )

  live("is not led astray by what the tenant's root sets for the whole server, and shows no password", (endpoint) =>
    Effect.gen(function* () {
      const session = yield* MariadbManager.open(endpoint)
      yield* session.enableRoot(secret("root's"))
      const root = yield* mysqlLogin(endpoint, "root", secret("root's"), "")
      yield* root.query("SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")
      yield* root.query("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
      const password = secret("'; DROP USER os_admin; -- \\' \\")
      yield* session.createUsers([{ name: "ann", password, host: null, databases: [] }])
      yield* mysqlLogin(endpoint, "ann", password, "")
      yield* session.ping
      assert.notInclude(JSON.stringify(yield* root.query("SELECT argument FROM mysql.general_log")), "os_admin; --")
      yield* root.query("INSTALL SONAME 'simple_password_check'").pipe(Effect.ignore)
      const weak = { name: "bob", password: secret("weak-pw"), host: null, databases: [] }
      const told = yield* session.createUsers([weak]).pipe(Effect.flip, Effect.option)
      assert.notInclude(JSON.stringify(told), "weak-pw")
    })
  )

  it.live(
    "keeps passwords out of all of the server's logs, from its first start on",
    () =>
      Effect.gen(function* () {
        const endpoint = yield* Server
        const session = yield* MariadbManager.open(endpoint)
        yield* session.createUsers([{ name: "ann", password: secret("the-secret"), host: null, databases: [] }])
        yield* session.changePasswords([{ name: "ann", password: secret("the-secret-2"), host: null }])
        yield* session.enableRoot(secret("the-secret-3"))
        const root = yield* mysqlLogin(endpoint, "root", secret("the-secret-3"), "")
        yield* root.query("CREATE USER told IDENTIFIED BY 'a tenant''s own'")
        for (const log of ["general", "slow_query"]) {
          const path = logFile(endpoint.volume, log)
          while (!readTail(path, 1_000_000).includes("CREATE USER told")) yield* Effect.sleep("20 millis")
          assert.notInclude(readTail(path, 1_000_000), "the-secret")
          assert.notInclude(readTail(path, 1_000_000), Redacted.value(endpoint.adminPassword).slice(0, 6))
        }
        assert.include(readTail(logFile(endpoint.volume, "error"), 1_000_000), "ready for connections")
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Server.with({
            general_log: true,
            slow_query_log: true,
            long_query_time: 0,
            log_queries_not_using_indexes: true,
            log_slow_min_examined_row_limit: 0
          })
        )
      ),
    60_000
  )

  live("checks all names before it makes anything", (endpoint) =>
    Effect.gen(function* () {
      const session = yield* MariadbManager.open(endpoint)
      const user = (name: string, host: string | null) => ({ name, password: secret("pw"), host, databases: [] })
      yield* Effect.flip(session.createDatabases([{ name: "fine" }, { name: "#mysql50#../x" }]))
      yield* Effect.flip(session.createUsers([user("fine", null), user("o'neill", null)]))
      yield* Effect.flip(session.createUsers([user("fine", null), user("bob", "'%'; --")]))
      yield* Effect.flip(session.createUsers([{ ...user("bob", null), databases: [{ name: "mysql" }] }]))
      assert.deepEqual((yield* session.listDatabases({ limit: null, marker: null, includeMarker: false }))[0], [])
      assert.deepEqual((yield* session.listUsers({ limit: null, marker: null, includeMarker: false }))[0], [])
    })
  )

  live("takes any database name for what it is, or refuses it and makes nothing", (endpoint) =>
    Effect.gen(function* () {
      const session = yield* MariadbManager.open(endpoint)
      const page = { limit: null, marker: null, includeMarker: false }
      const password = secret("pw")
      yield* session.createDatabases([{ name: "canary" }])
      const databases = Effect.map(session.listDatabases(page), ([found]) => found.map(({ name }) => name))
      const outcomes = { made: 0, refused: 0 }
      const property = fc.asyncProperty(hostile, (name) =>
        Effect.gen(function* () {
          const made = yield* Effect.isSuccess(session.createDatabases([{ name }]))
          outcomes[made ? "made" : "refused"] += 1
          assert.sameMembers([...(yield* databases)], made ? ["canary", name] : ["canary"])
          const user = { name: "ann", password, host: null, databases: [{ name }] }
          assert.strictEqual(yield* Effect.isSuccess(session.createUsers([user])), made)
          if (made) {
            const client = yield* mysqlLogin(endpoint, "ann", password, name)
            yield* client.query("CREATE TABLE t (n int)")
            yield* Effect.flip(client.query("USE canary"))
          }
          yield* session.deleteUser("ann", null)
          assert.strictEqual(yield* Effect.isSuccess(session.deleteDatabase(name)), made)
          assert.deepEqual(yield* databases, ["canary"])
        }).pipe(Effect.scoped, Effect.runPromise)
      )
      yield* Effect.promise(() => fc.assert(property, { numRuns: 150 }))
      assert.isTrue(outcomes.made > 20 && outcomes.refused > 20, JSON.stringify(outcomes))
    })
  )
})
