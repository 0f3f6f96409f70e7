/** What is wrong with the control plane's database, for an operator: which one, the driver's reason, where to look. */
import { Effect, Redacted, Schema } from "effect"
import { SqlError } from "effect/sql"
import { plain } from "../layers/config/terminalText.ts"

const defaultPort = "5432"

/** Where it is, without who asks: for a terminal. */
export const placeOf = (url: Redacted.Redacted): string => {
  const { hostname, pathname, port, searchParams } = new URL(Redacted.value(url))
  const host = hostname === "" ? (searchParams.get("host") ?? "localhost") : hostname
  return plain(`${decodeURIComponent(pathname.slice(1))} at ${host}:${port === "" ? defaultPort : port}`)
}

const Coded = Schema.Struct({ code: Schema.String })
const Caused = Schema.Struct({ cause: Schema.Unknown })

/** How deep an error is looked for among the causes of others. */
const maxCauses = 8

const sqlErrorOf = (error: unknown): SqlError.SqlError | null => {
  let candidate = error
  for (let depth = 0; depth < maxCauses; depth++) {
    if (candidate instanceof SqlError.SqlError) return candidate
    if (!Schema.is(Caused)(candidate)) return null
    candidate = candidate.cause
  }
  return null
}

/** A name that has several addresses fails with an error for each. */
const reasonsOf = (cause: unknown): ReadonlyArray<string> => {
  if (cause instanceof AggregateError) return [...new Set(cause.errors.flatMap(reasonsOf))]
  return [cause instanceof Error && cause.message !== "" ? cause.message : String(cause)]
}

const codesOf = (cause: unknown): ReadonlyArray<string> => [
  ...(Schema.is(Coded)(cause) ? [cause.code] : []),
  ...(cause instanceof AggregateError ? cause.errors.flatMap(codesOf) : [])
]

/** By the code of the system, or of PostgreSQL. */
const advice: ReadonlyArray<readonly [code: RegExp, text: string]> = [
  [/^ECONNREFUSED$/, "Is PostgreSQL running there, and does it listen on that address (listen_addresses)?"],
  [/^(ENOTFOUND|EAI_AGAIN)$/, "No address is known for that name: look at the host in database.url, and at the DNS."],
  [/^28/, "Look at the user and the password in database.url, and at the server's pg_hba.conf."],
  [/^3D000$/, "Make it with createdb, then run: coffer db migrate"],
  [/^53300$/, "All its connections are taken: look at the server's max_connections."],
  [/^57P03$/, "The server is starting or stopping: try again in a moment."]
]

/** Null when it was not the database that failed. */
export const databaseFailure = (error: unknown, url: Redacted.Redacted): string | null => {
  const found = sqlErrorOf(error)
  if (found === null) return null
  const { cause, operation } = found.reason
  const codes = codesOf(cause)
  const [, known] = advice.find(([code]) => codes.some((each) => code.test(each))) ?? []
  const isConnecting = operation === "connect"
  const what = isConnecting ? "cannot be used" : "does not do as it is asked"
  const hint = known ?? (isConnecting ? "Look at database.url, and at whether this machine can reach it." : "")
  return plain(`the database ${placeOf(url)} ${what}: ${reasonsOf(cause).join(", ")}. ${hint}`).trimEnd()
}

/** The database does not do its part; `message` says what to look at. */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", {
  message: Schema.String
}) {}

/** For a failure and for a defect that may be the database's: it fails with words, and everything else is a defect. */
export const telling =
  (url: Redacted.Redacted) =>
  (error: unknown): Effect.Effect<never, DatabaseFailed> => {
    const message = databaseFailure(error, url)
    return message === null ? Effect.die(error) : Effect.fail(new DatabaseFailed({ message }))
  }
