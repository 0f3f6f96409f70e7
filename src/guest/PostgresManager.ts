/**
 * The manager of PostgreSQL: databases, users and the tenant's root, as the superuser `postgres` over TCP.
 *
 * A user reaches only the databases that were granted to it: PUBLIC loses its rights on every database that is
 * made here, and on those that the server came with. Everything can be told again and goes on where it was cut
 * short. Secrets appear in no error and, by the session's settings, in no log of the server.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Option, Redacted, Schema, Semaphore } from "effect"
import { Reactivity } from "effect/reactivity"
import type { SqlError } from "effect/sql"
import { type Database, GuestRefusal, type NewUser, type User } from "../services/GuestApi.ts"
import type { DatastoreManager, Endpoint, Listed, Page } from "./DatastoreManager.ts"
import {
  checkDatabaseName,
  checkUserName,
  identifier,
  literal,
  reservedDatabases,
  reservedUsers
} from "./PostgresNames.ts"

/** For a caller that names no limit. */
const maxPage = 1000
const maxConnections = 2
/** Owns what deleted users leave behind, and can do nothing else. */
const formerOwners = "os_former_owners"

const connection = (endpoint: Endpoint, database: string) => ({
  host: endpoint.address,
  port: endpoint.port,
  username: "postgres",
  password: endpoint.adminPassword,
  database,
  connectTimeout: "3 seconds" as const,
  applicationName: "coffer-guest",
  startupParameters: {
    // What a tenant puts into a schema must never be called by us.
    search_path: "pg_catalog",
    // Statements carry passwords: the server must not log those that fail either.
    log_statement: "none",
    log_min_error_statement: "panic",
    log_min_duration_statement: "-1",
    statement_timeout: "60s"
  }
})

const open = Effect.fn("PostgresManager.open")(function* (endpoint: Endpoint) {
  const sql = yield* PgClient.make({ ...connection(endpoint, "postgres"), maxConnections }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.orDie
  )
  // Concurrent grants on one database fail with "tuple concurrently updated".
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)

  const ask = <S extends Schema.Codec<unknown, unknown>>(
    row: S,
    text: string,
    parameters: ReadonlyArray<unknown> = []
  ) =>
    sql.unsafe(text, parameters).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.Array(row))),
      Effect.catchTag("SchemaError", (error) => Effect.die(error))
    )
  const exists = (text: string, name: string) =>
    Effect.map(ask(Schema.Unknown, text, [name]), (rows) => rows.length > 0)
  const roleExists = (name: string) => exists("SELECT 1 FROM pg_roles WHERE rolname::text = $1", name)
  const run = (text: string) => sql.unsafe(text).unprepared
  /** A span would carry the statement, and the password in it, to wherever traces are collected. */
  const runSecretly = (text: string) => Effect.withTracerEnabled(run(text), false)

  /** Statements that only work inside the database they are about. */
  const inside = (database: string, statements: ReadonlyArray<string>) =>
    Effect.scoped(
      Effect.flatMap(PgClient.makeClient(connection(endpoint, database)), (there) =>
        Effect.forEach(statements, (text) => there.unsafe(text).unprepared, { discard: true })
      )
    ).pipe(Effect.provide(Reactivity.layer))

  const disconnect = (user: string) =>
    sql.unsafe("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename::text = $1", [user])

  let isClosed = false
  /** Keeps users out of the databases that the server came with; once a session. */
  const close = Effect.gen(function* () {
    if (isClosed) return
    // Asked before told: a server that is closed already may be one that cannot write, for its volume is full.
    const open = yield* ask(
      Schema.Struct({ name: Schema.String }),
      `SELECT DISTINCT datname::text AS name FROM pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) g
       WHERE datname::text IN ('postgres', 'template1') AND g.grantee = 0`
    )
    for (const { name } of open) yield* run(`REVOKE ALL ON DATABASE ${identifier(name)} FROM PUBLIC`)
    isClosed = true
  })
  /** A ping that finds it done must not wait for its turn. */
  const ensureClosed = Effect.suspend(() => (isClosed ? Effect.void : oneAtATime(close)))

  const createDatabase = Effect.fnUntraced(function* ({ name, characterSet, collate }: Database) {
    const [found] = yield* ask(
      Schema.Struct({ open: Schema.Boolean }),
      "SELECT datallowconn AS open FROM pg_database WHERE datname::text = $1",
      [name]
    )
    if (found?.open) return
    const quoted = identifier(name)
    if (found === undefined) {
      const options = [
        ...(characterSet ? [`ENCODING ${literal(characterSet)}`] : []),
        ...(collate ? [`LOCALE_PROVIDER libc LOCALE ${literal(collate)}`] : [])
      ]
      // template0 takes other encodings, and nobody can connect to it: a template must have no clients.
      yield* run(`CREATE DATABASE ${quoted} TEMPLATE template0 ${options.join(" ")} ALLOW_CONNECTIONS false`)
    }
    // Closed until PUBLIC is out: a creation that was cut short shows by that, and is finished here.
    yield* run(`REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC`)
    yield* run(`ALTER DATABASE ${quoted} ALLOW_CONNECTIONS true`)
  })

  const createUser = Effect.fnUntraced(function* ({ name, password, databases }: NewUser) {
    for (const database of databases) {
      if (!(yield* exists("SELECT 1 FROM pg_database WHERE datname::text = $1", database.name))) {
        return yield* new GuestRefusal({ message: `The database '${database.name}' does not exist.` })
      }
    }
    const user = identifier(name)
    const verb = (yield* roleExists(name)) ? "ALTER" : "CREATE"
    yield* runSecretly(`${verb} ROLE ${user} LOGIN PASSWORD ${literal(Redacted.value(password))}`)
    for (const database of databases) {
      yield* run(`GRANT ALL ON DATABASE ${identifier(database.name)} TO ${user}`)
      // Since PostgreSQL 15 nobody but the owner may create in it.
      yield* inside(database.name, [`GRANT ALL ON SCHEMA public TO ${user}`])
    }
  })

  /**
   * Who gets what a user leaves behind: a function that runs with its owner's rights must not gain any, so not the
   * superuser, unless the user was one. (Some objects, such as event triggers, only superusers can own.)
   */
  const heirOf = Effect.fnUntraced(function* (name: string) {
    if (yield* exists("SELECT 1 FROM pg_roles WHERE rolname::text = $1 AND rolsuper", name)) return "postgres"
    const verb = (yield* roleExists(formerOwners)) ? "ALTER" : "CREATE"
    yield* run(
      `${verb} ROLE ${formerOwners} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD NULL`
    )
    return formerOwners
  })

  const deleteUser = Effect.fnUntraced(function* (name: string) {
    if (!(yield* roleExists(name))) return
    const user = identifier(name)
    yield* run(`ALTER ROLE ${user} NOLOGIN`)
    yield* disconnect(name)
    const touched = yield* ask(
      Schema.Struct({ name: Schema.String }),
      `SELECT DISTINCT d.datname::text AS name FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
       WHERE s.refclassid = 'pg_authid'::regclass AND d.datallowconn
         AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname::text = $1)`,
      [name]
    )
    const release = [`REASSIGN OWNED BY ${user} TO ${yield* heirOf(name)}`, `DROP OWNED BY ${user}`]
    for (const database of touched) yield* inside(database.name, release)
    // What is shared by all databases (grants on them, ownership of them) is released from any.
    for (const text of [...release, `DROP ROLE ${user}`]) yield* run(text)
  })

  const listUsers = ({ limit, marker, includeMarker }: Page) =>
    Effect.map(
      ask(
        Schema.Struct({ name: Schema.String, databases: Schema.Array(Schema.String) }),
        `SELECT r.rolname::text AS name, ARRAY(
           SELECT d.datname::text FROM pg_database d, aclexplode(d.datacl) g
           WHERE g.grantee = r.oid AND g.privilege_type = 'CONNECT' AND NOT d.datistemplate
             AND d.datname::text <> ALL ($4) ORDER BY 1) AS databases
         FROM pg_roles r WHERE r.rolcanlogin AND r.rolname NOT LIKE 'pg\\_%' AND r.rolname::text <> ALL ($3)
           AND ($1::text IS NULL OR r.rolname::text COLLATE "C" ${includeMarker ? ">=" : ">"} $1)
         ORDER BY r.rolname::text COLLATE "C" LIMIT $2`,
        [marker, pageSize(limit) + 1, reservedUsers, reservedDatabases]
      ),
      (rows) =>
        paged(
          limit,
          rows.map(
            (row): User => ({
              name: row.name,
              host: "%",
              databases: row.databases.map((database) => ({ name: database }))
            })
          )
        )
    )

  const listDatabases = ({ limit, marker, includeMarker }: Page) =>
    Effect.map(
      ask(
        Schema.Struct({ name: Schema.String, characterSet: Schema.String, collate: Schema.String }),
        `SELECT datname::text AS name, pg_encoding_to_char(encoding)::text AS "characterSet", datcollate::text AS collate
         FROM pg_database WHERE NOT datistemplate AND datallowconn AND datname::text <> ALL ($3)
           AND ($1::text IS NULL OR datname::text COLLATE "C" ${includeMarker ? ">=" : ">"} $1)
         ORDER BY datname::text COLLATE "C" LIMIT $2`,
        [marker, pageSize(limit) + 1, reservedDatabases]
      ),
      (rows) => paged<Database>(limit, rows)
    )

  const getUser = (name: string, host: string | null) =>
    Effect.map(listUsers({ limit: 1, marker: name, includeMarker: true }), ([[first]]) =>
      first?.name === name && isAnyHost(host) ? first : null
    )

  return {
    // The first thing that is asked of every server, so the place to close those that were made before we did that.
    ping: refused(Effect.andThen(Effect.ignore(ensureClosed), Effect.asVoid(sql`SELECT 1`))),
    listDatabases: (page: Page) => refused(listDatabases(page)),
    createDatabases: (databases: ReadonlyArray<Database>) =>
      Effect.forEach(databases, ({ name }) => checkDatabaseName(name), { discard: true }).pipe(
        Effect.andThen(Effect.forEach(databases, createDatabase, { discard: true })),
        oneAtATime,
        refused
      ),
    deleteDatabase: (name: string) =>
      checkDatabaseName(name).pipe(
        Effect.andThen(run(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`)),
        oneAtATime,
        refused
      ),
    listUsers: (page: Page) => refused(listUsers(page)),
    getUser: (name: string, host: string | null) => refused(getUser(name, host)),
    createUsers: (users: ReadonlyArray<NewUser>) =>
      Effect.forEach(users, ({ name }) => checkUserName(name), { discard: true }).pipe(
        Effect.andThen(ensureClosed),
        Effect.andThen(oneAtATime(Effect.forEach(users, createUser, { discard: true }))),
        refused
      ),
    deleteUser: (name: string, host: string | null) =>
      checkUserName(name).pipe(Effect.andThen(isAnyHost(host) ? deleteUser(name) : Effect.void), oneAtATime, refused),
    enableRoot: (password: Redacted.Redacted) =>
      roleExists("root").pipe(
        Effect.flatMap((known) =>
          runSecretly(
            `${known ? "ALTER" : "CREATE"} ROLE root SUPERUSER LOGIN PASSWORD ${literal(Redacted.value(password))}`
          )
        ),
        oneAtATime,
        refused
      ),
    // The write-ahead log fills the volume like the tables do.
    usedBytes: ask(
      Schema.Struct({ bytes: Schema.Number }),
      `SELECT ((SELECT sum(pg_database_size(oid)) FROM pg_database) +
               (SELECT sum(size) FROM pg_ls_waldir()))::float8 AS bytes`
    ).pipe(
      Effect.map(([row]) => row?.bytes ?? 0),
      refused
    ),
    // No password at all matches nothing; without SUPERUSER, users that were made members of root gain nothing by it.
    disableRoot: roleExists("root").pipe(
      Effect.flatMap((known) =>
        known
          ? Effect.andThen(run("ALTER ROLE root NOSUPERUSER NOLOGIN PASSWORD NULL"), disconnect("root"))
          : Effect.void
      ),
      oneAtATime,
      refused
    )
  }
})

/** PostgreSQL's users belong to no host. */
const isAnyHost = (host: string | null) => host === null || host === "%"

const pageSize = (limit: number | null) => Math.min(limit ?? maxPage, maxPage)

/** One row more than the page was asked for: it tells whether there is a next page. */
const paged = <A extends { readonly name: string }>(limit: number | null, rows: ReadonlyArray<A>): Listed<A> => {
  const page = rows.slice(0, pageSize(limit))
  return [page, rows.length > page.length ? (page.at(-1)?.name ?? null) : null]
}

const ServerError = Schema.Struct({ code: Schema.String, message: Schema.String })

/** The server's own one-line message, which never repeats a statement; of anything else only that it failed. */
const refused = <A, R>(effect: Effect.Effect<A, SqlError.SqlError | GuestRefusal, R>) =>
  Effect.mapError(effect, (error) => {
    if (error instanceof GuestRefusal) return error
    const told = Schema.decodeUnknownOption(ServerError)(error.reason.cause)
    return new GuestRefusal({
      message: Option.match(told, {
        onNone: () => "The database server does not answer.",
        onSome: ({ message }) => `PostgreSQL refused: ${message}.`
      })
    })
  })

export const PostgresManager: DatastoreManager = { datastores: ["postgresql"], port: 5432, open }
