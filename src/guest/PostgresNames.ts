/**
 * Names of PostgreSQL databases and roles as tenants give them: which are acceptable, and how any name becomes
 * part of a statement. Identifiers cannot be parameters in DDL, so this file is where injection is kept out.
 */
import { Effect } from "effect"
import { GuestRefusal } from "../services/GuestApi.ts"

/** NAMEDATALEN - 1; the server would cut longer names silently, and two names would become one. */
const maxBytes = 63

export const reservedDatabases: ReadonlyArray<string> = ["os_admin", "postgres", "template0", "template1"]
/** `root` is the tenant's administrator, made by enabling root only. */
export const reservedUsers: ReadonlyArray<string> = ["os_admin", "postgres", "root"]

const check = (kind: string, name: string, isReserved: boolean) => {
  const refuse = (why: string) => Effect.fail(new GuestRefusal({ message: `The ${kind} name '${name}' ${why}.` }))
  if (name === "") return refuse("is empty")
  if (Buffer.byteLength(name) > maxBytes) return refuse(`is longer than ${maxBytes} bytes`)
  if (/\s$/.test(name)) return refuse("ends with whitespace")
  if (name.includes("\0") || !name.isWellFormed()) return refuse("has characters that PostgreSQL cannot store")
  if (isReserved) return refuse("is reserved")
  return Effect.void
}

export const checkDatabaseName = (name: string) => check("database", name, reservedDatabases.includes(name))

/** PostgreSQL reads `public` and `none` as keywords even in quotes. */
export const checkUserName = (name: string) =>
  check("user", name, reservedUsers.includes(name) || ["public", "none"].includes(name) || name.startsWith("pg_"))

export const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Says itself how backslashes are read, whatever the session's settings. */
export const literal = (text: string) => `E'${text.replace(/[\\']/g, (special) => special + special)}'`
