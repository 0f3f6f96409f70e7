/**
 * Which names a tenant may give to databases and users, by datastore manager: the one place of these rules.
 * A name is refused when it is asked for, not minutes later by the guest; the guest, which trusts nobody, asks the
 * same rules again.
 *
 * Source of the rules: what the servers take (Trove takes less of it), and Trove's reserved lists.
 */
import type { DatastoreManagerName } from "./Catalog.ts"
import type { Database, NewUser } from "./GuestApi.ts"
import type { Provisioning } from "./Provisioning.ts"

interface Rules {
  readonly reservedDatabases: ReadonlyArray<string>
  readonly reservedUsers: ReadonlyArray<string>
  /** Whether a name in other letters' case is the same name. */
  readonly foldsCase: boolean
  /** The rule that the name breaks, or null. */
  readonly database: (name: string) => string | null
  readonly user: (name: string) => string | null
  readonly host: (host: string) => string | null
  /** Of a character set or a collation. */
  readonly setting: (text: string) => string | null
}

const mysqlText = (text: string, longest: number): string | null => {
  if (text.length > longest) return `it must not be longer than ${longest} characters`
  if (text === "" || text.trim() !== text) return "it must not be empty, or begin or end with a space"
  // The servers keep names in three-byte UTF-8.
  if (!text.isWellFormed() || /[\p{Cc}\u{10000}-\u{10FFFF}]/u.test(text))
    return "it must not contain control characters, emoji or other characters beyond three bytes of UTF-8"
  return null
}

const mysql: Rules = {
  reservedDatabases: ["mysql", "information_schema", "performance_schema", "sys"],
  reservedUsers: [
    "os_admin",
    "root",
    "mysql",
    "mariadb.sys",
    "mysql.infoschema",
    "mysql.session",
    "mysql.sys",
    "healthcheck",
    "PUBLIC"
  ],
  foldsCase: true,
  database: (name) =>
    /^#mysql50#|\\/i.test(name) ? "it must not contain \\ or begin with #mysql50#" : mysqlText(name, 64),
  user: (name) => (/['"`;,/\\]/.test(name) ? "it must not contain any of ' \" ` ; , / \\" : mysqlText(name, 32)),
  host: (host) =>
    host.length <= 60 && /^[A-Za-z0-9.:%_-]+(\/[0-9.]+)?$/.test(host)
      ? null
      : "it must be %, a host name, an address or a network, with % for what may differ",
  setting: (text) => (/^[A-Za-z0-9_]{1,64}$/.test(text) ? null : "it must be a word of letters, digits and _")
}

/** PostgreSQL cuts longer identifiers off silently (NAMEDATALEN - 1), and two names would become one. */
const postgresqlLongest = 63
const postgresqlName = (name: string): string | null => {
  if (name === "") return "it must not be empty"
  if (Buffer.byteLength(name) > postgresqlLongest) return `it must not be longer than ${postgresqlLongest} bytes`
  if (/\s$/.test(name)) return "it must not end with a space"
  return name.includes("\0") || !name.isWellFormed() ? "it must be well-formed text without zeros" : null
}

const postgresql: Rules = {
  reservedDatabases: ["os_admin", "postgres", "template0", "template1"],
  // The last two are keywords even in quotes.
  reservedUsers: ["os_admin", "os_former_owners", "postgres", "root", "public", "none"],
  foldsCase: false,
  database: postgresqlName,
  user: (name) => (name.startsWith("pg_") ? "names that begin with pg_ are PostgreSQL's own" : postgresqlName(name)),
  host: (host) => (host === "%" ? null : "its users belong to no host, so it must be %"),
  setting: () => null
}

const rules: Record<DatastoreManagerName, Rules> = { mysql, mariadb: mysql, postgresql }

/** Names that are the server's or ours: refused, and hidden from lists. */
export const reservedNames = (manager: DatastoreManagerName) => ({
  databases: rules[manager].reservedDatabases,
  users: rules[manager].reservedUsers
})

const isReserved = (name: string, reserved: ReadonlyArray<string>, foldsCase: boolean): boolean =>
  foldsCase ? reserved.some((each) => each.toLowerCase() === name.toLowerCase()) : reserved.includes(name)

const listed = (names: ReadonlyArray<string>): string => `[${names.map((name) => `'${name}'`).join(", ")}]`

/** Why `name` cannot be the name of a database, in words for the tenant; null if it can. */
export const refuseDatabaseName = (manager: DatastoreManagerName, name: string): string | null => {
  const { reservedDatabases, foldsCase, database } = rules[manager]
  if (isReserved(name, reservedDatabases, foldsCase))
    return `Database name "${name}" is on the reserved list: ${listed(reservedDatabases)}.`
  const rule = database(name)
  return rule === null ? null : `'${name}' is not a valid database name for ${manager}: ${rule}.`
}

/** Why `name` cannot be the name of a user, in words for the tenant; null if it can. */
export const refuseUserName = (manager: DatastoreManagerName, name: string): string | null => {
  const { reservedUsers, foldsCase, user } = rules[manager]
  if (isReserved(name, reservedUsers, foldsCase))
    return `User name "${name}" is on the reserved list: ${listed(reservedUsers)}.`
  const rule = user(name)
  return rule === null ? null : `'${name}' is not a valid user name for ${manager}: ${rule}.`
}

/** Why `host` cannot be the host of a user; null if it can. */
export const refuseHost = (manager: DatastoreManagerName, host: string): string | null => {
  const rule = rules[manager].host(host)
  return rule === null ? null : `'${host}' is not a valid host of a user for ${manager}: ${rule}.`
}

/** Why `text` cannot be a character set or a collation; null if it can. */
export const refuseSetting = (manager: DatastoreManagerName, text: string): string | null => {
  const rule = rules[manager].setting(text)
  return rule === null ? null : `'${text}' is no character set or collation for ${manager}: ${rule}.`
}

const firstOf = <A>(items: ReadonlyArray<A>, check: (item: A) => string | null): string | null => {
  for (const item of items) {
    const refusal = check(item)
    if (refusal !== null) return refusal
  }
  return null
}

const firstTwice = (keys: ReadonlyArray<string>): string | undefined =>
  keys.find((key, index) => keys.indexOf(key) !== index)

/** Why these databases cannot be made together; null if they can. */
export const refuseDatabases = (manager: DatastoreManagerName, databases: ReadonlyArray<Database>): string | null => {
  for (const { name, characterSet, collate } of databases) {
    const refusal = refuseDatabaseName(manager, name)
    if (refusal !== null) return refusal
    for (const setting of [characterSet, collate]) {
      const refusal = setting ? refuseSetting(manager, setting) : null
      if (refusal !== null) return refusal
    }
  }
  return firstTwice(databases.map(({ name }) => name)) === undefined
    ? null
    : "Two or more databases share the same name in the initial databases list. Please correct the names or remove the duplicate entries."
}

/** Why these users cannot be made together; null if they can. */
export const refuseUsers = (manager: DatastoreManagerName, users: ReadonlyArray<NewUser>): string | null => {
  for (const { name, host, databases } of users) {
    const refusal = refuseUserName(manager, name) ?? firstOf(databases, (one) => refuseDatabaseName(manager, one.name))
    if (refusal !== null) return refusal
    const hostRefusal = host === null ? null : refuseHost(manager, host)
    if (hostRefusal !== null) return hostRefusal
  }
  return firstTwice(users.map(({ name, host }) => JSON.stringify([name, host ?? "%"]))) === undefined
    ? null
    : "Two or more users share the same name and host in the initial users list. Please correct the names or remove the duplicate entries."
}

/** Why this cannot be made in a new database; null if it can. */
export const refuseProvisioning = (
  manager: DatastoreManagerName,
  { databases, users }: Provisioning
): string | null => {
  const refusal = refuseDatabases(manager, databases) ?? refuseUsers(manager, users)
  if (refusal !== null) return refusal
  const known = new Set(databases.map(({ name }) => name))
  return firstOf(users, (user) => {
    const missing = user.databases.find(({ name }) => !known.has(name))?.name
    return missing === undefined
      ? null
      : `The request indicates that user ${user.name} should have access to database ${missing}, but database ${missing} is not included in the initial databases list.`
  })
}
