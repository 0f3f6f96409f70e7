/**
 * The two questions that are asked of a Keystone, in its API v3: a token for ourselves, and whose a caller's is. What it
 * answers is decoded and bounded. Passwords and tokens stand in headers and bodies alone; a failure says what was asked and
 * what came back, and holds neither.
 */
import { ByteSize, Duration, Effect, flow, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse, HttpIncomingMessage } from "effect/http"

/** The largest answer that is read. */
const maxBody = ByteSize.kibibytes(256)

export interface Access {
  /** With the version: `https://keystone.example.org:5000/v3`. */
  readonly url: string
  readonly username: string
  readonly password: Redacted.Redacted
  readonly project: string
  readonly userDomain: string
  readonly projectDomain: string
}

/** Keystone does not answer, or not as one does; or it does not take us for what we have to be. */
export class KeystoneUnusable extends Schema.TaggedError<KeystoneUnusable>()("KeystoneUnusable", {
  /** For the operator: what was asked, and what became of it. */
  message: Schema.String
}) {}

/** Our own token is not good, or not any more. */
export class OwnTokenRefused extends Schema.TaggedError<OwnTokenRefused>()("OwnTokenRefused", {}) {}

/** Keystone knows no such token: it expired, was revoked, or is somebody else's. */
export class TokenUnknown extends Schema.TaggedError<TokenUnknown>()("TokenUnknown", {}) {}

/** Who holds a token, and in which project it is good: in none, if it is of no project. */
export interface Holder {
  readonly user: string
  readonly project: Option.Option<string>
  readonly roles: ReadonlyArray<string>
  /** In milliseconds since 1970. */
  readonly expires: number
}

export interface OwnToken {
  readonly token: Redacted.Redacted
  /** From when it was given. */
  readonly lasts: Duration.Duration
}

const Named = Schema.Struct({ id: Schema.String, name: Schema.String })

const Times = { expires_at: Schema.DateTimeUtcFromString, issued_at: Schema.DateTimeUtcFromString }

const Issued = Schema.Struct({ token: Schema.Struct(Times) })

const Validated = Schema.Struct({
  token: Schema.Struct({
    ...Times,
    user: Schema.Struct({ id: Schema.String }),
    project: Schema.optionalKey(Schema.Struct({ id: Schema.String })),
    roles: Schema.optionalKey(Schema.Array(Named))
  })
})

/** A token as a header can carry it: visible ASCII. */
const isSendable = (token: Redacted.Redacted) => /^[!-~]{1,8192}$/.test(Redacted.value(token))

const passwordOf = ({ password, project, projectDomain, userDomain, username }: Access) => ({
  auth: {
    identity: {
      methods: ["password"],
      password: { user: { name: username, domain: { name: userDomain }, password: Redacted.value(password) } }
    },
    scope: { project: { name: project, domain: { name: projectDomain } } }
  }
})

export interface Keystone {
  /** A new token for ourselves. */
  readonly enter: Effect.Effect<OwnToken, KeystoneUnusable>
  /** Who holds `token`; we show `own`. */
  readonly holderOf: (
    token: Redacted.Redacted,
    own: Redacted.Redacted
  ) => Effect.Effect<Holder, KeystoneUnusable | OwnTokenRefused | TokenUnknown>
}

export const make = Effect.fnUntraced(function* (
  access: Access
): Effect.fn.Return<Keystone, never, HttpClient.HttpClient> {
  const client = yield* HttpClient.HttpClient
  const tokens = `${access.url}/auth/tokens?nocatalog`

  const unusable = (what: string) => new KeystoneUnusable({ message: `Keystone at ${access.url} ${what}.` })

  /** A connection that was kept may have been closed meanwhile: asked again, for asking twice does no harm. */
  const ask = (request: HttpClientRequest.HttpClientRequest) =>
    client.execute(request).pipe(
      Effect.retry({ times: 1 }),
      Effect.mapError(() => unusable("cannot be reached"))
    )

  const read = <A, I>(response: HttpClientResponse.HttpClientResponse, schema: Schema.Codec<A, I>) =>
    HttpClientResponse.schemaBodyJson(schema)(response).pipe(
      Effect.mapError(() => unusable("gave an answer that cannot be read"))
    )

  /** Nobody reads the rest, and its connection is free again. */
  const drained = (response: HttpClientResponse.HttpClientResponse) => Effect.ignore(response.text)

  /** The client's own span would hold request and response, with their headers; ours holds what came of it. */
  const question = flow(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBody),
    Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
  )

  const enter = Effect.gen(function* () {
    const request = HttpClientRequest.post(tokens).pipe(HttpClientRequest.bodyJsonUnsafe(passwordOf(access)))
    const response = yield* ask(request)
    if (response.status !== 201) {
      yield* drained(response)
      return yield* response.status === 401
        ? unusable("refuses keystone.username, password or project_name")
        : unusable(`answered ${response.status} to our login`)
    }
    const token = response.headers["x-subject-token"]
    const { expires_at, issued_at } = (yield* read(response, Issued)).token
    if (token === undefined) return yield* unusable("gave no token to our login")
    // Its own clock on both sides: how long the token lasts, whatever the time is here.
    const lasts = Duration.millis(Math.max(0, expires_at.epochMilliseconds - issued_at.epochMilliseconds))
    return { token: Redacted.make(token), lasts }
  }).pipe(question, Effect.withSpan("Keystone.enter"))

  const holderOf = Effect.fn("Keystone.holderOf")(function* (token: Redacted.Redacted, own: Redacted.Redacted) {
    if (!isSendable(token)) return yield* new TokenUnknown()
    const request = HttpClientRequest.get(tokens).pipe(
      HttpClientRequest.setHeaders({ "x-auth-token": Redacted.value(own), "x-subject-token": Redacted.value(token) })
    )
    const response = yield* ask(request)
    if (response.status === 200) {
      const { expires_at, project, roles = [], user } = (yield* read(response, Validated)).token
      return {
        user: user.id,
        project: Option.map(Option.fromUndefinedOr(project), ({ id }) => id),
        roles: roles.map(({ name }) => name),
        expires: expires_at.epochMilliseconds
      }
    }
    yield* drained(response)
    switch (response.status) {
      case 404:
        return yield* new TokenUnknown()
      case 401:
        return yield* new OwnTokenRefused()
      case 403:
        return yield* unusable("lets keystone.username validate no tokens: it needs the role service or admin")
      default:
        return yield* unusable(`answered ${response.status} when asked whose a token is`)
    }
  }, question)

  return { enter, holderOf }
})
