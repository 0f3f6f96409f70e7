/**
 * The manager of PostgreSQL: databases, users and the tenant's root, as the superuser `postgres` over TCP.
 *
 * A user reaches only the databases that were granted to it: PUBLIC loses its rights on every database that is
 * made here, and on those that the server came with. Everything can be told again and goes on where it was cut
 * short. Secrets appear in no error.
 */
import { Effect, Option, Redacted, Schema, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import { type Database, GuestRefusal, type NewPassword, type NewUser, type UserChange } from "../services/GuestApi.ts"
import type { DatastoreManager, Endpoint, Page, SettingChanges } from "./DatastoreManager.ts"
import { paged, pageSize } from "./Paging.ts"
import { connect } from "./PostgresConnection.ts"
import { checkDatabaseName, checkUserName, identifier, literal, reservedDatabases } from "./PostgresNames.ts"
import { applySettings } from "./PostgresSettings.ts"
import * as PostgresUsers from "./PostgresUsers.ts"

const open = Effect.fn("PostgresManager.open")(function* (endpoint: Endpoint) {
  const server = yield* connect(endpoint)
  const { ask, roleExists, run, runSecretly } = server
  const users = PostgresUsers.make(server)
  // Concurrent grants on one database fail with "tuple concurrently updated".
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)

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
      (rows) => paged<Database>(limit, rows, ({ name }) => name)
    )

  return {
    // The first thing that is asked of every server, so the place to close those that were made before we did that.
    ping: refused(Effect.andThen(Effect.ignore(ensureClosed), Effect.asVoid(run("SELECT 1")))),
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
    listUsers: (page: Page) => refused(users.list(page)),
    getUser: (name: string, host: string | null) => refused(users.get(name, host)),
    createUsers: (wanted: ReadonlyArray<NewUser>) =>
      Effect.forEach(wanted, ({ name }) => checkUserName(name), { discard: true }).pipe(
        Effect.andThen(ensureClosed),
        Effect.andThen(oneAtATime(Effect.forEach(wanted, users.create, { discard: true }))),
        refused
      ),
    deleteUser: (name: string, host: string | null) =>
      checkUserName(name).pipe(Effect.andThen(users.remove(name, host)), oneAtATime, refused),
    changePasswords: (wanted: ReadonlyArray<NewPassword>) =>
      Effect.forEach(wanted, ({ name }) => checkUserName(name), { discard: true }).pipe(
        Effect.andThen(users.changePasswords(wanted)),
        oneAtATime,
        refused
      ),
    updateUser: (name: string, _host: string | null, change: UserChange) =>
      Effect.forEach([name, change.name ?? name], checkUserName, { discard: true }).pipe(
        Effect.andThen(users.update(name, change)),
        oneAtATime,
        refused
      ),
    grant: (name: string, _host: string | null, databases: ReadonlyArray<string>) =>
      Effect.all([checkUserName(name), ...databases.map(checkDatabaseName)], { discard: true }).pipe(
        Effect.andThen(users.grant(name, databases)),
        oneAtATime,
        refused
      ),
    revoke: (name: string, _host: string | null, database: string) =>
      Effect.all([checkUserName(name), checkDatabaseName(database)], { discard: true }).pipe(
        Effect.andThen(users.revoke(name, database)),
        oneAtATime,
        refused
      ),
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
    version: ask(Schema.Struct({ server_version: Schema.String }), "SHOW server_version").pipe(
      Effect.map(([row]) => row?.server_version ?? ""),
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
    applySettings: (changes: SettingChanges) => refused(applySettings(server, Object.keys(changes))),
    // No password at all matches nothing; without SUPERUSER, users that were made members of root gain nothing by it.
    disableRoot: roleExists("root").pipe(
      Effect.flatMap((known) =>
        known
          ? Effect.andThen(run("ALTER ROLE root NOSUPERUSER NOLOGIN PASSWORD NULL"), server.disconnect("root"))
          : Effect.void
      ),
      oneAtATime,
      refused
    )
  }
})

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
