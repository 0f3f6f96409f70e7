/**
 * The api as a process that is killed and frozen like any other: the real routes, built once a start, by its own clock
 * and over a store that fails. No sockets: a request is handed to the routes, and an answer comes back or none does.
 */
import { Clock, ConfigProvider, Context, Effect, Layer, Option, Redacted, Scope } from "effect"
import {
  HttpClientRequest,
  type HttpMethod,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { NewRequestId } from "../../src/http/Edge.ts"
import { ApiRoutes, serveOptions } from "../../src/http/Server.ts"
import * as TokenIdentity from "../../src/layers/identity/TokenIdentity.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { NewId } from "../../src/services/InstanceRequests.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import type { Party } from "./Broker.ts"
import * as FaultyServices from "./FaultyServices.ts"
import type { Shared, Universe } from "./Universe.ts"
import { alive, type Life, thaw, whileAlive } from "./VirtualTime.ts"

/** How long a client waits for an answer, in milliseconds. */
export const patience = 90_000

/** How long the api stands still at the most, and is gone at the most, in milliseconds. */
const longestFreeze = 60_000
const longestAbsence = 30_000

/** What one request is. */
export interface Request {
  readonly method: HttpMethod.HttpMethod
  readonly path: string
  readonly token: string | null
  /** JSON as a text, or what is none. */
  readonly body: string | null
  readonly headers: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  /** A fault of the store was played while it was being answered. */
  readonly struck: boolean
}

/** What went wrong on the way of the request that a fiber answers. */
const Mishaps = Context.Reference<{ struck: boolean }>("coffer/test/simulation/Api/Mishaps", {
  defaultValue: () => ({ struck: false })
})

interface Running {
  readonly life: Life
  readonly party: Party
  readonly answer: Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, HttpServerRequest.HttpServerRequest>
}

/** Calls by which something is accepted: of these it matters most who dies at them. */
const decisive = /^(Instances\.(create|request)|Resizes|Lifecycles\.request)/

export interface Known {
  readonly token: string
  readonly project: string
  readonly admin: boolean
}

export const make = (universe: Universe, tokens: ReadonlyArray<Known>, rate: number) => {
  const { broker, faults, outage, story, time, world } = universe
  const ids = universe.dice("instances")
  const requestIds = universe.dice("requests")
  const identity = TokenIdentity.layer(
    tokens.map(({ admin, project, token }) => ({ token: Redacted.make(token), project, user: project, admin }))
  )
  let running: Running | null = null

  const kill = (where: string) => {
    if (running === null) return
    story.tell("fault", `the api is killed: ${where}`)
    running.life.over = true
    broker.drop(running.party)
    running = null
    time.after(faults.lasts("api is killed", 500, longestAbsence), () => universe.run(boot))
  }

  const strike = (life: Life, call: string) => {
    if (running?.life !== life) return
    const times = decisive.test(call) ? 10 : 1
    if (faults.strikes("api is killed", call, times)) return kill(call)
    if (life.held !== null || !faults.strikes("api freezes", call, times)) return
    life.held = []
    time.after(faults.lasts("api freezes", 1_000, longestFreeze), () => {
      if (!life.over) thaw(life)
    })
  }

  const boot: Effect.Effect<void, never, Shared> = Effect.gen(function* () {
    if (running !== null) return
    const life = alive()
    const references = universe.references.pipe(
      Context.add(Clock.Clock, time.clockOf(life)),
      Context.add(NewId, Effect.sync(ids.uuid)),
      Context.add(
        NewRequestId,
        Effect.sync(() => `req-${requestIds.uuid()}`)
      ),
      Context.add(HttpRouter.RouterConfig, serveOptions.routerConfig)
    )
    const party = { name: "api", life, references, meet: FaultyServices.mortal(life, () => undefined) }
    const mortal = FaultyServices.mortal(life, (call) => {
      strike(life, call)
      return undefined
    })
    const troubled = FaultyServices.troubled({ faults, outage, now: () => time.now, who: "api" })
    const noticed: FaultyServices.Meet = (_, effect) =>
      Effect.tapCause(effect, (cause) =>
        Effect.map(Mishaps, (mishaps) => {
          if (FaultyServices.isMade(cause)) mishaps.struck = true
        })
      )
    const store = FaultyServices.world(
      world,
      (_, isStore) => (call, effect) => (isStore ? mortal(call, noticed(call, troubled(call, effect))) : effect)
    )
    const layer = ApiRoutes.pipe(
      Layer.provide([
        identity,
        OfferedCatalog.layer(ControlPlane.catalog),
        Layer.succeed(Fabric, broker.fabricOf(party)),
        Layer.succeedContext(store),
        HttpServer.layerServices,
        ConfigProvider.layer(ConfigProvider.fromUnknown({ COFFER_RATE_LIMIT: `${rate}` }))
      ])
    )
    // Nobody closes the scope: who is killed runs no finalizer.
    const routes = yield* HttpRouter.toHttpEffect(layer).pipe(
      Scope.provide(yield* Scope.make()),
      Effect.provideContext(references),
      Effect.orDie
    )
    const answer = Effect.updateContext(
      Effect.scoped(routes),
      (context: Context.Context<HttpServerRequest.HttpServerRequest>) => Context.merge(context, references)
    )
    running = { life, party, answer }
  })

  /** Hands a request over; null where no answer comes. */
  const send = Effect.fnUntraced(function* ({ body, headers, method, path, token }: Request) {
    if (running === null) return null
    const { answer, life } = running
    const empty = HttpClientRequest.make(method)(`http://localhost${path}`, {
      headers: { host: "localhost", ...(token === null ? {} : { "x-auth-token": token }) }
    })
    const whole = body === null ? empty : HttpClientRequest.bodyText(empty, body, "application/json")
    const request = HttpServerRequest.fromClientRequest(HttpClientRequest.setHeaders(whole, headers))
    const mishaps = { struck: false }
    const came = yield* whileAlive(life, answer).pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, request),
      Effect.provideService(Mishaps, mishaps),
      Effect.exit,
      Effect.flatMap((exit) => whileAlive(life, exit)),
      Effect.orDie,
      Effect.timeoutOption(patience)
    )
    if (Option.isNone(came)) return null
    const response = HttpServerResponse.toClientResponse(came.value)
    const text = yield* Effect.orDie(response.text)
    const answered: Answer = { status: response.status, headers: response.headers, text, struck: mishaps.struck }
    return answered
  })

  return {
    boot,
    send,
    /** Nothing holds it up any more. */
    heal: Effect.suspend(() => {
      if (running !== null && running.life.held !== null) thaw(running.life)
      return boot
    })
  }
}

export type Api = ReturnType<typeof make>
