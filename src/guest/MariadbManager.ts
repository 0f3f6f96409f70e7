/**
 * The manager of MariaDB and MySQL: databases, users and the tenant's root, over TCP.
 *
 * All names of a request are checked before the first statement, for account statements cannot be rolled back.
 * Everything can be told again and goes on where it was cut short. Secrets appear in no error and in no log.
 */
import { Effect, Schema, Semaphore } from "effect"
import type { Connection } from "mysql2/promise"
import { type Database, GuestRefusal } from "../services/GuestApi.ts"
import type { DatastoreManager, DatastoreSession, Endpoint, Page } from "./DatastoreManager.ts"
import {
  Account,
  ask,
  connectAsAdministrator,
  disconnect,
  run,
  type ServerFailure,
  window
} from "./MariadbConnection.ts"
import {
  account,
  anyHost,
  checkDatabaseName,
  checkSetting,
  grantPattern,
  identifier,
  literal,
  literals,
  reservedDatabases
} from "./MariadbNames.ts"
import { applySettings } from "./MariadbSettings.ts"
import * as Users from "./MariadbUsers.ts"
import { paged } from "./Paging.ts"

const statementsWithin = "60 seconds"
const DatabaseRow = Schema.Struct({ name: Schema.String, characterSet: Schema.String, collate: Schema.String })
const listDatabases = (page: Page) => (connection: Connection) =>
  Effect.map(
    ask(
      connection,
      DatabaseRow,
      `SELECT SCHEMA_NAME AS name, DEFAULT_CHARACTER_SET_NAME AS characterSet, DEFAULT_COLLATION_NAME AS \`collate\`
       FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN (${literals(reservedDatabases)})
       ${window("SCHEMA_NAME", page)}`
    ),
    (rows) => paged<Database>(page.limit, rows, (row) => row.name)
  )

const createDatabase = (connection: Connection, { name, characterSet, collate }: Database) => {
  // A collation alone implies its character set.
  const set = characterSet || (collate ? null : "utf8mb4")
  const options = `${set ? ` CHARACTER SET ${set}` : ""}${collate ? ` COLLATE ${collate}` : ""}`
  return run(connection, `CREATE DATABASE IF NOT EXISTS ${identifier(name)}${options}`)
}

/** The server keeps the grants on a database that is gone, for the next one of its name. */
const deleteDatabase = (name: string) =>
  Effect.fnUntraced(function* (connection: Connection) {
    yield* disconnect(connection, "DB", name)
    yield* run(connection, `DROP DATABASE IF EXISTS ${identifier(name)}`)
    const pattern = grantPattern(name)
    const holders = yield* ask(
      connection,
      Account,
      `SELECT User AS name, Host AS host FROM mysql.db WHERE CAST(Db AS BINARY) = CAST(${literal(pattern)} AS BINARY)`
    )
    for (const { name: user, host } of holders) {
      yield* run(connection, `REVOKE ALL PRIVILEGES ON ${identifier(pattern)}.* FROM ${account(user, host)}`)
    }
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
    listUsers: (page) => withServer(Users.listUsers(page)),
    getUser: (name, host) => withServer(Users.getUser(name, host)),
    createUsers: (users) =>
      Effect.forEach(users, (user) => Effect.andThen(Users.checkUser(user), checkDatabases(user.databases))).pipe(
        Effect.andThen(change((connection) => Effect.forEach(users, (user) => Users.createUser(connection, user))))
      ),
    deleteUser: (name, host) => Effect.andThen(Users.checkUser({ name, host }), change(Users.deleteUser(name, host))),
    changePasswords: (users) =>
      Effect.andThen(Effect.forEach(users, Users.checkUser), change(Users.changePasswords(users))),
    updateUser: (name, host, attributes) =>
      Effect.forEach(
        [
          { name, host },
          { name, host, ...attributes }
        ],
        Users.checkUser
      ).pipe(Effect.andThen(change(Users.updateUser(name, host, attributes)))),
    grant: (name, host, databases) =>
      Effect.andThen(Users.checkUser({ name, host }), Effect.forEach(databases, checkDatabaseName)).pipe(
        Effect.andThen(change(Users.grant(name, host, databases)))
      ),
    revoke: (name, host, database) =>
      Effect.andThen(Users.checkUser({ name, host }), checkDatabaseName(database)).pipe(
        Effect.andThen(change(Users.revoke(name, host, database)))
      ),
    enableRoot: (password) =>
      change((connection) =>
        Effect.andThen(
          Users.setPassword(connection, account("root", anyHost), password),
          run(connection, `GRANT ALL PRIVILEGES ON *.* TO ${account("root", anyHost)} WITH GRANT OPTION`)
        )
      ),
    applySettings: (changes) => oneAtATime(withServer(applySettings(changes))),
    version: withServer((connection) =>
      Effect.map(ask(connection, Schema.Struct({ version: Schema.String }), "SELECT VERSION() AS version"), ([row]) =>
        row === undefined ? "" : row.version
      )
    ),
    usedBytes: withServer(usedBytes),
    disableRoot: change(Users.deleteUser("root", anyHost))
  } satisfies DatastoreSession
})

export const MariadbManager: DatastoreManager = { datastores: ["mariadb", "mysql"], port: 3306, open }
