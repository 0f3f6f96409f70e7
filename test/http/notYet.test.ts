/** What Trove has and Coffer does not yet: refused by name, or empty, and never an error of ours. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { adminToken, call, path, server } from "./harness.ts"

const refused: ReadonlyArray<readonly [string, string]> = [
  ["GET", "/instances/x/ssl"],
  ["POST", "/instances/x/ssl"],
  ["POST", "/instances/x/modules"],
  ["DELETE", "/instances/x/modules/m"],
  ["GET", "/instances/x/databases/d"],
  ["POST", "/backups"],
  ["DELETE", "/backups/b"],
  ["POST", "/backup_strategies"],
  ["DELETE", "/backup_strategies"],
  ["POST", "/modules"],
  ["DELETE", "/modules/m"],
  ["PUT", "/modules/m/instances"],
  ["POST", "/clusters"],
  ["POST", "/clusters/c"],
  ["POST", "/clusters/c/root"],
  ["GET", "/mgmt/clusters"]
]

it.effect.each(refused)("%s %s is 501 and names what is missing", ([method, route]) =>
  Effect.gen(function* () {
    const { status, json } = yield* call(method, path(route), { token: adminToken })
    expect(status).toBe(501)
    expect(json.notImplemented.code).toBe(501)
    expect(json.notImplemented.message).toMatch(/: not implemented in Coffer yet\.$/)
  }).pipe(Effect.provide(server()))
)

it.effect.each(refused.filter(([, route]) => route.startsWith("/mgmt/")))(
  "%s %s is for administrators",
  ([method, route]) =>
    Effect.gen(function* () {
      const { status, json } = yield* call(method, path(route))
      expect([status, json]).toEqual([
        401,
        { unauthorized: { code: 401, message: "User does not have admin privileges." } }
      ])
    }).pipe(Effect.provide(server()))
)

const empty: ReadonlyArray<readonly [string, string]> = [
  ["/backups", "backups"],
  ["/instances/x/backups", "backups"],
  ["/backup_strategies", "backup_strategies"],
  ["/configurations", "configurations"],
  ["/modules", "modules"],
  ["/instances/x/modules", "modules"],
  ["/clusters", "clusters"]
]

it.effect.each(empty)("GET %s is an empty list of %s", ([route, collection]) =>
  Effect.gen(function* () {
    const { status, json } = yield* call("GET", path(route))
    expect(status).toBe(200)
    expect(json).toEqual({ [collection]: [] })
  }).pipe(Effect.provide(server()))
)

it.effect.each([
  "/backups/b",
  "/configurations/c",
  "/configurations/c/instances",
  "/modules/m",
  "/clusters/c",
  "/clusters/c/root"
])("GET %s is not found", (route) =>
  Effect.gen(function* () {
    const { status, json } = yield* call("GET", path(route))
    expect([status, json.itemNotFound.code]).toEqual([404, 404])
  }).pipe(Effect.provide(server()))
)
