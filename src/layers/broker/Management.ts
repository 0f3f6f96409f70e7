/**
 * RabbitMQ's management API, as far as it is needed to make and remove what a guest needs. Everything is ensured:
 * what is there already is left, and what is gone already is fine.
 *
 * Errors say what was asked and what the broker said of it, and never a credential.
 */
import { Duration, Effect, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse, type HttpMethod } from "effect/http"
import { GuestAccessError } from "../../services/GuestAccess.ts"

/** How long one question may take. */
const patience = Duration.seconds(10)

/** The longest part of an answer that is repeated in an error. */
const maxReason = 300

/** What stands after `/api`, a part at a time, as it is named: `["queues", "/", "trove-conductor"]`. */
export type Path = ReadonlyArray<string>

export interface Management {
  /** Where it is, without credentials. */
  readonly address: string
  /** None where the broker knows no such thing. */
  readonly find: <A, I>(
    path: Path,
    schema: Schema.Codec<A, I>,
    query?: string
  ) => Effect.Effect<Option.Option<A>, GuestAccessError>
  readonly put: (path: Path, body: object) => Effect.Effect<void, GuestAccessError>
  readonly post: (path: Path, body: object) => Effect.Effect<void, GuestAccessError>
  readonly remove: (path: Path) => Effect.Effect<void, GuestAccessError>
}

const failed = (detail: string) => Effect.fail(new GuestAccessError({ detail }))

const Refusal = Schema.Struct({ reason: Schema.String })

const partsOf = (url: Redacted.Redacted) => {
  const { origin, password, pathname, username } = new URL(Redacted.value(url))
  return {
    address: `${origin}${pathname.replace(/\/(api\/?)?$/, "")}`,
    user: decodeURIComponent(username),
    password: Redacted.make(decodeURIComponent(password))
  }
}

/** Nobody reads the rest, and its connection is free again. */
const drain = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.ignore(Effect.timeout(response.text, patience))

/** `url`: with user and password; with `/api` or without. */
export const make = Effect.fnUntraced(function* (
  url: Redacted.Redacted
): Effect.fn.Return<Management, GuestAccessError, HttpClient.HttpClient> {
  const client = yield* HttpClient.HttpClient
  const { address, password, user } = yield* Effect.try({
    try: () => partsOf(url),
    catch: () => new GuestAccessError({ detail: "The URL of RabbitMQ's management API cannot be read." })
  })

  const ask = Effect.fnUntraced(function* (method: HttpMethod.HttpMethod, path: Path, body?: object, query = "") {
    const place = `/api/${path.map(encodeURIComponent).join("/")}`
    const request = HttpClientRequest.make(method)(`${address}${place}${query}`).pipe(
      HttpClientRequest.basicAuth(user, password),
      body === undefined ? (same) => same : HttpClientRequest.bodyJsonUnsafe(body)
    )
    const silent = failed(`RabbitMQ's management API does not answer at ${address}.`)
    const response = yield* client.execute(request).pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => silent }),
      Effect.catchTag("HttpClientError", () => silent)
    )
    if (response.status < 300) return Option.some(response)
    if (response.status === 404) return yield* Effect.as(drain(response), Option.none())
    if (response.status === 401) {
      return yield* failed(`RabbitMQ's management API at ${address} refuses the credentials.`)
    }
    // What is said of a user could repeat what was asked for it.
    const { reason } = yield* HttpClientResponse.schemaBodyJson(Refusal)(response).pipe(
      Effect.timeout(patience),
      Effect.filterOrFail(() => path[0] !== "users"),
      Effect.orElseSucceed(() => ({ reason: "" }))
    )
    const said = reason === "" ? "" : `: ${reason.slice(0, maxReason)}`
    return yield* failed(`RabbitMQ answered ${method} ${place} with ${response.status}${said}.`)
  })

  const change = Effect.fnUntraced(function* (method: HttpMethod.HttpMethod, path: Path, body: object) {
    const response = yield* ask(method, path, body)
    if (Option.isNone(response)) return yield* failed(`RabbitMQ has nothing to ${method} ${path.join(" ")} to.`)
    yield* drain(response.value)
  })

  return {
    address,
    find: Effect.fnUntraced(function* (path, schema, query) {
      const response = yield* ask("GET", path, undefined, query)
      if (Option.isNone(response)) return Option.none()
      return yield* HttpClientResponse.schemaBodyJson(schema)(response.value).pipe(
        Effect.timeout(patience),
        Effect.map(Option.some),
        Effect.catch(() => failed(`What RabbitMQ answered of ${path.join(" ")} cannot be read.`))
      )
    }),
    put: (path, body) => change("PUT", path, body),
    post: (path, body) => change("POST", path, body),
    remove: Effect.fnUntraced(function* (path) {
      const response = yield* ask("DELETE", path)
      if (Option.isSome(response)) yield* drain(response.value)
    })
  }
})
