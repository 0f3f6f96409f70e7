/** The policy is asked for every route, before anything else is. */
import { expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Result } from "effect"
import { HttpApi } from "effect/http-api"
import { Requires } from "../../src/http/Access.ts"
import { Api } from "../../src/http/Api.ts"
import { prefix } from "../../src/http/Wire.ts"
import { defaults, type PolicyName } from "../../src/services/policy/Policies.ts"
import { compile, Policy } from "../../src/services/policy/Rules.ts"
import { active, adminToken, call, order, path, project, server } from "./harness.ts"

const rules = (written: Readonly<Record<string, string>>) =>
  Layer.succeed(Policy, Result.getOrThrow(compile(new Map(Object.entries(written)))))

const ruled = (written: Readonly<Record<string, string>>) => server().pipe(Layer.provide(rules(written)))

const denial = (policy: PolicyName) => ({
  forbidden: { code: 403, message: `Policy doesn't allow ${policy} to be performed.` }
})

const endpoints = () => {
  const found: Array<{ method: string; path: string; access: Requires["Service"] | undefined }> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) =>
      void found.push({
        method: endpoint.method,
        path: endpoint.path,
        access: Context.getOrUndefined(endpoint.annotations, Requires)
      })
  })
  return found.filter(({ path }) => path.startsWith(prefix))
}

it("every route of a project says what it asks of its caller", () => {
  expect(endpoints().length).toBeGreaterThan(40)
  for (const { access, method, path } of endpoints()) expect(access, `${method} ${path}`).toBeDefined()
})

const nobody = Object.fromEntries(
  Object.keys(defaults)
    .filter((name) => name.includes(":"))
    .map((name) => [name, "!"])
)

it.effect("a policy that lets nobody through refuses every route that has one, and names it", () =>
  Effect.gen(function* () {
    for (const { access, method, path: route } of endpoints()) {
      if (access?._tag !== "Policy") continue
      const asked = route.replace(":project", project).replaceAll(/:\w+/g, "x")
      const { json, status } = yield* call(method, asked, { token: adminToken })
      expect([method, route, status, json]).toEqual([method, route, 403, denial(access.name)])
    }
  }).pipe(Effect.provide(ruled(nobody)))
)

const later: ReadonlyArray<readonly [string, string, PolicyName]> = [
  ["GET", "/instances/x/backups", "instance:backups"],
  ["GET", "/instances/x/configuration", "instance:configuration"],
  ["GET", "/instances/x/ssl", "instance:show"],
  ["POST", "/instances/x/ssl", "instance:update"],
  ["POST", "/instances/x/modules", "instance:module_apply"],
  ["GET", "/instances/x/databases/d", "instance:extension:database:show"],
  ["POST", "/backups", "backup:create"],
  ["GET", "/backups/b", "backup:show"],
  ["DELETE", "/backup_strategies", "backup_strategy:delete"],
  ["PATCH", "/configurations/c", "configuration:edit"],
  ["GET", "/datastores/d/versions/v/parameters/p", "configuration-parameter:show"],
  ["GET", "/datastores/versions/v/parameters", "configuration-parameter:index_by_version"],
  ["DELETE", "/datastores/d", "datastore:delete"],
  ["PUT", "/modules/m/instances", "module:reapply"],
  ["POST", "/clusters/c", "cluster:action"],
  ["DELETE", "/clusters/c", "cluster:delete"]
]

it.effect("so it does those that are not there yet", () =>
  Effect.gen(function* () {
    for (const [method, route, policy] of later) {
      const { json, status } = yield* call(method, path(route), { token: adminToken })
      expect([method, route, status, json]).toEqual([method, route, 403, denial(policy)])
    }
  }).pipe(Effect.provide(ruled(nobody)))
)

const actions: ReadonlyArray<readonly [Record<string, unknown>, PolicyName]> = [
  [{ restart: {} }, "instance:restart"],
  [{ resize: { volume: { size: 2 } } }, "instance:resize_volume"],
  [{ resize: { flavorRef: "2" } }, "instance:resize_flavor"],
  [{ promote_to_replica_source: {} }, "instance:promote_to_replica_source"],
  [{ eject_replica_source: {} }, "instance:eject_replica_source"],
  [{ reset_status: {} }, "instance:reset_status"],
  [{ reset_status: { force_delete: true } }, "instance:force_delete"]
]

it.effect("an action is asked for by its own policy", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    for (const [body, policy] of actions) {
      const { json, status } = yield* call("POST", path(`/instances/${id}/action`), { body })
      expect([body, status, json]).toEqual([body, 403, denial(policy)])
    }
  }).pipe(Effect.scoped, Effect.provide(ruled(Object.fromEntries(actions.map(([, name]) => [name, "!"])))))
)

it.effect("without a policy file, a status is an administrator's to reset", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const reset = (token?: string) =>
      call("POST", path(`/instances/${id}/action`), {
        body: { reset_status: {} },
        ...(token === undefined ? {} : { token })
      })
    expect((yield* reset()).json).toEqual(denial("instance:reset_status"))
    expect((yield* reset(adminToken)).status).toBe(202)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect.each([
  [{ databases: [{ name: "shop" }] }, "instance:extension:database:create"],
  [{ users: [{ name: "ann", password: "secret-1" }] }, "instance:extension:user:create"]
] as const)("an order with %j asks for the policy of that, too", ([changes, policy]) =>
  Effect.gen(function* () {
    const bare = { databases: [], users: [] }
    const { json, status } = yield* order({ ...bare, ...changes })
    expect([status, json]).toEqual([403, denial(policy)])
    const { quotas } = (yield* call("GET", path(`/mgmt/quotas/${project}`))).json
    expect(quotas).toContainEqual({ resource: "instances", in_use: 0, reserved: 0, limit: 10 })
    expect((yield* order(bare)).status).toBe(200)
  }).pipe(Effect.provide(ruled({ [policy]: "!" })))
)

it.effect("who may do something in their own project alone does not reach others' instances as an administrator", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const elsewhere = `/v1.0/ops/instances/${id}`
    expect((yield* call("GET", elsewhere, { token: adminToken })).status).toBe(200)
    expect((yield* call("DELETE", elsewhere, { token: adminToken })).status).toBe(404)
    const restart = { token: adminToken, body: { restart: {} } }
    expect((yield* call("POST", `${elsewhere}/action`, restart)).status).toBe(404)
    expect((yield* call("POST", path(`/instances/${id}/action`), restart)).status).toBe(202)
    expect((yield* call("DELETE", path(`/instances/${id}`), { token: adminToken })).status).toBe(202)
  }).pipe(
    Effect.scoped,
    Effect.provide(ruled({ "instance:delete": "project_id:%(tenant)s", "instance:restart": "project_id:%(tenant)s" }))
  )
)

it.effect("who is an administrator is said by the policy as well", () =>
  Effect.gen(function* () {
    expect((yield* call("GET", path("/mgmt/instances"))).status).toBe(200)
    expect((yield* call("GET", path("/mgmt/instances"), { token: adminToken })).status).toBe(401)
  }).pipe(Effect.provide(ruled({ context_is_admin: "role:member" })))
)
