/** How the commands ask the API: one question at a time, with a fault as words that say what to do. */
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { FetchHttpClient, Headers, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { plain } from "../layers/config/terminalText.ts"
import { type CommandFailed, type Connection, failed } from "./connection.ts"
import { failWith } from "./failure.ts"

/** How long an answer may take. */
const patience = "30 seconds"

/** What the service says of itself: Trove's faults, and those of its middleware, which have another shape. */
const Fault = Schema.Record(
  Schema.String,
  Schema.Struct({ message: Schema.String, details: Schema.optionalKey(Schema.NullOr(Schema.String)) })
)
const FlatFault = Schema.Struct({ message: Schema.String, title: Schema.String })
const decodeFault = Schema.decodeUnknownOption(Schema.Union([FlatFault, Fault]))

const unauthenticated = ({ token }: Connection) =>
  Option.isNone(token)
    ? "The service wants to know who asks. Put a token into the variable COFFER_TOKEN, or name a file that holds one with --token-file."
    : "The service does not know this token. Look at the variable COFFER_TOKEN, or at the file that --token-file names."

/** Trove says so of what only its administrator may do; of an unknown token it says something else. */
const needsAdministrator = Schema.is(Schema.Struct({ unauthorized: Schema.Struct({ message: Schema.String }) }))

/** What a refusal means to somebody at a terminal. */
const explain = (connection: Connection, status: number, body: unknown): string => {
  if (needsAdministrator(body))
    return "Only an administrator may do this. Name a file that holds such a token with --token-file (that of coffer up is in .coffer/token), or put it into COFFER_TOKEN."
  if (status === 401) return unauthenticated(connection)
  const fault = Option.getOrUndefined(decodeFault(body))
  if (fault !== undefined && typeof fault["title"] === "string")
    return status === 403
      ? `This token is not of the project ${connection.project}. Name its own with --project, or COFFER_PROJECT.`
      : `The service answered ${status}: ${fault["title"]}.`
  const [first] = Object.values(fault ?? {}).filter((inner) => typeof inner !== "string")
  if (first === undefined) return `The service answered ${status}. Is it Coffer's API that --url names?`
  return [first.message, first.details].filter((text) => typeof text === "string" && text !== "").join(" ")
}

const send = Effect.fnUntraced(function* (connection: Connection, request: HttpClientRequest.HttpClientRequest) {
  const { base, token } = connection
  const asked = Option.match(token, {
    onNone: () => request,
    onSome: (token) => HttpClientRequest.setHeader(request, "x-auth-token", Redacted.value(token))
  })
  const silent = failed(`${base} did not answer within ${patience}; what was asked may have happened.`)
  const response = yield* HttpClient.execute(asked).pipe(
    Effect.mapError(() =>
      failed(`Nothing answers at ${base}. Is the service running (coffer up)? Name it with --url, or COFFER_URL.`)
    ),
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(silent) })
  )
  if (response.status >= 200 && response.status < 300) return response
  const body = yield* Effect.orElseSucceed(response.json, () => null)
  return yield* failed(plain(explain(connection, response.status, body)), response.status)
})

const decoded =
  <A, I>(connection: Connection, schema: Schema.Codec<A, I>) =>
  (response: HttpClientResponse.HttpClientResponse): Effect.Effect<A, CommandFailed> =>
    Effect.mapError(HttpClientResponse.schemaBodyJson(schema)(response), () =>
      failed(`What answers at ${connection.base} is not Coffer's API. Name that with --url, or COFFER_URL.`)
    )

export const get = <A, I>(connection: Connection, path: string, schema: Schema.Codec<A, I>) =>
  Effect.flatMap(send(connection, HttpClientRequest.get(`${connection.base}${path}`)), decoded(connection, schema))

const sending = (method: "POST" | "PUT" | "PATCH", connection: Connection, path: string, body: unknown) =>
  send(connection, HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.make(method)(`${connection.base}${path}`), body))

/** Asks with a body for what is answered with one. */
export const asked = <A, I>(
  method: "POST" | "PUT" | "PATCH",
  connection: Connection,
  path: string,
  body: unknown,
  schema: Schema.Codec<A, I>
) => Effect.flatMap(sending(method, connection, path, body), decoded(connection, schema))

export const post = <A, I>(connection: Connection, path: string, body: unknown, schema: Schema.Codec<A, I>) =>
  asked("POST", connection, path, body, schema)

/** Asks for something whose answer says nothing: it may be done later. */
export const order = (connection: Connection, path: string, body: unknown) =>
  Effect.asVoid(sending("POST", connection, path, body))

/** The same for a change of what is there. */
export const put = (connection: Connection, path: string, body: unknown) =>
  Effect.asVoid(sending("PUT", connection, path, body))

/** The same for what is added to what is there. */
export const patch = (connection: Connection, path: string, body: unknown) =>
  Effect.asVoid(sending("PATCH", connection, path, body))

export const remove = (connection: Connection, path: string) =>
  Effect.asVoid(send(connection, HttpClientRequest.delete(`${connection.base}${path}`)))

/** A token goes to the host that was named and to no trace: redirects are not followed. */
export const http = Layer.mergeAll(
  FetchHttpClient.layer,
  Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }),
  Layer.succeed(Headers.CurrentRedactedNames, ["x-auth-token"])
)

/** A command that asks the API: with a client, and a failure as words for a terminal. */
export const asking = <A, R>(command: Effect.Effect<A, CommandFailed, R>) =>
  command.pipe(Effect.provide(http), Effect.asVoid, Effect.catchTag("CommandFailed", failWith))
