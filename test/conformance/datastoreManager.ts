/**
 * What every DatastoreManager does on a real server. An adapter's test gives a running endpoint, a login as a
 * client would do it, and a look at all that is in the server, so that a stray object is noticed.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, type Layer, Redacted, type Scope } from "effect"
import * as fc from "fast-check"
import type { DatastoreManager, DatastoreSession, Endpoint } from "../../src/guest/DatastoreManager.ts"
import type { Client } from "./databaseRuntime.ts"

export interface DatastoreManagerSubject<R> {
  readonly manager: DatastoreManager
  /** Starts the server that all tests share. */
  readonly layer: Layer.Layer<R, unknown>
  readonly endpoint: Effect.Effect<Endpoint, never, R>
  readonly login: (
    endpoint: Endpoint,
    user: string,
    password: Redacted.Redacted,
    database: string
  ) => Effect.Effect<Client, unknown, Scope.Scope>
  /** The database of a client that asks for none, null if there need not be one. */
  readonly anyDatabase: string
  /** Names of all databases and users of the server, also of those that lists hide. */
  readonly everything: (endpoint: Endpoint) => Effect.Effect<ReadonlyArray<string>, unknown>
  /** Whether the server can have a database, and a user, of this name. */
  readonly isName: (name: string) => boolean
  readonly reserved: { readonly databases: ReadonlyArray<string>; readonly users: ReadonlyArray<string> }
  readonly runs: number
}

const timeout = 120_000
const all = { limit: null, marker: null, includeMarker: false }
const secret = (text: string) => Redacted.make(text)
const named = (...names: ReadonlyArray<string>) => names.map((name) => ({ name }))

/** Pieces that have meant something to somebody's parser. */
const fragments = [
  ...[
    '"',
    '""',
    "'",
    "''",
    "\\",
    "\\'",
    ";",
    "--",
    "/*",
    "*/",
    "`",
    "$$",
    "$1",
    "?",
    "%",
    "%s",
    "%00",
    "_",
    ".",
    "..",
    "/"
  ],
  ...[
    " ",
    "\n",
    "\t",
    "\r\n",
    "@",
    "@%",
    "#",
    "=",
    ",",
    "(",
    ")",
    "{}",
    ":x",
    "::",
    "é",
    "ß",
    "İ",
    "中",
    "💾",
    "\u200b",
    "\u202e"
  ],
  ...["SELECT", "user", "PUBLIC", "null", "DROP DATABASE postgres", "a", "A", "0", "root", "' OR '1'='1", "\u0301"]
]
const hostile = fc
  .array(
    fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...fragments) }, fc.string({ unit: "grapheme", maxLength: 4 })),
    {
      minLength: 1,
      maxLength: 6
    }
  )
  .map((pieces) => pieces.join(""))

const clear = Effect.fnUntraced(function* (session: DatastoreSession) {
  for (const { name } of (yield* session.listUsers(all))[0]) yield* session.deleteUser(name, "%")
  for (const { name } of (yield* session.listDatabases(all))[0]) yield* session.deleteDatabase(name)
})

export const datastoreManagerConformance = <R>(name: string, subject: DatastoreManagerSubject<R>) =>
  withLayer(subject.layer, { timeout: Duration.millis(timeout), excludeTestServices: true })(name, (it) => {
    const { login } = subject
    const behaves = (
      behaviour: string,
      test: (session: DatastoreSession, endpoint: Endpoint) => Effect.Effect<void, unknown, Scope.Scope>
    ) =>
      it.effect(
        behaviour,
        () =>
          Effect.gen(function* () {
            const endpoint = yield* subject.endpoint
            const session = yield* subject.manager.open(endpoint)
            const before = yield* subject.everything(endpoint)
            yield* test(session, endpoint)
            yield* clear(session)
            const after = yield* subject.everything(endpoint)
            assert.deepEqual(
              after.filter((object) => object !== "root"),
              before.filter((object) => object !== "root")
            )
          }),
        timeout
      )
    const canLogin = (endpoint: Endpoint, user: string, password: string, database: string) =>
      login(endpoint, user, secret(password), database).pipe(
        Effect.flatMap((client) => client.query("SELECT 1")),
        Effect.isSuccess,
        Effect.scoped
      )
    const newUser = (user: string, password: string, ...databases: ReadonlyArray<string>) => ({
      name: user,
      password: secret(password),
      host: null,
      databases: named(...databases)
    })

    behaves("answers a ping; one to nowhere is refused in words", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.ping
        const nowhere = yield* subject.manager.open({ ...endpoint, address: "127.77.255.254" })
        const refusal = yield* Effect.flip(nowhere.ping)
        assert.strictEqual(refusal._tag, "GuestRefusal")
        assert.notInclude(JSON.stringify(refusal), Redacted.value(endpoint.adminPassword))
      })
    )

    behaves("begins with no databases and no users of the tenant", (session) =>
      Effect.gen(function* () {
        assert.deepEqual(yield* session.listDatabases(all), [[], null])
        assert.deepEqual(yield* session.listUsers(all), [[], null])
      })
    )

    behaves("makes databases once, however often it is told, and leaves their data", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("shop", "blog"))
        yield* session.createUsers([newUser("ann", "pw-1", "shop")])
        const ann = yield* login(endpoint, "ann", secret("pw-1"), "shop")
        yield* ann.query("CREATE TABLE goods (n int)")
        yield* session.createDatabases(named("shop"))
        yield* ann.query("SELECT n FROM goods")
        assert.deepEqual(
          (yield* session.listDatabases(all))[0].map((database) => database.name),
          ["blog", "shop"]
        )
      })
    )

    behaves("lets a user work in the databases granted to it and reach no other", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("hers", "his"))
        yield* session.createUsers([newUser("ann", "pw-1", "hers")])
        const ann = yield* login(endpoint, "ann", secret("pw-1"), "hers")
        for (const sql of ["CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)", "DROP TABLE t"]) yield* ann.query(sql)
        assert.isFalse(yield* canLogin(endpoint, "ann", "pw-1", "his"))
        assert.isFalse(yield* canLogin(endpoint, "ann", "wrong", "hers"))
        assert.deepEqual(yield* session.getUser("ann", "%"), { name: "ann", host: "%", databases: named("hers") })
      })
    )

    behaves("gives an existing user its new password and further grants", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("one", "two"))
        yield* session.createUsers([newUser("ann", "old", "one")])
        yield* session.createUsers([newUser("ann", "new", "two")])
        assert.isFalse(yield* canLogin(endpoint, "ann", "old", "one"))
        assert.isTrue(yield* canLogin(endpoint, "ann", "new", "one"))
        assert.isTrue(yield* canLogin(endpoint, "ann", "new", "two"))
        assert.deepEqual((yield* session.getUser("ann", null))?.databases, named("one", "two"))
      })
    )

    behaves("grants a database to a user, and takes it away with whoever is in it", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("one", "two"))
        yield* session.createUsers([newUser("ann", "pw-1", "one")])
        yield* session.grant("ann", "%", ["two"])
        yield* session.grant("ann", "%", ["two"])
        const ann = yield* login(endpoint, "ann", secret("pw-1"), "two")
        yield* ann.query("CREATE TABLE t (n int)")
        assert.deepEqual((yield* session.getUser("ann", "%"))?.databases, named("one", "two"))
        yield* session.revoke("ann", "%", "two")
        yield* session.revoke("ann", "%", "two")
        yield* Effect.flip(ann.query("SELECT n FROM t"))
        assert.isFalse(yield* canLogin(endpoint, "ann", "pw-1", "two"))
        assert.isTrue(yield* canLogin(endpoint, "ann", "pw-1", "one"))
        assert.deepEqual((yield* session.getUser("ann", "%"))?.databases, named("one"))
      })
    )

    behaves("grants nothing where a database, or the user, is not there", (session) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("one"))
        yield* session.createUsers([newUser("ann", "pw-1")])
        assert.include((yield* Effect.flip(session.grant("ann", "%", ["one", "nowhere"]))).message, "nowhere")
        assert.deepEqual((yield* session.getUser("ann", "%"))?.databases, [])
        assert.include((yield* Effect.flip(session.grant("bob", "%", ["one"]))).message, "bob")
        assert.deepEqual((yield* session.listUsers(all))[0].length, 1)
      })
    )

    behaves("gives several users new passwords, or none where one is not there", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("one"))
        yield* session.createUsers([newUser("ann", "old", "one"), newUser("bob", "old", "one")])
        const to = (name: string, password: string) => ({ name, host: "%", password: secret(password) })
        const refusal = yield* Effect.flip(session.changePasswords([to("ann", "new-of-ann"), to("cyd", "new")]))
        assert.include(refusal.message, "cyd")
        assert.notInclude(JSON.stringify(refusal), "new-of-ann")
        assert.isTrue(yield* canLogin(endpoint, "ann", "old", "one"))
        yield* session.changePasswords([to("ann", "new-of-ann"), to("bob", "quo'te\\")])
        assert.isFalse(yield* canLogin(endpoint, "ann", "old", "one"))
        assert.isTrue(yield* canLogin(endpoint, "ann", "new-of-ann", "one"))
        assert.isTrue(yield* canLogin(endpoint, "bob", "quo'te\\", "one"))
      })
    )

    behaves("renames a user, who keeps what it had, and takes no other's name", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("one"))
        yield* session.createUsers([newUser("ann", "pw-1", "one"), newUser("bob", "pw-2", "one")])
        const ann = yield* login(endpoint, "ann", secret("pw-1"), "one")
        yield* ann.query("CREATE TABLE hers (n int)")
        assert.include((yield* Effect.flip(session.updateUser("ann", "%", { name: "bob" }))).message, "bob")
        yield* session.updateUser("ann", "%", { name: "anna.b@c", password: secret("pw-3") })
        assert.isNull(yield* session.getUser("ann", "%"))
        const anna = yield* login(endpoint, "anna.b@c", secret("pw-3"), "one")
        yield* anna.query("DROP TABLE hers")
        assert.include((yield* Effect.flip(session.updateUser("ann", "%", { name: "anne" }))).message, "ann")
      })
    )

    behaves("refuses a user for a database that is not there, and makes nothing", (session) =>
      Effect.gen(function* () {
        const refusal = yield* Effect.flip(session.createUsers([newUser("ann", "pw-of-ann", "nowhere")]))
        assert.include(refusal.message, "nowhere")
        assert.notInclude(refusal.message, "pw-of-ann")
        assert.isNull(yield* session.getUser("ann", null))
      })
    )

    behaves("deletes a user who is connected and left tables, and a database that is in use", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.createDatabases(named("one", "two"))
        yield* session.createUsers([newUser("ann", "pw-1", "one", "two")])
        const ann = yield* login(endpoint, "ann", secret("pw-1"), "two")
        yield* ann.query("CREATE TABLE left_behind (n int)")
        yield* session.deleteUser("ann", "%")
        yield* session.deleteUser("ann", "%")
        assert.isNull(yield* session.getUser("ann", null))
        assert.isFalse(yield* canLogin(endpoint, "ann", "pw-1", "one"))
        yield* session.createUsers([newUser("bob", "pw-2", "two")])
        const bob = yield* login(endpoint, "bob", secret("pw-2"), "two")
        yield* session.deleteDatabase("two")
        yield* session.deleteDatabase("two")
        yield* Effect.flip(bob.query("SELECT * FROM left_behind"))
      })
    )

    behaves("tells how much of the volume is used, and that it grows", (session) =>
      Effect.gen(function* () {
        const empty = yield* session.usedBytes
        yield* session.createDatabases(named("one"))
        assert.isAbove(yield* session.usedBytes, empty - 1)
        assert.isAbove(empty, 0)
      })
    )

    behaves("pages by name: the marker is exclusive unless it is to be included", (session) =>
      Effect.gen(function* () {
        const names = ["B", "a", "b", "c", "ç"]
        const ordered = names.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
        const databases = names.map((letter) => `${letter}-db`)
        yield* session.createDatabases(named(...databases))
        yield* session.createUsers(names.map((letter) => newUser(`${letter}-user`, "pw")))
        for (const [list, suffix] of [
          [session.listDatabases, "-db"],
          [session.listUsers, "-user"]
        ] as const) {
          const seen: Array<string> = []
          let marker: string | null = null
          do {
            const [page, next]: readonly [ReadonlyArray<{ readonly name: string }>, string | null] = yield* list({
              limit: 2,
              marker,
              includeMarker: false
            })
            assert.isAtMost(page.length, 2)
            seen.push(...page.map((entry) => entry.name))
            marker = next
          } while (marker !== null)
          assert.deepEqual(
            seen,
            ordered.map((letter) => letter + suffix)
          )
          const [from] = yield* list({ limit: 1, marker: seen[2] ?? null, includeMarker: true })
          assert.deepEqual(
            from.map((entry) => entry.name),
            [seen[2]]
          )
          assert.isNull((yield* list({ limit: 5, marker: null, includeMarker: false }))[1])
        }
      })
    )

    behaves("enables root with a password, again with another, and disables it", (session, endpoint) =>
      Effect.gen(function* () {
        yield* session.disableRoot
        yield* session.enableRoot(secret("r-1"))
        yield* session.enableRoot(secret("r-2"))
        assert.isFalse(yield* canLogin(endpoint, "root", "r-1", subject.anyDatabase))
        const root = yield* login(endpoint, "root", secret("r-2"), subject.anyDatabase)
        yield* root.query("CREATE DATABASE roots_own")
        assert.deepEqual((yield* session.listUsers(all))[0], [])
        yield* session.disableRoot
        assert.isFalse(yield* canLogin(endpoint, "root", "r-2", subject.anyDatabase))
        yield* session.ping
      })
    )

    behaves("refuses reserved names, and hides who has them", (session) =>
      Effect.gen(function* () {
        for (const database of subject.reserved.databases) {
          yield* Effect.flip(session.createDatabases(named(database)))
          yield* Effect.flip(session.deleteDatabase(database))
        }
        for (const user of subject.reserved.users) {
          yield* Effect.flip(session.createUsers([newUser(user, "pw")]))
          yield* Effect.flip(session.deleteUser(user, "%"))
          assert.isNull(yield* session.getUser(user, null))
        }
      })
    )

    behaves("refuses a name that the server would cut or change", (session, endpoint) =>
      Effect.gen(function* () {
        const before = yield* subject.everything(endpoint)
        for (const bad of ["", "x".repeat(65), "trailing ", "nul\0byte"].filter((name) => !subject.isName(name))) {
          yield* Effect.flip(session.createDatabases(named("fine", bad)))
          yield* Effect.flip(session.createUsers([newUser(bad, "pw")]))
        }
        assert.deepEqual(yield* subject.everything(endpoint), before)
      })
    )

    behaves(
      "takes any name for what it is: it is made, listed, of use, deleted, and nothing else happens",
      (session, endpoint) =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(
              hostile.filter(subject.isName),
              hostile.filter(subject.isName),
              hostile,
              (database, user, text) => {
                // Clients differ in how they prepare other characters (SASLprep), so whether a login works is theirs.
                const password = `p${text.replace(/[^\x20-\x7e]/g, "")}`
                return Effect.runPromise(
                  Effect.gen(function* () {
                    const before = yield* subject.everything(endpoint)
                    yield* session.createDatabases(named(database))
                    yield* session.createUsers([newUser(user, password, database)])
                    const [databases] = yield* session.listDatabases(all)
                    assert.deepEqual(
                      databases.map((entry) => entry.name),
                      [database]
                    )
                    const expected = { name: user, host: "%", databases: named(database) }
                    assert.deepEqual((yield* session.listUsers(all))[0], [expected])
                    assert.deepEqual(yield* session.getUser(user, "%"), expected)
                    assert.isTrue(yield* canLogin(endpoint, user, password, database))
                    yield* session.deleteUser(user, "%")
                    yield* session.deleteDatabase(database)
                    assert.deepEqual(yield* subject.everything(endpoint), before)
                  }).pipe(Effect.ensuring(Effect.ignore(clear(session))))
                )
              }
            ),
            { numRuns: subject.runs, interruptAfterTimeLimit: timeout / 2 }
          )
        )
    )
  })
