/**
 * The manager of MariaDB and MySQL: databases, users and the tenant's root, over TCP.
 *
 * All names of a request are checked before the first statement, for account statements cannot be rolled back.
 * Everything can be told again and goes on where it was cut short. Secrets appear in no error and in no log.
 */
import { Effect, Redacted, Schema, Semaphore } from "effect"
import type { Connection } from "mysql2/promise"
import { type Database, GuestRefusal, type NewUser, type User } from "../services/GuestApi.ts"
import type { DatastoreManager, DatastoreSession, Endpoint, Listed, Page } from "./DatastoreManager.ts"
import { ask, connectAsAdministrator, run, type ServerFailure } from "./MariadbConnection.ts"
import {
  account,
  anyHost,
  checkDatabaseName,
  checkHost,
  checkSetting,
  checkUserName,
  fromGrantPattern,
  grantPattern,
  identifier,
  literal,
  normalHost,
  reservedDatabases,
  reservedUsers
} from "./MariadbNames.ts"

/** For a caller that names no limit, and for one that names more. */
const maxPage = 1000
const statementsWithin = "60 seconds"
const list = (names: ReadonlyArray<string>) => names.map(literal).join(", ")

const pageSize = (limit: number | null) => Math.max(1, Math.min(limit ?? maxPage, maxPage))

/** One row more than the page was asked for: it tells whether there is a next page. Bytes order names in every collation. */
const window = (key: string, { limit, marker, includeMarker }: Page) =>
  `${marker === null ? "" : `AND CAST(${key} AS BINARY) ${includeMarker ? ">=" : ">"} CAST(${literal(marker)} AS BINARY)`}
   ORDER BY CAST(${key} AS BINARY) LIMIT ${pageSize(limit) + 1}`

const paged = <A>(limit: number | null, rows: ReadonlyArray<A>, markerOf: (row: A) => string): Listed<A> => {
  const page = rows.slice(0, pageSize(limit))
  const last = page.at(-1)
  return [page, rows.length > page.length && last !== undefined ? markerOf(last) : null]
}

const DatabaseRow = Schema.Struct({ name: Schema.String, characterSet: Schema.String, collate: Schema.String })
const AccountRow = Schema.Struct({ name: Schema.String, host: Schema.String })
/** A row of mysql.db: a column for each privilege, other ones in each version. */
const GrantRow = Schema.Record(Schema.String, Schema.Unknown)
const nameAtHost = (user: { readonly name: string; readonly host: string | null }) =>
  `${user.name}@${normalHost(user.host)}`

const grantsAll = (row: typeof GrantRow.Type) =>
  Object.entries(row).every(([column, value]) => !column.endsWith("_priv") || column === "Grant_priv" || value === "Y")

const listDatabases = (page: Page) => (connection: Connection) =>
  Effect.map(
    ask(
      connection,
      DatabaseRow,
      `SELECT SCHEMA_NAME AS name, DEFAULT_CHARACTER_SET_NAME AS characterSet, DEFAULT_COLLATION_NAME AS \`collate\`
       FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN (${list(reservedDatabases)})
       ${window("SCHEMA_NAME", page)}`
    ),
    (rows) => paged<Database>(page.limit, rows, (row) => row.name)
  )

/** MariaDB's roles are users without a host. */
const listUsers = (page: Page) =>
  Effect.fnUntraced(function* (connection: Connection) {
    const accounts = yield* ask(
      connection,
      AccountRow,
      `SELECT User AS name, Host AS host FROM mysql.user
       WHERE Host <> '' AND User <> '' AND User NOT IN (${list(reservedUsers)}) ${window("CONCAT(User, '@', Host)", page)}`
    )
    if (accounts.length === 0) return paged<User>(page.limit, [], nameAtHost)
    const grants = yield* ask(
      connection,
      GrantRow,
      `SELECT * FROM mysql.db WHERE CONCAT(User, '@', Host) IN (${list(accounts.map(nameAtHost))}) ORDER BY Db`
    )
    const users = accounts.map((user) => ({
      ...user,
      databases: grants
        .filter((row) => row["User"] === user.name && row["Host"] === user.host && grantsAll(row))
        .map((row) => ({ name: fromGrantPattern(String(row["Db"])) }))
    }))
    return paged<User>(page.limit, users, nameAtHost)
  })

const createDatabase = (connection: Connection, { name, characterSet, collate }: Database) => {
  // A collation alone implies its character set.
  const set = characterSet || (collate ? null : "utf8mb4")
  const options = `${set ? ` CHARACTER SET ${set}` : ""}${collate ? ` COLLATE ${collate}` : ""}`
  return run(connection, `CREATE DATABASE IF NOT EXISTS ${identifier(name)}${options}`)
}

/** `column` is one of information_schema.PROCESSLIST. Whoever of them is gone meanwhile needs no ending. */
const disconnect = Effect.fnUntraced(function* (connection: Connection, column: "USER" | "DB", name: string) {
  const sessions = yield* ask(
    connection,
    Schema.Struct({ id: Schema.Int }),
    `SELECT ID AS id FROM information_schema.PROCESSLIST
     WHERE ID <> CONNECTION_ID() AND CAST(${column} AS BINARY) = CAST(${literal(name)} AS BINARY)`
  )
  for (const { id } of sessions) yield* Effect.ignore(run(connection, `KILL ${id}`))
})

/** The server keeps the grants on a database that is gone, for the next one of its name. */
const deleteDatabase = (name: string) =>
  Effect.fnUntraced(function* (connection: Connection) {
    yield* disconnect(connection, "DB", name)
    yield* run(connection, `DROP DATABASE IF EXISTS ${identifier(name)}`)
    const pattern = grantPattern(name)
    const holders = yield* ask(
      connection,
      AccountRow,
      `SELECT User AS name, Host AS host FROM mysql.db WHERE CAST(Db AS BINARY) = CAST(${literal(pattern)} AS BINARY)`
    )
    for (const { name: user, host } of holders) {
      yield* run(connection, `REVOKE ALL PRIVILEGES ON ${identifier(pattern)}.* FROM ${account(user, host)}`)
    }
  })

const setPassword = (connection: Connection, who: string, password: Redacted.Redacted) => {
  const identified = `${who} IDENTIFIED BY ${literal(Redacted.value(password))}`
  return Effect.andThen(
    run(connection, `CREATE USER IF NOT EXISTS ${identified}`),
    run(connection, `ALTER USER ${identified}`)
  )
}

const createUser = Effect.fnUntraced(function* (connection: Connection, user: NewUser) {
  const who = account(user.name, user.host)
  for (const { name } of user.databases) {
    const known = yield* ask(
      connection,
      Schema.Unknown,
      `SELECT 1 FROM information_schema.SCHEMATA WHERE CAST(SCHEMA_NAME AS BINARY) = CAST(${literal(name)} AS BINARY)`
    )
    if (known.length === 0) return yield* new GuestRefusal({ message: `The database '${name}' does not exist.` })
  }
  yield* setPassword(connection, who, user.password)
  for (const { name } of user.databases) {
    yield* run(connection, `GRANT ALL PRIVILEGES ON ${identifier(grantPattern(name))}.* TO ${who}`)
  }
})

const deleteUser = (name: string, host: string | null) =>
  Effect.fnUntraced(function* (connection: Connection) {
    yield* run(connection, `DROP USER IF EXISTS ${account(name, host)}`)
    // Whoever is logged in would stay so. Users of the same name from other hosts may come back.
    yield* disconnect(connection, "USER", name)
  })

/** Files of InnoDB, where all tables are kept; each kind of server reads only its own sort of comment. */
const usedBytes = (connection: Connection) =>
  Effect.map(
    ask(
      connection,
      Schema.Struct({ bytes: Schema.NumberFromString }),
      `SELECT CAST(COALESCE(SUM(FILE_SIZE), 0) AS CHAR) AS bytes
       FROM information_schema./*!80000 INNODB_TABLESPACES *//*M! INNODB_SYS_TABLESPACES */`
    ),
    ([row]) => row?.bytes ?? 0
  )

const checkDatabases = (databases: ReadonlyArray<Database>) =>
  Effect.forEach(
    databases,
    (database) =>
      Effect.all([
        checkDatabaseName(database.name),
        checkSetting(database.characterSet),
        checkSetting(database.collate)
      ]),
    { discard: true }
  )

const checkUser = (user: { readonly name: string; readonly host: string | null }) =>
  Effect.andThen(checkUserName(user.name), checkHost(user.host))

const explanations: Record<string, string> = {
  ER_UNKNOWN_CHARACTER_SET: "The character set is not known to the database server.",
  ER_UNKNOWN_COLLATION: "The collation is not known to the database server.",
  ER_COLLATION_CHARSET_MISMATCH: "The collation does not belong to the character set.",
  ER_NOT_VALID_PASSWORD: "The password does not meet the database server's policy.",
  ER_CON_COUNT_ERROR: "The database server has too many clients."
}

const explain = ({ code }: ServerFailure) =>
  explanations[code] ??
  (code.startsWith("ER_") ? `The database server refused (${code}).` : "The database server does not answer.")

const open = Effect.fn("MariadbManager.open")(function* (endpoint: Endpoint) {
  const oneAtATime = (yield* Semaphore.make(1)).withPermits(1)

  const withServer = <A>(work: (connection: Connection) => Effect.Effect<A, ServerFailure | GuestRefusal>) =>
    Effect.flatMap(connectAsAdministrator(endpoint), work).pipe(
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: statementsWithin,
        orElse: () => Effect.fail(new GuestRefusal({ message: `The database server took over ${statementsWithin}.` }))
      }),
      Effect.catchTag("ServerFailure", (failure) => Effect.fail(new GuestRefusal({ message: explain(failure) })))
    )
  const change = <A>(work: (connection: Connection) => Effect.Effect<A, ServerFailure | GuestRefusal>) =>
    withServer(work).pipe(Effect.asVoid, oneAtATime)

  return {
    ping: withServer(() => Effect.void),
    listDatabases: (page) => withServer(listDatabases(page)),
    createDatabases: (databases) =>
      Effect.andThen(
        checkDatabases(databases),
        change((connection) => Effect.forEach(databases, (database) => createDatabase(connection, database)))
      ),
    deleteDatabase: (name) => Effect.andThen(checkDatabaseName(name), change(deleteDatabase(name))),
    listUsers: (page) => withServer(listUsers(page)),
    getUser: (name, host) => {
      const wanted = nameAtHost({ name, host: normalHost(host) })
      return Effect.map(withServer(listUsers({ limit: 1, marker: wanted, includeMarker: true })), ([[found]]) =>
        found !== undefined && found.name === name && found.host === normalHost(host) ? found : null
      )
    },
    createUsers: (users) =>
      Effect.forEach(users, (user) => Effect.andThen(checkUser(user), checkDatabases(user.databases))).pipe(
        Effect.andThen(change((connection) => Effect.forEach(users, (user) => createUser(connection, user))))
      ),
    deleteUser: (name, host) => Effect.andThen(checkUser({ name, host }), change(deleteUser(name, host))),
    enableRoot: (password) =>
      change((connection) =>
        Effect.andThen(
          setPassword(connection, account("root", anyHost), password),
          run(connection, `GRANT ALL PRIVILEGES ON *.* TO ${account("root", anyHost)} WITH GRANT OPTION`)
        )
      ),
    usedBytes: withServer(usedBytes),
    disableRoot: change(deleteUser("root", anyHost))
  } satisfies DatastoreSession
})

export const MariadbManager: DatastoreManager = { datastores: ["mariadb", "mysql"], port: 3306, open }
