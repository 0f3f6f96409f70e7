/**
 * Names of MariaDB and MySQL databases, users and hosts as tenants give them: how any of them becomes part of a
 * statement (which are acceptable is in `services/NameRules.ts`). Account statements take no parameters, so this file is where injection is kept out.
 */
import { Effect } from "effect"
import { escape } from "mysql2"
import { GuestRefusal } from "../services/GuestApi.ts"
import { refuseDatabaseName, refuseHost, refuseSetting, refuseUserName, reservedNames } from "../services/NameRules.ts"

/** The guest's own administrator. */
export const administrator = "os_admin"
export const anyHost = "%"

const reserved = reservedNames("mariadb")
export const reservedDatabases = reserved.databases
export const reservedUsers = reserved.users

/** The rules are shared with the api; that it has asked them already is not relied upon. */
const obey = (refusal: string | null) =>
  refusal === null ? Effect.void : Effect.fail(new GuestRefusal({ message: refusal }))

export const checkDatabaseName = (name: string) => obey(refuseDatabaseName("mariadb", name))
export const checkUserName = (name: string) => obey(refuseUserName("mariadb", name))

/** A host name, address or network in which `%` and `_` are wildcards. Servers keep hosts in lower case. */
export const normalHost = (host: string | null) => (host === null || host === "" ? anyHost : host.toLowerCase())

export const checkHost = (host: string | null) => obey(refuseHost("mariadb", normalHost(host)))

export const checkSetting = (text: string | null | undefined) =>
  text ? obey(refuseSetting("mariadb", text)) : Effect.void

export const identifier = (name: string) => `\`${name.replaceAll("`", "``")}\``

/** Sound while the session's sql_mode is without NO_BACKSLASH_ESCAPES, which the connection sees to. */
export const literal = (text: string) => escape(text)

export const account = (name: string, host: string | null) => `${literal(name)}@${literal(normalHost(host))}`

/** Grants are for patterns of names: `a_b` would be for `axb` as well. */
export const grantPattern = (name: string) => name.replace(/[_%]/g, "\\$&")
export const fromGrantPattern = (pattern: string) => pattern.replace(/\\([_%\\])/g, "$1")

/** Texts for a list in brackets. */
export const literals = (texts: ReadonlyArray<string>) => texts.map(literal).join(", ")
