/** What every request meets before and after the routes. */
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Metric, Tracer } from "effect"
import { maxBody } from "../../src/http/Edge.ts"
import { Identity, Unauthenticated, WrongProject } from "../../src/services/Identity.ts"
import { Instances } from "../../src/services/Instances.ts"
import { active, call, order, path, project, recorded, server } from "./harness.ts"

it.effect("every answer has a request id of its own", () =>
  Effect.gen(function* () {
    const ids = new Set<unknown>()
    for (const route of ["/", "/nosuch", path("/instances"), path("/clusters/x")]) {
      const { headers } = yield* call("GET", route)
      expect(headers["x-openstack-request-id"]).toMatch(/^req-[0-9a-f-]{36}$/)
      ids.add(headers["x-openstack-request-id"])
    }
    expect(ids.size).toBe(4)
  }).pipe(Effect.provide(server()))
)

const hosts: ReadonlyArray<readonly [string, Record<string, string>, number]> = [
  ["localhost", { host: "localhost:8779" }, 200],
  ["an IPv4 loopback", { host: "127.0.0.1" }, 200],
  ["an IPv6 loopback", { host: "[::1]:8779" }, 200],
  ["its own origin", { host: "localhost:8779", origin: "http://localhost:8779" }, 200],
  ["a name that resolves to loopback", { host: "evil.example:8779" }, 403],
  ["another site's page", { host: "localhost:8779", origin: "https://evil.example" }, 403],
  ["another port's page", { host: "localhost:8779", origin: "http://localhost:3000" }, 403],
  ["an opaque origin", { host: "localhost:8779", origin: "null" }, 403]
]

it.effect.each(hosts)("a request by way of %s is let through or not", ([, headers, status]) =>
  Effect.gen(function* () {
    const answer = yield* call("GET", path("/instances"), { headers })
    expect(answer.status).toBe(status)
    if (status === 403) expect(answer.json.forbidden.code).toBe(403)
  }).pipe(Effect.provide(server()))
)

it.effect("the hosts that are answered can be configured", () =>
  Effect.gen(function* () {
    expect((yield* call("GET", "/", { headers: { host: "db.example.org" } })).status).toBe(200)
    expect((yield* call("GET", "/", { headers: { host: "localhost" } })).status).toBe(403)
  }).pipe(Effect.provide(server({ COFFER_ALLOWED_HOSTS: "db.example.org" })))
)

const unknown: ReadonlyArray<readonly [string, string]> = [
  ["GET", path("/nosuch")],
  ["PATCH", path("/datastores")],
  ["PUT", path("/instances")],
  ["GET", path("/instances/")],
  ["GET", path("/flavors/")],
  ["HEAD", path("/instances")],
  ["OPTIONS", path("/instances")],
  ["GET", "/v2.0/"],
  ["GET", "/v1.0/"],
  ["GET", path("/volume-types")],
  ["GET", path("/instances/%E0%A4%A")],
  ["GET", path(`/flavors/${"x".repeat(2000)}`)]
]

it.effect.each(unknown)("%s %s is unknown, and never 405", ([method, route]) =>
  Effect.gen(function* () {
    const { status, json } = yield* call(method, route)
    expect(status).toBe(404)
    if (method !== "HEAD") expect(json).toEqual(recorded("009").response.body)
  }).pipe(Effect.provide(server()))
)

it.effect("another content type is refused in WebOb's shape; none, and one with a charset, is JSON", () =>
  Effect.gen(function* () {
    const post = (type: string) => call("POST", path("/instances"), { raw: "{}", headers: { "content-type": type } })
    const { status, json } = yield* post("text/xml")
    expect(status).toBe(415)
    expect(json).toEqual({
      message: expect.any(String),
      code: "415 Unsupported Media Type",
      title: "Unsupported Media Type"
    })
    expect((yield* post("application/json; charset=utf-8")).status).toBe(400)
  }).pipe(Effect.provide(server()))
)

it.effect("a body over the bound is refused, whether it says its length or not", () =>
  Effect.gen(function* () {
    const raw = Buffer.alloc(maxBody + 1, " ")
    const headers = { "content-type": "application/json" }
    const told = yield* call("POST", path("/instances"), { raw, headers })
    const chunked = yield* call("POST", path("/instances"), {
      raw,
      headers: { ...headers, "transfer-encoding": "chunked" }
    })
    for (const { status, json } of [told, chunked]) {
      expect(status).toBe(413)
      expect(json.overLimit.message).toBe(`The request body is larger than ${maxBody} bytes.`)
    }
  }).pipe(Effect.provide(server()))
)

it.effect("a bug is told by its request's id and nothing more", () =>
  Effect.gen(function* () {
    const instances = yield* Instances
    Object.assign(instances, { get: () => Effect.die(new Error("secret stack")) })
    const { status, json, text, headers } = yield* call("GET", path(`/instances/${crypto.randomUUID()}/history`))
    expect(status).toBe(500)
    expect(json.instanceFault.code).toBe(500)
    expect(json.instanceFault.message).toContain(headers["x-openstack-request-id"])
    expect(text).not.toContain("secret")
  }).pipe(Effect.provide(server()))
)

const refusing = Layer.succeed(Identity, {
  authenticate: (project) =>
    project === "other" ? Effect.fail(new WrongProject({ project: "mine" })) : Effect.fail(new Unauthenticated())
})

it.effect("who is not known is 401 in keystone's shape, who is of another project is 403 in WebOb's", () =>
  Effect.gen(function* () {
    expect((yield* call("GET", path("/instances"))).json).toEqual(recorded("005").response.body)
    expect((yield* call("POST", path("/clusters"))).status).toBe(401)
    const { status, json } = yield* call("GET", "/v1.0/other/instances")
    expect(status).toBe(403)
    const { message } = recorded("008").response.body
    expect(json).toEqual({
      ...recorded("008").response.body,
      message: message.replace(/id \w+ cannot/, "id mine cannot")
    })
  }).pipe(Effect.provide(server({}, refusing)))
)

it.effect("requests are counted by method, route and status, whatever their ids", () =>
  Effect.gen(function* () {
    yield* call("GET", path("/instances/a/history"))
    yield* call("GET", path("/instances/b/history"))
    yield* call("GET", "/nosuch")
    const counted = (yield* Metric.snapshot)
      .filter(({ id }) => id === "coffer_http_requests")
      .map(({ attributes }) => Object.values(attributes ?? {}).join(" "))
    expect(counted).toContain("GET /v1.0/:project/instances/:instance/history 404")
    expect(counted).toContain("GET none 404")
    expect(counted.filter((labels) => labels.includes("/instances/a"))).toEqual([])
  }).pipe(Effect.provide(server()))
)

it.effect("no secret that a request brings reaches a log", () =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const { log, error } = console
    console.log = (...line) => void lines.push(JSON.stringify(line))
    console.error = console.log
    try {
      const { id } = yield* active()
      yield* call("POST", path(`/instances/${id}/root`), { body: { password: "TopSecret1" }, token: "TokenSecret1" })
      yield* order({ users: [{ name: "bad'name", password: "TopSecret2" }] })
    } finally {
      Object.assign(console, { log, error })
    }
    expect(lines.join()).not.toMatch(/Secret\d/)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

const spans: Array<Tracer.Span> = []
const collecting = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
})

it.effect("the server's span names the route, the project and the instance, and keeps no header", () =>
  Effect.gen(function* () {
    yield* call("GET", path("/instances/x/history"), { token: "TokenSecret1" })
    const span = spans.find((each) => each.kind === "server" && each.attributes.has("coffer.instance"))
    expect(Object.fromEntries(span?.attributes ?? [])).toMatchObject({
      "http.route": "/v1.0/:project/instances/:instance/history",
      "http.response.status_code": 404,
      "coffer.project": project,
      "coffer.instance": "x"
    })
    expect(JSON.stringify(spans.map((each) => [...each.attributes]))).not.toContain("TokenSecret1")
  }).pipe(Effect.provide(server().pipe(Layer.provide(Layer.succeed(Tracer.Tracer, collecting)))))
)
