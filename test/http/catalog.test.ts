/** The catalog's routes and the versions, held against what Trove 18 answered. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { adminToken, call, mysqlVersion, path, recorded, server } from "./harness.ts"

it.effect.each(["001", "012", "014", "016", "017", "020", "021", "022", "026", "081", "096", "105"])(
  "what was recorded in %s is answered word for word",
  (number) =>
    Effect.gen(function* () {
      const { request, response } = recorded(number)
      const { status, json } = yield* call(request.method, request.path)
      expect(status).toBe(response.status)
      expect(json).toEqual(response.body)
    }).pipe(Effect.provide(server()))
)

it.effect("a datastore and a version are found by id and by name", () =>
  Effect.gen(function* () {
    const byName = yield* call("GET", path("/datastores/mysql/versions/5.7.29"))
    const byId = yield* call("GET", path(`/datastores/mysql/versions/${mysqlVersion}`))
    expect(byName.json).toEqual(byId.json)
    const { json } = yield* call("GET", path("/datastores/mysql/versions"))
    expect(json.versions).toContainEqual(byId.json.version)
    const flavors = yield* call("GET", path("/datastores/mysql/versions/5.7.29/flavors"))
    expect(flavors.json).toEqual((yield* call("GET", path("/flavors"))).json)
    expect((yield* call("GET", path("/datastores/mysql/versions/5.7.29/volume-types"))).json).toEqual({
      volume_types: []
    })
  }).pipe(Effect.provide(server()))
)

it.effect("a version that is missing is 400 by name and 404 by id", () =>
  Effect.gen(function* () {
    const byName = yield* call("GET", path("/datastores/mysql/versions/nope"))
    expect(byName.json).toEqual({ badRequest: { code: 400, message: "Datastore version 'nope' cannot be found." } })
    for (const route of ["/datastores/mysql/versions", "/datastores/versions"]) {
      const byId = yield* call("GET", path(`${route}/00000000-0000-4000-8000-000000000000`))
      expect(byId.json).toEqual({ itemNotFound: { code: 404, message: "DBDatastoreVersion Not Found" } })
    }
  }).pipe(Effect.provide(server()))
)

it.effect("a version that cannot be ordered is an administrator's to see", () =>
  Effect.gen(function* () {
    const names = (token?: string) =>
      Effect.map(call("GET", path("/datastores/mysql"), token === undefined ? {} : { token }), ({ json }) =>
        json.datastore.versions.map((version: { name: string }) => version.name)
      )
    expect(yield* names()).not.toContain("5.5")
    expect(yield* names(adminToken)).toContain("5.5")
  }).pipe(Effect.provide(server()))
)

it.effect("the OpenAPI document and its page are served", () =>
  Effect.gen(function* () {
    const { json } = yield* call("GET", "/openapi.json")
    expect(json.paths["/v1.0/{project}/instances/{instance}/history"].get.summary ?? "").toBeDefined()
    expect(Object.keys(json.components.securitySchemes)).toHaveLength(1)
    expect((yield* call("GET", "/docs")).text).toMatch(/^<!doctype html>/)
  }).pipe(Effect.provide(server()))
)
