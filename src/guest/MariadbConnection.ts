/**
 * One connection to a MariaDB or MySQL server, as the guest's own administrator.
 *
 * The images hand out a `root` that anybody may use from anywhere, and a tenant's administrator is called `root`
 * too. So the guest takes the first one for itself, under another name, the first time that it comes.
 */
import { Effect, Exit, Predicate, Redacted, Schema } from "effect"
import { type Connection, createConnection } from "mysql2/promise"
import type { Endpoint, Page } from "./DatastoreManager.ts"
import { ownSource } from "./HostFirewall.ts"
import { account, administrator, anyHost, literal } from "./MariadbNames.ts"
import { pageSize } from "./Paging.ts"

/** Only the code: the message and the statement of a server's error may hold a password. */
export class ServerFailure extends Schema.TaggedError<ServerFailure>()("ServerFailure", { code: Schema.String }) {}

const attempt = <A>(call: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: call,
    catch: (error) =>
      new ServerFailure({
        code: Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : "UNKNOWN"
      })
  })

const connectTimeout = 3000

/**
 * The tenant's root may have changed global settings: what our statements rely on is said anew. The general log and
 * that of slow queries would show passwords: no statement of ours is slow enough. A statement that waits for a tenant's lock gives up before its caller does.
 */
const settings = `SET SESSION sql_mode = 'STRICT_TRANS_TABLES', SESSION sql_log_off = 1, SESSION lock_wait_timeout = 30,
  SESSION long_query_time = 31536000, SESSION min_examined_row_limit = 4294967295`

export const run = (connection: Connection, statement: string) => attempt(() => connection.query(statement))

/** The rows of a query, decoded. */
export const ask = <S extends Schema.Codec<unknown, unknown>>(connection: Connection, row: S, query: string) =>
  Effect.flatMap(run(connection, query), ([rows]) => Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(row))(rows)))

/** One for each use: the guest asks seldom, and a connection that is kept would outlive a restart of its server. */
const connect = (endpoint: Endpoint, user: string) =>
  Effect.acquireRelease(
    attempt(async (signal) => {
      const connection = await createConnection({
        stream: () => ownSource(endpoint),
        user,
        password: Redacted.value(endpoint.adminPassword),
        charset: "utf8mb4",
        connectTimeout
      })
      if (signal.aborted) connection.destroy()
      return connection
    }),
    // A statement that was interrupted is still on its way: a farewell would wait behind it.
    (connection, exit) =>
      Exit.isSuccess(exit) ? Effect.ignore(attempt(() => connection.end())) : Effect.sync(() => connection.destroy()),
    { interruptible: true }
  ).pipe(Effect.tap((connection) => run(connection, settings)))

export const Account = Schema.Struct({ name: Schema.String, host: Schema.String })

/**
 * Takes the account of the image's root over. Renaming it is the last step and a single one: until it is done the next
 * call starts again, and after it a `root` that exists is the tenant's. `root@localhost` stays for use inside the image.
 */
const takeOver = Effect.fn("Mariadb.takeOver")(function* (endpoint: Endpoint) {
  const connection = yield* connect(endpoint, "root")
  const [self] = yield* ask(
    connection,
    Account,
    "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AS name, SUBSTRING_INDEX(CURRENT_USER(), '@', -1) AS host"
  )
  if (self === undefined) return
  const others = yield* ask(
    connection,
    Account,
    `SELECT User AS name, Host AS host FROM mysql.user
     WHERE Host <> '' AND (User = '' OR (User = 'root' AND Host NOT IN ('localhost', ${literal(self.host)})))`
  )
  for (const other of others) yield* run(connection, `DROP USER ${account(other.name, other.host)}`)
  yield* run(connection, `RENAME USER ${account(self.name, self.host)} TO ${account(administrator, anyHost)}`)
}, Effect.scoped)

/** Closed with the scope. */
export const connectAsAdministrator = (endpoint: Endpoint) => {
  const asAdministrator = connect(endpoint, administrator)
  return asAdministrator.pipe(
    Effect.catchIf(
      (failure) => failure.code.startsWith("ER_ACCESS_DENIED"),
      () => Effect.andThen(takeOver(endpoint), asAdministrator)
    )
  )
}

/** The page of a query, and one row more. Bytes order names in every collation. */
export const window = (key: string, { limit, marker, includeMarker }: Page) =>
  `${marker === null ? "" : `AND CAST(${key} AS BINARY) ${includeMarker ? ">=" : ">"} CAST(${literal(marker)} AS BINARY)`}
   ORDER BY CAST(${key} AS BINARY) LIMIT ${pageSize(limit) + 1}`

/** `column` is one of information_schema.PROCESSLIST. Whoever of them is gone meanwhile needs no ending. */
export const disconnect = Effect.fnUntraced(function* (connection: Connection, column: "USER" | "DB", name: string) {
  const sessions = yield* ask(
    connection,
    Schema.Struct({ id: Schema.Int }),
    `SELECT ID AS id FROM information_schema.PROCESSLIST
     WHERE ID <> CONNECTION_ID() AND CAST(${column} AS BINARY) = CAST(${literal(name)} AS BINARY)`
  )
  for (const { id } of sessions) yield* Effect.ignore(run(connection, `KILL ${id}`))
})
