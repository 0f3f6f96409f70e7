/**
 * Users of a MariaDB or MySQL, which are a name at a host, and what is granted to them: everything in a database, or
 * nothing. Account statements cannot be rolled back, so what can be refused is asked before the first of them.
 */
import { Effect, Redacted, Schema } from "effect"
import type { Connection } from "mysql2/promise"
import { GuestRefusal, type NewPassword, type NewUser, type User, type UserChange } from "../services/GuestApi.ts"
import type { Page } from "./DatastoreManager.ts"
import { Account, ask, disconnect, run, window } from "./MariadbConnection.ts"
import {
  account,
  checkHost,
  checkUserName,
  fromGrantPattern,
  grantPattern,
  identifier,
  literal,
  literals,
  normalHost,
  reservedUsers
} from "./MariadbNames.ts"
import { paged } from "./Paging.ts"

/** A row of mysql.db: a column for each privilege, other ones in each version. */
const GrantRow = Schema.Record(Schema.String, Schema.Unknown)

const nameAtHost = (user: { readonly name: string; readonly host: string | null }) =>
  `${user.name}@${normalHost(user.host)}`

const grantsAll = (row: typeof GrantRow.Type) =>
  Object.entries(row).every(([column, value]) => !column.endsWith("_priv") || column === "Grant_priv" || value === "Y")

/** MariaDB's roles are users without a host. */
export const listUsers = (page: Page) =>
  Effect.fnUntraced(function* (connection: Connection) {
    const accounts = yield* ask(
      connection,
      Account,
      `SELECT User AS name, Host AS host FROM mysql.user
       WHERE Host <> '' AND User <> '' AND User NOT IN (${literals(reservedUsers)}) ${window("CONCAT(User, '@', Host)", page)}`
    )
    if (accounts.length === 0) return paged<User>(page.limit, [], nameAtHost)
    const grants = yield* ask(
      connection,
      GrantRow,
      `SELECT * FROM mysql.db WHERE CONCAT(User, '@', Host) IN (${literals(accounts.map(nameAtHost))}) ORDER BY Db`
    )
    const users = accounts.map((user) => ({
      ...user,
      databases: grants
        .filter((row) => row["User"] === user.name && row["Host"] === user.host && grantsAll(row))
        .map((row) => ({ name: fromGrantPattern(String(row["Db"])) }))
    }))
    return paged<User>(page.limit, users, nameAtHost)
  })

export const getUser = (name: string, host: string | null) => {
  const wanted = { name, host: normalHost(host) }
  return (connection: Connection) =>
    Effect.map(listUsers({ limit: 1, marker: nameAtHost(wanted), includeMarker: true })(connection), ([[found]]) =>
      found !== undefined && found.name === name && found.host === wanted.host ? found : null
    )
}

/** The user is there afterwards, if it was not before. */
export const setPassword = (connection: Connection, who: string, password: Redacted.Redacted) => {
  const identified = `${who} IDENTIFIED BY ${literal(Redacted.value(password))}`
  return Effect.andThen(
    run(connection, `CREATE USER IF NOT EXISTS ${identified}`),
    run(connection, `ALTER USER ${identified}`)
  )
}

const mustHaveDatabases = Effect.fnUntraced(function* (connection: Connection, names: ReadonlyArray<string>) {
  for (const name of names) {
    const known = yield* ask(
      connection,
      Schema.Unknown,
      `SELECT 1 FROM information_schema.SCHEMATA WHERE CAST(SCHEMA_NAME AS BINARY) = CAST(${literal(name)} AS BINARY)`
    )
    if (known.length === 0) return yield* new GuestRefusal({ message: `The database '${name}' does not exist.` })
  }
})

const grantAll = Effect.fnUntraced(function* (connection: Connection, who: string, databases: ReadonlyArray<string>) {
  for (const name of databases)
    yield* run(connection, `GRANT ALL PRIVILEGES ON ${identifier(grantPattern(name))}.* TO ${who}`)
})

export const createUser = Effect.fnUntraced(function* (connection: Connection, user: NewUser) {
  const who = account(user.name, user.host)
  const databases = user.databases.map(({ name }) => name)
  yield* mustHaveDatabases(connection, databases)
  yield* setPassword(connection, who, user.password)
  yield* grantAll(connection, who, databases)
})

const hasUser = (connection: Connection, name: string, host: string | null) =>
  Effect.map(
    ask(
      connection,
      Schema.Unknown,
      `SELECT 1 FROM mysql.user
       WHERE User = ${literal(name)} AND Host = ${literal(normalHost(host))}`
    ),
    (rows) => rows.length > 0
  )

const mustHaveUser = Effect.fnUntraced(function* (connection: Connection, name: string, host: string | null) {
  if (yield* hasUser(connection, name, host)) return
  return yield* new GuestRefusal({ message: `There is no user '${name}@${normalHost(host)}'.` })
})

export const changePasswords = (users: ReadonlyArray<NewPassword>) =>
  Effect.fnUntraced(function* (connection: Connection) {
    for (const { host, name } of users) yield* mustHaveUser(connection, name, host)
    for (const { host, name, password } of users)
      yield* run(connection, `ALTER USER ${account(name, host)} IDENTIFIED BY ${literal(Redacted.value(password))}`)
  })

/** The password first: told again after it was renamed, the user is not found, and nothing is half done. */
export const updateUser = (name: string, host: string | null, change: UserChange) =>
  Effect.fnUntraced(function* (connection: Connection) {
    yield* mustHaveUser(connection, name, host)
    const next = { name: change.name ?? name, host: normalHost(change.host ?? host) }
    const isMoved = next.name !== name || next.host !== normalHost(host)
    if (isMoved && (yield* hasUser(connection, next.name, next.host)))
      return yield* new GuestRefusal({ message: `There is a user '${nameAtHost(next)}' already.` })
    if (change.password !== undefined) yield* changePasswords([{ name, host, password: change.password }])(connection)
    if (!isMoved) return
    yield* run(connection, `RENAME USER ${account(name, host)} TO ${account(next.name, next.host)}`)
    // Whoever is logged in would stay what it was.
    yield* disconnect(connection, "USER", name)
  })

export const grant = (name: string, host: string | null, databases: ReadonlyArray<string>) =>
  Effect.fnUntraced(function* (connection: Connection) {
    yield* mustHaveUser(connection, name, host)
    yield* mustHaveDatabases(connection, databases)
    yield* grantAll(connection, account(name, host), databases)
  })

/** A server that finds nothing to revoke calls it an error. */
export const revoke = (name: string, host: string | null, database: string) =>
  Effect.fnUntraced(function* (connection: Connection) {
    const pattern = grantPattern(database)
    const granted = yield* ask(
      connection,
      Schema.Unknown,
      `SELECT 1 FROM mysql.db WHERE User = ${literal(name)} AND Host = ${literal(normalHost(host))}
         AND CAST(Db AS BINARY) = CAST(${literal(pattern)} AS BINARY)`
    )
    if (granted.length === 0) return
    yield* run(connection, `REVOKE ALL PRIVILEGES ON ${identifier(pattern)}.* FROM ${account(name, host)}`)
    // What a session may do in the database that it is in, it keeps until it chooses one again.
    yield* disconnect(connection, "USER", name)
  })

export const deleteUser = (name: string, host: string | null) =>
  Effect.fnUntraced(function* (connection: Connection) {
    yield* run(connection, `DROP USER IF EXISTS ${account(name, host)}`)
    // Whoever is logged in would stay so. Users of the same name from other hosts may come back.
    yield* disconnect(connection, "USER", name)
  })

export const checkUser = (user: { readonly name: string; readonly host: string | null }) =>
  Effect.andThen(checkUserName(user.name), checkHost(user.host))
