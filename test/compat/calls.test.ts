/** Every call of Trove's API is made, and answered as calls.ts says; and we have no route that it does not tell. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { active, adminToken, call, network, path, project, server, serveTaskmanager } from "../http/harness.ts"
import { operationsOf } from "../http/requests.ts"
import { type Call, ours, topics } from "./calls.ts"

const calls = topics.flatMap(({ calls }) => calls)

const nameOf = ({ about, method, path }: Call) => `${method} ${path}${about === undefined ? "" : `, ${about}`}`

/** An instance with databases db1 and db2, a user u1 of db1, and a root; and a configuration group. */
const furnished = Effect.gen(function* () {
  yield* serveTaskmanager
  const { guest, id: instance } = yield* active({ datastore, databases: [], users: [] })
  guest.databases.push({ name: "db1" }, { name: "db2" })
  yield* call("POST", path(`/instances/${instance}/users`), {
    body: { users: [{ name: "u1", password: "secret-1", databases: [{ name: "db1" }] }] }
  })
  yield* call("POST", path(`/instances/${instance}/root`))
  const { json } = yield* call("POST", path("/configurations"), {
    body: { configuration: { name: "c1", values: {}, datastore } }
  })
  return { instance, configuration: String(json.configuration.id) }
})

const datastore = { type: "postgresql", version: "16" }

/** A datastore without versions, and a version that nobody needs: of what an administrator has added. */
const removable = Effect.gen(function* () {
  const add = (datastore: string) =>
    call("POST", path("/mgmt/datastore-versions"), {
      token: adminToken,
      body: {
        version: {
          ...{ name: "spare", version: "16", datastore_name: datastore, datastore_manager: "postgresql" },
          ...{ image: "docker.io/library/postgres:16", active: true }
        }
      }
    })
  const added = Effect.map(
    call("GET", path("/mgmt/datastore-versions"), { token: adminToken }),
    ({ json }): string => json.versions.find(({ name }: { name: string }) => name === "spare").id
  )
  yield* add("empty")
  yield* call("DELETE", path(`/mgmt/datastore-versions/${yield* added}`), { token: adminToken })
  yield* add("spare")
  return { datastore: "empty", version: yield* added }
})

const noRoute = "The resource could not be found."

/** What is there; anything else that a path names is not. */
const there: Readonly<Record<string, string>> = {
  datastore: "postgresql",
  version: "5d6c2f1e-0000-4000-8000-000000000016",
  parameter: "work_mem",
  flavor: "2",
  database: "db1",
  user: "u1",
  target: project,
  network: network.id
}
const nowhere = "11111111-2222-4333-8444-555555555555"

it.effect.each(calls.map((each) => [nameOf(each), each] as const))(
  "%s",
  ([, { body, method, path: wanted, standing }]) =>
    Effect.gen(function* () {
      const named: Readonly<Record<string, string>> = {
        ...there,
        ...(yield* furnished),
        ...(method === "DELETE" ? yield* removable : {})
      }
      const filled = (text: string) => text.replaceAll(/\{(\w+)\}/g, (_, name: string) => named[name] ?? nowhere)
      const { json, status } = yield* call(method, path(filled(wanted)), {
        token: adminToken,
        ...(body === undefined ? {} : { body: JSON.parse(filled(JSON.stringify(body))) })
      })
      expect(status).toBe(standing.code)
      if (standing.is === "not there yet") expect(json.itemNotFound?.message).not.toBe(noRoute)
      if (standing.is === "not there yet" && status === 200) expect(Object.values(json)).toEqual([[]])
      if (standing.is === "not there yet" && status === 501)
        expect(json.notImplemented.message).toMatch(/: not implemented in Coffer yet\.$/)
    }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("each route that we have is told, as Trove's or as ours", () =>
  Effect.gen(function* () {
    const { json } = yield* call("GET", "/openapi.json")
    const routes = operationsOf(json)
      .filter(({ path }) => path.startsWith("/v1.0/{project}/"))
      .map(({ method, path }) => `${method} ${path.replace("/v1.0/{project}", "")}`)
    const told = [...calls.map(({ method, path }) => `${method} ${path}`), ...ours]
    // What a parameter is called is nobody's contract.
    const unnamed = (routes: ReadonlyArray<string>) => routes.map((route) => route.replaceAll(/\{\w+\}/g, "{}"))
    expect(unnamed(routes).filter((route) => !unnamed(told).includes(route))).toEqual([])
    expect(unnamed(ours).filter((route) => !unnamed(routes).includes(route))).toEqual([])
  }).pipe(Effect.provide(server()))
)
