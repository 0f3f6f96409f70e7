/**
 * The gate before every operation of a project: who is asking, are they of the project in the path, and have
 * they asked too often. What passes carries its caller.
 */
import { Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { type Caller, Identity } from "../services/Identity.ts"
import { ProjectId } from "../services/Ids.ts"
import type { Scope } from "../services/Instances.ts"
import { faults, noSuchRoute, rateLimited, unauthenticated, unauthorized, wrongProject } from "./Faults.ts"
import { RateLimiter } from "./RateLimiter.ts"

export class CurrentCaller extends Context.Service<CurrentCaller, Caller>()("coffer/http/CurrentCaller") {}

/** Whose instances the caller may name by id: an administrator, anybody's. */
export const scopeOf = ({ isAdmin, project }: Caller): Scope => (isAdmin ? "any" : { project })

/** The caller, who must be an administrator. Trove calls it 401. */
export const administrator = Effect.flatMap(CurrentCaller, (caller) =>
  caller.isAdmin ? Effect.succeed(caller) : Effect.fail(unauthorized("User does not have admin privileges."))
)

export class Gate extends HttpApiMiddleware.Service<Gate, { provides: CurrentCaller }>()("coffer/http/Gate", {
  error: faults,
  security: { token: HttpApiSecurity.apiKey({ key: "X-Auth-Token", in: "header" }) }
}) {}

const decodeProject = Schema.decodeUnknownOption(ProjectId)

/** The router lets a path that ends in a slash match a last parameter of no characters. */
const hasEmptyParameter = (params: Readonly<Record<string, string | undefined>>): boolean =>
  Object.entries(params).some(([name, value]) => value === "" && name !== "*")

/** Lets a request to a project through, with its caller, or answers it. */
export class Gatekeeper extends Context.Service<
  Gatekeeper,
  {
    readonly admit: <E, R>(
      token: Redacted.Redacted,
      operation: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | CurrentCaller>
    ) => Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      E,
      Exclude<R, CurrentCaller> | HttpServerRequest.HttpServerRequest | HttpRouter.RouteContext
    >
  }
>()("coffer/http/Gatekeeper") {
  static readonly layer = Layer.effect(
    Gatekeeper,
    Effect.gen(function* () {
      const identity = yield* Identity
      const limiter = yield* RateLimiter
      return Gatekeeper.of({
        admit: Effect.fnUntraced(function* (token, operation) {
          const { params } = yield* HttpRouter.RouteContext
          const { method } = yield* HttpServerRequest.HttpServerRequest
          const project = decodeProject(params["project"])
          if (Option.isNone(project) || hasEmptyParameter(params)) return noSuchRoute
          const presented = Redacted.value(token) === "" ? Option.none() : Option.some(token)
          const caller = yield* Effect.result(identity.authenticate(project.value, presented))
          if (caller._tag === "Failure")
            return caller.failure._tag === "Unauthenticated" ? unauthenticated : wrongProject(caller.failure.project)
          const instance = params["instance"]
          yield* Effect.annotateCurrentSpan({
            "coffer.project": project.value,
            ...(instance === undefined ? {} : { "coffer.instance": instance })
          })
          const wait = yield* limiter.take(project.value, method)
          if (wait > 0) return rateLimited(method, limiter.rate, Math.ceil(wait / 1000))
          return yield* Effect.provideService(operation, CurrentCaller, caller.success)
        })
      })
    })
  )
}

export const GateLive = Layer.effect(
  Gate,
  Effect.map(Gatekeeper, ({ admit }) => ({ token: (operation, { credential }) => admit(credential, operation) }))
)
