/** Limits, quotas, and the rate limit on the test's clock. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { defaultRate } from "../../src/http/RateLimiter.ts"
import { adminToken, call, order, path, project, recorded, server } from "./harness.ts"
import { shape } from "./shape.ts"

it.effect("limits read as Trove's do", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(Date.UTC(2026, 10, 22, 7, 8, 17))
    const { json } = yield* call("GET", path("/limits"))
    expect(shape(json)).toEqual(shape(recorded("024").response.body))
    expect(json.limits.map((limit: { verb: string }) => limit.verb)).toEqual([
      "ABSOLUTE",
      "POST",
      "PUT",
      "DELETE",
      "GET",
      "POST"
    ])
    const get = json.limits[4]
    expect([get.remaining, get.value, get.nextAvailable]).toEqual([
      defaultRate - 1,
      defaultRate,
      "2026-11-22T07:08:17Z"
    ])
  }).pipe(Effect.provide(server()))
)

it.effect("a verb over its limit is refused in Trove's words, and taken again in time", () =>
  Effect.gen(function* () {
    const list = (owner = project) => call("GET", `/v1.0/${owner}/flavors`)
    for (let n = 0; n < 3; n++) expect((yield* list()).status).toBe(200)
    const { status, headers, json } = yield* list()
    expect(status).toBe(413)
    expect(headers["retry-after"]).toBe("20")
    expect(json).toEqual({
      overLimit: {
        code: 413,
        message: "This request was rate-limited.",
        details: "Only 3 GET request(s) can be made to * every minute.",
        retryAfter: "20"
      }
    })
    expect((yield* list("another")).status).toBe(200)
    expect((yield* call("DELETE", path("/instances/nosuch"))).status).toBe(404)
    yield* TestClock.adjust("20 seconds")
    expect((yield* list()).status).toBe(200)
    expect((yield* list()).status).toBe(413)
    yield* TestClock.adjust("1 minute")
    for (let n = 0; n < 3; n++) expect((yield* list()).status).toBe(200)
  }).pipe(Effect.provide(server({ COFFER_RATE_LIMIT: "3" })))
)

it.effect("PATCH is not limited, nor is a route of no project", () =>
  Effect.gen(function* () {
    for (let n = 0; n < 3; n++) {
      expect((yield* call("PATCH", path("/instances/x"), { body: { instance: {} } })).status).toBe(404)
      expect((yield* call("GET", "/healthcheck")).text).toBe("OK")
    }
  }).pipe(Effect.provide(server({ COFFER_RATE_LIMIT: "1" })))
)

it.effect("a project sees its own quotas and what it holds", () =>
  Effect.gen(function* () {
    yield* order()
    const { json } = yield* call("GET", path(`/mgmt/quotas/${project}`))
    expect(shape(json)).toEqual(shape(recorded("120").response.body))
    expect(json.quotas).toContainEqual({ resource: "volumes", in_use: 0, reserved: 2, limit: 40 })
    expect((yield* call("GET", path("/mgmt/quotas/another"))).status).toBe(403)
    expect((yield* call("GET", path("/mgmt/quotas/another"), { token: adminToken })).status).toBe(200)
    expect((yield* call("GET", path(`/projects/${project}`))).json).toEqual({ project: { id: project, name: project } })
  }).pipe(Effect.provide(server()))
)

it.effect("quotas are an administrator's to set, by known resources and sane limits", () =>
  Effect.gen(function* () {
    const put = (quotas: unknown, token?: string) =>
      call("PUT", path("/mgmt/quotas/another"), { body: { quotas }, ...(token === undefined ? {} : { token }) })
    expect((yield* put({ instances: 2 })).json).toEqual({
      unauthorized: { code: 401, message: "User does not have admin privileges." }
    })
    expect((yield* put({ instances: 2 }, adminToken)).json).toEqual(recorded("121").response.body)
    expect((yield* put({ bogus: 2 }, adminToken)).status).toBe(404)
    expect((yield* put({ instances: -2 }, adminToken)).status).toBe(400)
    expect((yield* put({ instances: "many" }, adminToken)).status).toBe(400)
    const { json } = yield* call("GET", "/v1.0/another/mgmt/quotas/another")
    expect(json.quotas).toContainEqual({ resource: "instances", in_use: 0, reserved: 0, limit: 2 })
  }).pipe(Effect.provide(server()))
)
