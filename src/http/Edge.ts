/**
 * What every request meets first and last, whether a route takes it or not: an id, the check of host and
 * origin, the bounds of a body; and after the answer, one measure and one line in the log. What no route and
 * no schema has answered is answered here.
 */
import { ByteSize, Cause, Clock, Config, Context, Effect, Exit, Metric } from "effect"
import {
  HttpIncomingMessage,
  HttpMethod,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { bodyTooLarge, foreignHost, internalError, noSuchRoute, unsupportedMediaType } from "./Faults.ts"

/** The largest body that a request may have, in bytes. */
export const maxBody = 1024 * 1024

/** Only these names of a host are answered: a page of another site cannot reach a server on loopback by DNS. */
const defaultHosts: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]"]

/** How ids of requests are drawn. */
export const NewRequestId = Context.Reference<Effect.Effect<string>>("coffer/http/Edge/NewRequestId", {
  defaultValue: () => Effect.sync(() => `req-${crypto.randomUUID()}`)
})

type Answer = HttpServerResponse.HttpServerResponse
type Request = HttpServerRequest.HttpServerRequest

const withoutPort = (host: string): string => host.replace(/:\d+$/, "").toLowerCase()

/** `*` among the hosts lets every host pass, for a server behind a proxy that has checked it. */
const isForeign = ({ headers }: Request, hosts: ReadonlySet<string>): boolean => {
  const host = headers["host"]
  if (hosts.has("*")) return false
  if (host === undefined || !hosts.has(withoutPort(host))) return true
  const origin = headers["origin"]
  return origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase())
}

const hasBody = ({ method, headers }: Request): boolean =>
  HttpMethod.hasBody(method as HttpMethod.HttpMethod) &&
  (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0)

/** The answer to a request that no route should see, or null. */
const refuse = (request: Request, hosts: ReadonlySet<string>): Answer | null => {
  if (isForeign(request, hosts)) return foreignHost
  // Trove knows neither, and our handlers must not be reached by a method that they do not name.
  if (request.method === "HEAD" || request.method === "OPTIONS") return noSuchRoute
  if (!hasBody(request)) return null
  if (Number(request.headers["content-length"] ?? 0) > maxBody) return bodyTooLarge(maxBody)
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase()
  return type === undefined || type === "application/json" ? null : unsupportedMediaType
}

/** A body without a declared length that grows beyond the bound ends in the middle of being read. */
const isTooLong = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => {
    const error = reason._tag === "Die" ? reason.defect : reason._tag === "Fail" ? reason.error : undefined
    return (
      HttpServerError.isHttpServerError(error) &&
      error.reason._tag === "RequestParseError" &&
      /maxBytes|MaxBodySize|exceed/i.test(String(error.reason.cause))
    )
  })

const isRouteNotFound = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" &&
      HttpServerError.isHttpServerError(reason.error) &&
      reason.error.reason._tag === "RouteNotFound"
  )

/** An empty answer is JSON, too: Trove's clients look at the type before the length. */
const finished = (answer: Answer, requestId: string): Answer =>
  HttpServerResponse.setHeaders(answer, {
    "x-openstack-request-id": requestId,
    ...(answer.body._tag === "Empty" && answer.status !== 204
      ? { "content-type": "application/json", "content-length": "0" }
      : {})
  })

const requests = Metric.counter("coffer_http_requests", {
  description: "Requests answered, by method, route and status.",
  incremental: true
})
const seconds = Metric.histogram("coffer_http_request_duration_seconds", {
  description: "How long an answer took, by method and route.",
  boundaries: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

const measures = new Map<string, readonly [typeof requests, typeof seconds]>()

/** Labels come from our own routes and from the methods that the router knows, so there are only so many. */
const measuresOf = (method: string, route: string, status: number) => {
  const key = `${method} ${route} ${status}`
  const known = measures.get(key)
  if (known !== undefined) return known
  const made = [
    Metric.withAttributes(requests, { method, route, status: `${status}` }),
    Metric.withAttributes(seconds, { method, route })
  ] as const
  measures.set(key, made)
  return made
}

const knownMethods = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])

/** The query may hold what is not for a log. */
const pathOf = (url: string): string => URL.parse(url)?.pathname ?? url.split("?", 1)[0] ?? ""

const record = (request: Request, route: string, answer: Answer, requestId: string, milliseconds: number) =>
  Effect.gen(function* () {
    const method = knownMethods.has(request.method) ? request.method : "other"
    const [count, duration] = measuresOf(method, route, answer.status)
    yield* Metric.update(count, 1)
    yield* Metric.update(duration, milliseconds / 1000)
    // Polling is most of the traffic and tells nothing; a change, or an answer in error, is news.
    const log = request.method === "GET" && answer.status < 400 ? Effect.logDebug : Effect.logInfo
    yield* log("request").pipe(
      Effect.annotateLogs({
        method: request.method,
        path: pathOf(request.originalUrl),
        route,
        status: answer.status,
        milliseconds,
        request: requestId
      })
    )
  })

/** Of the request that was just routed: the router leaves it in the fiber until the request ends. */
const routeTaken = Effect.withFiber<string>((fiber) =>
  Effect.succeed(
    Context.getOrUndefined(fiber.context as Context.Context<HttpRouter.RouteContext>, HttpRouter.RouteContext)?.route
      .path ?? "none"
  )
)

const answered = (cause: Cause.Cause<unknown>, requestId: string) => {
  if (isRouteNotFound(cause)) return Effect.succeed(noSuchRoute)
  if (isTooLong(cause)) return Effect.succeed(bodyTooLarge(maxBody))
  return Effect.logError("a request met a bug", cause).pipe(
    Effect.annotateLogs({ request: requestId }),
    Effect.as(internalError(requestId))
  )
}

export const EdgeLive = HttpRouter.middleware(
  Effect.gen(function* () {
    const configured = yield* Config.withDefault(Config.String("COFFER_ALLOWED_HOSTS"), defaultHosts.join(","))
    const hosts = new Set(configured.split(",").map((host) => host.trim().toLowerCase()))
    const newRequestId = yield* NewRequestId

    return (routed) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const requestId = yield* newRequestId
        const started = yield* Clock.currentTimeMillis
        const refusal = refuse(request, hosts)
        const exit = refusal === null ? yield* Effect.exit(routed) : Exit.succeed(refusal)
        // A client that went away is answered by the server itself, with nothing.
        if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return yield* exit
        const answer = Exit.isSuccess(exit) ? exit.value : yield* answered(exit.cause, requestId)
        const route = refusal === null ? yield* routeTaken : "none"
        yield* record(request, route, answer, requestId, (yield* Clock.currentTimeMillis) - started)
        return finished(answer, requestId)
      }).pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxBody)))
  }),
  { global: true }
)
