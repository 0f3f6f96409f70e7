/** Text that PostgreSQL cannot keep: refused at the edge, before any store or guest is asked. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Instances } from "../../src/services/Instances.ts"
import { active, adminToken, call, order, path, project, server } from "./harness.ts"

const paths: ReadonlyArray<readonly [string, string, number]> = [
  ["GET", "/v1.0/%00/limits", 404],
  ["GET", "/v1.0/a%00b/instances", 404],
  ["GET", path("/instances?marker=%00"), 400],
  ["GET", path("/instances/detail?marker=a%00"), 400],
  ["GET", path("/mgmt/quotas/%00"), 400]
]

it.effect.each(paths)("%s %s is answered %i", ([method, route, expected]) =>
  Effect.gen(function* () {
    const { status, json } = yield* call(method, route, { token: adminToken })
    expect(status).toBe(expected)
    expect(Object.values(json)).toEqual([{ code: expected, message: expect.any(String) }])
  }).pipe(Effect.provide(server()))
)

it.effect.each(["%00", "nosuch", "00000000-0000-0000-0000-00000000000%00", "x".repeat(36)])(
  "no store is asked for the instance %s, which is no id",
  (id) =>
    Effect.gen(function* () {
      Object.assign(yield* Instances, { get: () => Effect.die("the store was asked") })
      for (const rest of ["", "/history", "/root", "/databases", "/users/u"])
        expect((yield* call("GET", path(`/instances/${id}${rest}`))).status).toBe(404)
      expect((yield* call("DELETE", path(`/instances/${id}`))).status).toBe(404)
      expect((yield* call("PUT", path(`/instances/${id}`), { body: { instance: { name: "a" } } })).status).toBe(404)
    }).pipe(Effect.provide(server()))
)

const badTexts = [
  ["NUL", "a\u0000"],
  ["a lone high surrogate", "a\ud800"],
  ["a lone low surrogate", "\udc00a"]
] as const

it.effect.each(badTexts)("an order with %s in any of its texts is a 400 that names the field", ([, bad]) =>
  Effect.gen(function* () {
    const user = { name: "u", password: "pw" }
    const orders: ReadonlyArray<readonly [string, Record<string, unknown>]> = [
      ["instance['name']", { name: bad }],
      ["instance['region_name']", { region_name: bad }],
      ["instance['volume']['type']", { volume: { size: 1, type: bad } }],
      ["instance['datastore']['type']", { datastore: { type: bad } }],
      ["instance['datastore']['version']", { datastore: { type: "mysql", version: bad } }],
      ["instance['access']['allowed_cidrs'][0]", { access: { allowed_cidrs: [bad] } }],
      ["instance['databases'][0]['name']", { databases: [{ name: bad }] }],
      ["instance['databases'][0]['collate']", { databases: [{ name: "d", collate: bad }] }],
      ["instance['users'][0]['name']", { users: [{ ...user, name: bad }] }],
      ["instance['users'][0]['password']", { users: [{ ...user, password: bad }] }],
      ["instance['users'][0]['host']", { users: [{ ...user, host: bad }] }]
    ]
    for (const [field, changes] of orders) {
      const { status, json } = yield* order(changes)
      expect([field, status]).toEqual([field, 400])
      expect(json.badRequest.message).toContain(field)
    }
    expect((yield* call("GET", path("/instances"))).json.instances).toEqual([])
  }).pipe(Effect.provide(server()))
)

it.effect.each(badTexts)("nothing is renamed to, or asked of a guest with, %s", ([, bad]) =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const one = path(`/instances/${id}`)
    const refused = [
      yield* call("PUT", one, { body: { instance: { name: bad } } }),
      yield* call("POST", `${one}/root`, { body: { password: bad } }),
      yield* call("POST", `${one}/databases`, { body: { databases: [{ name: bad }] } }),
      yield* call("GET", `${one}/databases?marker=%00`),
      yield* call("GET", `${one}/users?marker=%00`),
      yield* call("DELETE", `${one}/databases/a%00`),
      yield* call("GET", `${one}/users/u@%00`),
      yield* call("DELETE", `${one}/users/u@%00`)
    ]
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 400))
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("text beyond the letters of ASCII is kept as it was given", () =>
  Effect.gen(function* () {
    const { json } = yield* order({ name: "a 🚀 ü" })
    expect((yield* call("GET", path(`/instances/${json.instance.id}`))).json.instance.name).toBe("a 🚀 ü")
  }).pipe(Effect.provide(server()))
)

it.effect("a quota is no larger than its column, whichever the project", () =>
  Effect.gen(function* () {
    const put = (instances: number) =>
      call("PUT", path(`/mgmt/quotas/${project}`), { body: { quotas: { instances } }, token: adminToken })
    expect((yield* put(2 ** 31 - 1)).status).toBe(200)
    for (const limit of [2 ** 31, Number.MAX_SAFE_INTEGER]) expect((yield* put(limit)).status).toBe(400)
  }).pipe(Effect.provide(server()))
)
