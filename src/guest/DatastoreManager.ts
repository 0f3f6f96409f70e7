/**
 * A datastore manager: what the guest does inside its database, as a port. One adapter a kind of
 * server (postgresql; mariadb and mysql). Names of databases and users are untrusted input.
 */
import type { Effect, Redacted, Scope } from "effect"
import type { Value } from "../services/configuration/Parameter.ts"
import type { Database, GuestRefusal, NewPassword, NewUser, User, UserChange } from "../services/GuestApi.ts"

/** How the guest reaches its own server, always over TCP as a client would. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  /** Password of the server's built-in administrator; never shown to a tenant. */
  readonly adminPassword: Redacted.Redacted
}

export interface Page {
  readonly limit: number | null
  /** Exclusive: the page starts after it, unless `includeMarker`. */
  readonly marker: string | null
  readonly includeMarker: boolean
}

/** By name: the value that it is to have, null for the one that the server has by itself. */
export type SettingChanges = Readonly<Record<string, Value | null>>

/** A page and the marker of the next one, null on the last. */
export type Listed<A> = readonly [ReadonlyArray<A>, string | null]

/** One open manager. All methods fail with a refusal that a tenant can read, never with a server's stack. */
export interface DatastoreSession {
  /** A client can log in and gets an answer. */
  readonly ping: Effect.Effect<void, GuestRefusal>
  /** As the server tells it: "15.10 (Debian 15.10-0)", "10.11.6-MariaDB". */
  readonly version: Effect.Effect<string, GuestRefusal>
  readonly listDatabases: (page: Page) => Effect.Effect<Listed<Database>, GuestRefusal>
  /** Existing ones are left as they are. */
  readonly createDatabases: (databases: ReadonlyArray<Database>) => Effect.Effect<void, GuestRefusal>
  readonly deleteDatabase: (name: string) => Effect.Effect<void, GuestRefusal>
  readonly listUsers: (page: Page) => Effect.Effect<Listed<User>, GuestRefusal>
  readonly getUser: (name: string, host: string | null) => Effect.Effect<User | null, GuestRefusal>
  /** An existing user gets the password and grants asked for. */
  readonly createUsers: (users: ReadonlyArray<NewUser>) => Effect.Effect<void, GuestRefusal>
  readonly deleteUser: (name: string, host: string | null) => Effect.Effect<void, GuestRefusal>
  /** All of them are there, or nothing is changed. */
  readonly changePasswords: (users: ReadonlyArray<NewPassword>) => Effect.Effect<void, GuestRefusal>
  /** Whatever it is called then, it keeps its grants and what it owns. */
  readonly updateUser: (name: string, host: string | null, change: UserChange) => Effect.Effect<void, GuestRefusal>
  /** All databases are there, or nothing is granted. */
  readonly grant: (
    name: string,
    host: string | null,
    databases: ReadonlyArray<string>
  ) => Effect.Effect<void, GuestRefusal>
  /** Whoever of the user is in the database leaves it. What was never granted is revoked as well. */
  readonly revoke: (name: string, host: string | null, database: string) => Effect.Effect<void, GuestRefusal>
  /** Makes, or gives a new password to, the tenant's administrator `root`. */
  readonly enableRoot: (password: Redacted.Redacted) => Effect.Effect<void, GuestRefusal>
  /** What the tenant's databases take on the volume, in bytes, as the server tells it. */
  readonly usedBytes: Effect.Effect<number, GuestRefusal>
  /**
   * The server, whose file holds all of `settings`, takes at once what it can take at once; those in `changes` alone may
   * differ from what it has. A value that it does not take is a refusal. Whether something waits for a restart.
   */
  readonly applySettings: (changes: SettingChanges) => Effect.Effect<boolean, GuestRefusal>
  /** Nobody can log in as `root` after this. */
  readonly disableRoot: Effect.Effect<void, GuestRefusal>
}

export interface DatastoreManager {
  readonly datastores: ReadonlyArray<"postgresql" | "mariadb" | "mysql">
  /** The port that clients of this datastore expect. */
  readonly port: number
  /** Opens a session; connections are made as they are needed, and closed with the scope. */
  readonly open: (endpoint: Endpoint) => Effect.Effect<DatastoreSession, never, Scope.Scope>
}
