/**
 * The API over a whole control plane on virtual time: the real routes, actors, workflows, conductor and guest agents over
 * the store in memory and databases that are fake. No sockets: a request is handed to the routes.
 *
 *     World.run(Effect.gen(function* () {
 *       const ask = yield* Service.make
 *       const { status } = yield* ask(tenant, "GET", "/instances")
 *     }))
 */
import { ConfigProvider, Effect, Fiber, Layer, Redacted, Schema } from "effect"
import {
  HttpClientRequest,
  type HttpMethod,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { ApiRoutes, serveOptions } from "../../src/http/Server.ts"
import * as TokenIdentity from "../../src/layers/identity/TokenIdentity.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { NewId } from "../../src/services/InstanceRequests.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import * as World from "../kit/World.ts"

/** Who asks: a project and its token, which are of one name. */
export interface Caller {
  readonly name: string
  readonly admin: boolean
}

const tenants = ["demo", "alpha", "beta"].map((name): Caller => ({ name, admin: false }))
export const operator: Caller = { name: "operators", admin: true }
const callers = [...tenants, operator]

export interface Answer {
  readonly status: number
  /** What the body says; null where there is none. */
  readonly body: unknown
}

/** How long an answer may take in virtual time, in steps of a tenth of a second: longer than any guest is waited for. */
const patience = 4000

/** How often everything else has its turn before time is let pass for an answer. */
const turns = 100

/** The ids of instances are drawn in another order than they are counted in, as UUIDs are. */
const idOf = (n: number) =>
  InstanceId.make(`${((n * 0x9e3779b1) >>> 0).toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`)

const Json = Schema.fromJsonString(Schema.Unknown)

export const make = Effect.gen(function* () {
  let drawn = 0
  const known = callers.map(({ admin, name }) => ({ token: Redacted.make(name), project: name, user: name, admin }))
  const routes = yield* HttpRouter.toHttpEffect(
    ApiRoutes.pipe(
      Layer.provide([
        TokenIdentity.layer(known),
        OfferedCatalog.layer(ControlPlane.catalog),
        HttpServer.layerServices,
        ConfigProvider.layer(ConfigProvider.fromUnknown({ COFFER_RATE_LIMIT: "100000000" }))
      ])
    )
  ).pipe(
    Effect.provideService(HttpRouter.RouterConfig, serveOptions.routerConfig),
    Effect.provideService(
      NewId,
      Effect.sync(() => idOf(++drawn))
    )
  )

  const exchange = Effect.fnUntraced(function* (
    caller: Caller,
    method: HttpMethod.HttpMethod,
    path: string,
    body: unknown
  ) {
    const empty = HttpClientRequest.make(method)(`http://localhost/v1.0/${caller.name}${path}`, {
      headers: { host: "localhost", "x-auth-token": caller.name }
    })
    const request = HttpServerRequest.fromClientRequest(
      body === undefined ? empty : HttpClientRequest.bodyText(empty, JSON.stringify(body), "application/json")
    )
    const response = yield* Effect.provideService(routes, HttpServerRequest.HttpServerRequest, request)
    const text = yield* HttpServerResponse.toClientResponse(response).text
    const answer: Answer = {
      status: response.status,
      body: text === "" ? null : yield* Schema.decodeUnknownEffect(Json)(text)
    }
    return answer
  }, Effect.scoped)

  /** Asks, and lets no more time pass than the answer takes. */
  return Effect.fnUntraced(function* (
    caller: Caller,
    method: HttpMethod.HttpMethod,
    path: string,
    body: unknown = undefined
  ) {
    const asked = yield* Effect.forkChild(exchange(caller, method, path, body))
    for (let waited = 0; waited < patience; waited++) {
      for (let turn = 0; turn < turns; turn++) {
        if (asked.pollUnsafe() !== undefined) return yield* Effect.orDie(Fiber.join(asked))
        yield* Effect.yieldNow
      }
      yield* World.passes("100 millis")
    }
    return yield* Effect.die(new Error(`${method} ${path} was never answered`))
  })
})

export type Ask = Effect.Success<typeof make>
