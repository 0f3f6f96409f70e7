/**
 * Names of MariaDB and MySQL databases, users and hosts as tenants give them: which are acceptable, and how any of
 * them becomes part of a statement. Account statements take no parameters, so this file is where injection is kept out.
 */
import { Effect } from "effect"
import { escape } from "mysql2"
import { GuestRefusal } from "../services/GuestApi.ts"

/** The guest's own administrator. */
export const administrator = "os_admin"
export const anyHost = "%"

export const reservedDatabases: ReadonlyArray<string> = ["information_schema", "mysql", "performance_schema", "sys"]
/** `root` is the tenant's administrator, made by enabling root only; the others are the servers' and the images' own. */
export const reservedUsers: ReadonlyArray<string> = [
  administrator,
  "root",
  "mysql",
  "mariadb.sys",
  "mysql.infoschema",
  "mysql.session",
  "mysql.sys",
  "healthcheck",
  "PUBLIC"
]

/** In characters. MariaDB would take users of 80; MySQL's limit serves both. */
const maxDatabase = 64
const maxUser = 32
const maxHost = 60

const refuse = (message: string) => Effect.fail(new GuestRefusal({ message }))

/** The servers keep names in three-byte UTF-8; control characters only serve to deceive whoever reads a list. */
const storable = (name: string) => name.isWellFormed() && !/[\p{Cc}\u{10000}-\u{10FFFF}]/u.test(name)

const isReserved = (name: string, reserved: ReadonlyArray<string>) =>
  reserved.some((each) => each.toLowerCase() === name.toLowerCase())

export const checkDatabaseName = (name: string) => {
  const why = (text: string) => refuse(`The database name '${name}' ${text}.`)
  if (name === "") return why("is empty")
  if (name.length > maxDatabase) return why(`is longer than ${maxDatabase} characters`)
  if (name.trim() !== name) return why("starts or ends with whitespace")
  // `\` escapes in grants, and the prefix makes the server read the rest as a file's name.
  if (!storable(name) || /^#mysql50#|\\/i.test(name)) return why("has characters that are not allowed")
  return isReserved(name, reservedDatabases) ? why("is reserved") : Effect.void
}

export const checkUserName = (name: string) => {
  const why = (text: string) => refuse(`The user name '${name}' ${text}.`)
  if (name === "") return why("is empty")
  if (name.length > maxUser) return why(`is longer than ${maxUser} characters`)
  if (name.trim() !== name) return why("starts or ends with whitespace")
  if (!storable(name) || /['"`;,/\\]/.test(name)) return why("has characters that are not allowed")
  return isReserved(name, reservedUsers) ? why("is reserved") : Effect.void
}

/** A host name, address or network in which `%` and `_` are wildcards. Servers keep hosts in lower case. */
export const normalHost = (host: string | null) => (host === null || host === "" ? anyHost : host.toLowerCase())

export const checkHost = (host: string | null) =>
  normalHost(host).length <= maxHost && /^[a-z0-9.:%_-]+(\/[0-9.]+)?$/.test(normalHost(host))
    ? Effect.void
    : refuse(`The host '${host}' is not allowed.`)

const word = (kind: string, text: string | null | undefined) =>
  !text || /^[A-Za-z0-9_]{1,64}$/.test(text) ? Effect.void : refuse(`The ${kind} '${text}' is not known.`)

export const checkCharacterSet = (text: string | null | undefined) => word("character set", text)
export const checkCollation = (text: string | null | undefined) => word("collation", text)

export const identifier = (name: string) => `\`${name.replaceAll("`", "``")}\``

/** Sound while the session's sql_mode is without NO_BACKSLASH_ESCAPES, which the connection sees to. */
export const literal = (text: string) => escape(text)

export const account = (name: string, host: string | null) => `${literal(name)}@${literal(normalHost(host))}`

/** Grants are for patterns of names: `a_b` would be for `axb` as well. */
export const grantPattern = (name: string) => name.replace(/[_%]/g, "\\$&")
export const fromGrantPattern = (pattern: string) => pattern.replace(/\\([_%\\])/g, "$1")
