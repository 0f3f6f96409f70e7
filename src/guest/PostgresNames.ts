/**
 * Names of PostgreSQL databases and roles as tenants give them: how any name becomes part of a statement. Identifiers
 * cannot be parameters in DDL, so this file is where injection is kept out. Which are acceptable is in NameRules.ts.
 */
import { Effect } from "effect"
import { GuestRefusal } from "../services/GuestApi.ts"
import { refuseDatabaseName, refuseUserName, reservedNames } from "../services/NameRules.ts"

const reserved = reservedNames("postgresql")
export const reservedDatabases = reserved.databases
export const reservedUsers = reserved.users

/** The rules are shared with the api; that it has asked them already is not relied upon. */
const obey = (refusal: string | null) =>
  refusal === null ? Effect.void : Effect.fail(new GuestRefusal({ message: refusal }))

export const checkDatabaseName = (name: string) => obey(refuseDatabaseName("postgresql", name))
export const checkUserName = (name: string) => obey(refuseUserName("postgresql", name))

export const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Says itself how backslashes are read, whatever the session's settings. */
export const literal = (text: string) => `E'${text.replace(/[\\']/g, (special) => special + special)}'`
