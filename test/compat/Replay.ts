/**
 * The stories, told to a whole service of ours: the real routes over HTTP, actors, workflows, conductor and guest agents
 * on virtual time, over databases that are fake.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { ConfigProvider, Effect, Layer, Redacted, Schema } from "effect"
import { HttpRouter, type HttpServer } from "effect/http"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { HttpRoutes, serveOptions } from "../../src/http/Server.ts"
import * as TokenIdentity from "../../src/layers/identity/TokenIdentity.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import { NewId } from "../../src/services/InstanceRequests.ts"
import { TenantNetwork } from "../../src/services/TenantNetwork.ts"
import { call, catalog, network, type Sent } from "../http/harness.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { type Answered, compare, type Difference, isObject } from "./compare.ts"
import { administrator, answered, type Exchange, exchange, tenant } from "./Exchange.ts"
import { idsOfInstances, type Step, stories, type Unrecorded } from "./stories.ts"

const tokens = { tenant: "the-tenants-token", administrator: "the-administrators-token", stranger: "another-token" }

const Identity = TokenIdentity.layer([
  { token: Redacted.make(tokens.tenant), project: tenant, user: "ann", admin: false },
  { token: Redacted.make(tokens.administrator), project: administrator, user: "root", admin: true },
  { token: Redacted.make(tokens.stranger), project: administrator, user: "eve", admin: false }
])

/** Ids as they were recorded, and then any. */
const Ids = Layer.sync(NewId, () => {
  const left = [...idsOfInstances]
  return Effect.sync(() => left.shift() ?? crypto.randomUUID())
})

const settings = ConfigProvider.fromUnknown({ COFFER_RATE_LIMIT: "1000000000" })

/** The service that was recorded, as far as its catalog and its settings are ours. */
export const service = HttpRouter.serve(HttpRoutes, { ...serveOptions, disableListenLog: true }).pipe(
  Layer.provide([Identity, Ids, Layer.succeed(TenantNetwork, network)]),
  Layer.provideMerge(World.processWith(catalog)),
  Layer.provideMerge(OfferedCatalog.layer(catalog)),
  Layer.provideMerge(Layer.mergeAll(World.surviving, NodeHttpServer.layerTest)),
  Layer.provide(ConfigProvider.layer(settings))
)

/** The one whose token is of another project. */
const foreign = "008"

const headerOf = ({ request }: Exchange, number: string): Record<string, string> => {
  const token = request.headers["X-Auth-Token"]
  if (token === undefined) return {}
  if (token !== "<token>") return { "x-auth-token": token }
  if (number === foreign) return { "x-auth-token": tokens.stranger }
  return {
    "x-auth-token":
      request.path.includes(tenant) && !request.path.includes(administrator) ? tokens.tenant : tokens.administrator
  }
}

/** The id of what an answer is about. */
const idIn = (body: Schema.Json) => {
  const one = isObject(body) ? Object.values(body)[0] : undefined
  const id = one !== undefined && isObject(one) ? one["id"] : undefined
  return typeof id === "string" ? id : undefined
}

const unremovable = new RuntimeError({ message: "The host is busy.", detail: "a test says so", transient: true })

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))

const answer = Effect.fnUntraced(function* (method: string, path: string, sent: Sent) {
  const { headers, status, text } = yield* call(method, path, sent)
  const body = text === "" ? "" : decode(text)
  return { status, contentType: headers["content-type"], body } satisfies Answered
})

/** All stories, to one service: how each exchange, by its name, differs. */
export const replay = Effect.gen(function* () {
  const replayed = new Map<string, ReadonlyArray<Difference>>()
  /** Ours, by Trove's. */
  const ids = new Map<string, string>()
  const toOurs = (text: string) => [...ids].reduce((text, [trove, ours]) => text.replaceAll(trove, ours), text)
  const toTroves = (text: string) => [...ids].reduce((text, [trove, ours]) => text.replaceAll(ours, trove), text)
  const rewritten = (json: Schema.Json, by: (text: string) => string) => decode(by(JSON.stringify(json)))

  const prepare = Effect.fnUntraced(function* ({ body, by, method, path, tells }: Unrecorded) {
    const project = by === "tenant" ? tenant : administrator
    const { status } = yield* call(method, `/v1.0/${project}${path}`, { body, token: tokens[by] })
    if (status >= 300) return yield* Effect.die(new Error(`${tells}: ${status}`))
  })

  const play = Effect.fnUntraced(function* (number: string) {
    const [name, recorded] = exchange(number)
    const { body, method, path, raw } = recorded.request
    const sent: Sent = {
      headers: headerOf(recorded, number),
      ...(raw === undefined ? {} : { raw }),
      ...(body === null ? {} : { body: rewritten(body, toOurs) })
    }
    const ours = yield* answer(method, toOurs(path), sent)
    const trove = answered(recorded)
    const [left, right] = [idIn(trove.body), idIn(ours.body)]
    if (left !== undefined && right !== undefined) ids.set(left, right)
    replayed.set(name, compare(trove, { ...ours, body: rewritten(ours.body, toTroves) }))
  })

  const { faults } = yield* FakeDatabases
  const take = (step: Step): Effect.Effect<void, never, World.World | HttpServer.HttpServer> => {
    if (typeof step === "string") return play(step)
    if ("passes" in step) return World.passes(step.passes)
    if ("tells" in step) return prepare(step)
    return Effect.sync(() => {
      faults.removeFails = step.servers === "stay" ? unremovable : null
    })
  }

  // The shards of the cluster are taken by then.
  yield* World.passes("200 millis")
  for (const { steps } of stories) for (const step of steps) yield* take(step)
  return replayed
})
