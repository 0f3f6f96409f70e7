/**
 * Users of a PostgreSQL, and what is granted to them. A user of a database may do in it what it likes, and has no way
 * into any other.
 */
import { Effect, Redacted, Schema } from "effect"
import { GuestRefusal, type NewPassword, type NewUser, type User, type UserChange } from "../services/GuestApi.ts"
import type { Page } from "./DatastoreManager.ts"
import { paged, pageSize } from "./Paging.ts"
import type { PostgresConnection } from "./PostgresConnection.ts"
import { identifier, literal, reservedDatabases, reservedUsers } from "./PostgresNames.ts"

/** Owns what deleted users leave behind, and can do nothing else. */
const formerOwners = "os_former_owners"

/** PostgreSQL's users belong to no host. */
const isAnyHost = (host: string | null) => host === null || host === "%"

export const make = ({ ask, disconnect, exists, inside, roleExists, run, runSecretly }: PostgresConnection) => {
  const mustHaveDatabases = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    for (const name of names)
      if (!(yield* exists("SELECT 1 FROM pg_database WHERE datname::text = $1", name)))
        return yield* new GuestRefusal({ message: `The database '${name}' does not exist.` })
  })

  const mustHaveUser = Effect.fnUntraced(function* (name: string) {
    if (!(yield* roleExists(name))) return yield* new GuestRefusal({ message: `There is no user '${name}'.` })
  })

  const grant = Effect.fnUntraced(function* (name: string, databases: ReadonlyArray<string>) {
    const user = identifier(name)
    for (const database of databases) {
      yield* run(`GRANT ALL ON DATABASE ${identifier(database)} TO ${user}`)
      // Since PostgreSQL 15 nobody but the owner may create in it.
      yield* inside(database, [`GRANT ALL ON SCHEMA public TO ${user}`])
    }
  })

  const setPassword = (verb: "ALTER" | "CREATE", name: string, password: Redacted.Redacted) =>
    runSecretly(`${verb} ROLE ${identifier(name)} LOGIN PASSWORD ${literal(Redacted.value(password))}`)

  const createUser = Effect.fnUntraced(function* (user: NewUser) {
    const databases = user.databases.map(({ name }) => name)
    yield* mustHaveDatabases(databases)
    yield* setPassword((yield* roleExists(user.name)) ? "ALTER" : "CREATE", user.name, user.password)
    yield* grant(user.name, databases)
  })

  const changePasswords = Effect.fnUntraced(function* (users: ReadonlyArray<NewPassword>) {
    for (const { name } of users) yield* mustHaveUser(name)
    for (const { name, password } of users) yield* setPassword("ALTER", name, password)
  })

  /** The password first: told again after it was renamed, the user is not found, and nothing is half done. */
  const updateUser = Effect.fnUntraced(function* (name: string, { name: next, password }: UserChange) {
    yield* mustHaveUser(name)
    const isRenamed = next !== undefined && next !== name
    if (isRenamed && (yield* roleExists(next)))
      return yield* new GuestRefusal({ message: `There is a user '${next}' already.` })
    if (password !== undefined) yield* setPassword("ALTER", name, password)
    if (isRenamed) yield* run(`ALTER ROLE ${identifier(name)} RENAME TO ${identifier(next)}`)
  })

  const revoke = Effect.fnUntraced(function* (name: string, database: string) {
    const user = identifier(name)
    yield* run(`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${user}`)
    yield* inside(database, [`REVOKE ALL ON SCHEMA public FROM ${user}`])
    yield* disconnect(name, database)
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
          ),
          ({ name }) => name
        )
    )

  const getUser = (name: string, host: string | null) =>
    Effect.map(listUsers({ limit: 1, marker: name, includeMarker: true }), ([[first]]) =>
      first?.name === name && isAnyHost(host) ? first : null
    )

  return {
    list: listUsers,
    get: getUser,
    create: createUser,
    changePasswords,
    update: updateUser,
    grant: (name: string, databases: ReadonlyArray<string>) =>
      Effect.all([mustHaveUser(name), mustHaveDatabases(databases), grant(name, databases)], { discard: true }),
    revoke: (name: string, database: string) =>
      Effect.all([mustHaveUser(name), mustHaveDatabases([database]), revoke(name, database)], { discard: true }),
    /** Nobody of that name is there afterwards. PostgreSQL's users belong to no host. */
    remove: (name: string, host: string | null) => (isAnyHost(host) ? deleteUser(name) : Effect.void)
  }
}
