/**
 * The gate before every operation of a project: who is asking, are they of the project in the path, have they asked
 * too often, and does the policy let them. What passes carries its caller.
 */
import { Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import {
  type Caller,
  Identity,
  type IdentityUnavailable,
  type Unauthenticated,
  type WrongProject
} from "../services/Identity.ts"
import { ProjectId } from "../services/Ids.ts"
import type { Scope } from "../services/Instances.ts"
import type { PolicyName } from "../services/policy/Policies.ts"
import { Policy, type Rules } from "../services/policy/Rules.ts"
import { type Access, Requires } from "./Access.ts"
import {
  type Fault,
  faultResponse,
  faults,
  identityUnavailable,
  noSuchRoute,
  notAdministrator,
  policyForbids,
  rateLimited,
  unauthenticated,
  wrongProject
} from "./Faults.ts"
import { OffersPreview, refusePreview } from "./Preview.ts"
import { RateLimiter } from "./RateLimiter.ts"

/** Who was let in. */
export interface Admitted extends Caller {
  readonly isAdmin: boolean
  /** Whose instances they may name by id. */
  readonly scope: Scope
  /** Whether the policy allows them that in their project; then, whose instances they may name by id for it. */
  readonly allowed: (policy: PolicyName) => Scope | null
}

export class CurrentCaller extends Context.Service<CurrentCaller, Admitted>()("coffer/http/CurrentCaller") {}

export const scopeOf = ({ scope }: Admitted): Scope => scope

/** For what only the body tells: whose instances the caller may do that to, or Trove's refusal. */
export const allowed = (policy: PolicyName): Effect.Effect<Scope, Fault, CurrentCaller> =>
  Effect.flatMap(CurrentCaller, (caller) => {
    const scope = caller.allowed(policy)
    return scope === null ? Effect.fail(policyForbids(policy)) : Effect.succeed(scope)
  })

export class Gate extends HttpApiMiddleware.Service<Gate, { provides: CurrentCaller }>()("coffer/http/Gate", {
  error: faults,
  security: { token: HttpApiSecurity.apiKey({ key: "X-Auth-Token", in: "header" }) }
}) {}

/** The instances of any project are for administrators, as far as the policy lets them do that to what is not theirs. */
const admitted = (caller: Caller, rules: Rules): Admitted => {
  const isAdmin = rules.isAdmin(caller)
  const own: Scope = { project: caller.project }
  const allowed = (policy: PolicyName) => {
    if (!rules.permits(policy, caller, caller.project)) return null
    return isAdmin && rules.permits(policy, caller, nobodys) ? "any" : own
  }
  return { ...caller, isAdmin, scope: isAdmin ? "any" : own, allowed }
}

/** A project that no caller is of: no id is empty. */
const nobodys = ""

/** What the caller may do, or the answer that they may not. */
const enter = (caller: Admitted, access: Access): Admitted | HttpServerResponse.HttpServerResponse => {
  switch (access._tag) {
    case "Policy": {
      const scope = caller.allowed(access.name)
      return scope === null ? faultResponse(403, policyForbids(access.name)) : { ...caller, scope }
    }
    case "Administrator":
      return caller.isAdmin ? caller : faultResponse(401, notAdministrator())
    case "Member":
    case "ByBody":
      return caller
  }
}

const refusal = (error: Unauthenticated | WrongProject | IdentityUnavailable) => {
  switch (error._tag) {
    case "Unauthenticated":
      return unauthenticated(error.challenge)
    case "WrongProject":
      return wrongProject(error.project)
    case "IdentityUnavailable":
      return identityUnavailable
  }
}

const decodeProject = Schema.decodeUnknownOption(ProjectId)

/** The router lets a path that ends in a slash match a last parameter of no characters. */
const hasEmptyParameter = (params: Readonly<Record<string, string | undefined>>): boolean =>
  Object.entries(params).some(([name, value]) => value === "" && name !== "*")

/** Lets a request to a project through, with its caller, or answers it. */
export class Gatekeeper extends Context.Service<
  Gatekeeper,
  {
    /** `offersPreview`: a preview of it may be asked for; else who asks for one is refused. */
    readonly admit: <E, R>(
      token: Redacted.Redacted,
      access: Access,
      offersPreview: boolean,
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
      const rules = yield* Policy
      return Gatekeeper.of({
        admit: Effect.fnUntraced(function* (token, access, offersPreview, operation) {
          const { params } = yield* HttpRouter.RouteContext
          const request = yield* HttpServerRequest.HttpServerRequest
          const { method } = request
          const project = decodeProject(params["project"])
          if (Option.isNone(project) || hasEmptyParameter(params)) return noSuchRoute
          const presented = Redacted.value(token) === "" ? Option.none() : Option.some(token)
          const caller = yield* Effect.result(identity.authenticate(project.value, presented))
          if (caller._tag === "Failure") return refusal(caller.failure)
          const instance = params["instance"]
          yield* Effect.annotateCurrentSpan({
            "coffer.project": project.value,
            ...(instance === undefined ? {} : { "coffer.instance": instance })
          })
          const wait = yield* limiter.take(project.value, method)
          if (wait > 0) return rateLimited(method, limiter.rate, Math.ceil(wait / 1000))
          const entered = enter(admitted(caller.success, rules), access)
          if (HttpServerResponse.isHttpServerResponse(entered)) return entered
          return (
            refusePreview(request, offersPreview) ?? (yield* Effect.provideService(operation, CurrentCaller, entered))
          )
        })
      })
    })
  )
}

export const GateLive = Layer.effect(
  Gate,
  Effect.map(Gatekeeper, ({ admit }) => ({
    token: (operation, { credential, endpoint }) => {
      const access = Context.getOption(endpoint.annotations, Requires)
      return Option.isSome(access)
        ? admit(credential, access.value, Context.get(endpoint.annotations, OffersPreview), operation)
        : Effect.die(new Error(`the endpoint ${endpoint.name} does not say who may use it`))
    }
  }))
)
