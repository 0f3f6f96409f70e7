/** What administrators do to datastores and their versions, and what tenants can order after that. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { adminToken, call, moveTo, mysqlVersion, operation, path, recorded, server } from "./harness.ts"

const token = adminToken
const versions = "/mgmt/datastore-versions"
const unused = "ab586105-7a84-44ba-bb97-37b46eb8488e"

const nine = {
  ...{ name: "nine", datastore_name: "postgresql", datastore_manager: "postgresql", active: true },
  ...{ image: "registry.example:5000/postgres:9", version: "18" }
}

const add = (version: object) => call("POST", path(versions), { body: { version }, token })
const edit = (id: string, body: object) => call("PATCH", path(`${versions}/${id}`), { body, token })
const remove = (id: string) => call("DELETE", path(`${versions}/${id}`), { token })
const refused = (message: string) => ({ badRequest: { code: 400, message } })

const named = Effect.fnUntraced(function* (name: string) {
  const { json } = yield* call("GET", path(versions), { token })
  return json.versions.find((version: { name: string }) => version.name === name)
})

const orderOf = (datastore: object) =>
  call("POST", path("/instances"), {
    body: { instance: { name: "db", flavorRef: "1", volume: { size: 1 }, datastore } }
  })

it.effect("a version that is added can be ordered at once, and is shown as it was given", () =>
  Effect.gen(function* () {
    const added = yield* add({ ...nine, packages: ["postgresql-9"], default: true })
    expect([added.status, added.text]).toEqual([202, ""])
    const version = yield* named("nine")
    expect(version).toEqual({
      ...{ id: version.id, name: "nine", version: "18", datastore_id: "5d6c2f1e-0000-4000-8000-000000000001" },
      ...{ datastore_name: "postgresql", datastore_manager: "postgresql", image: nine.image, image_tags: [""] },
      ...{ packages: ["postgresql-9"], active: true, default: true }
    })
    expect((yield* call("GET", path(`${versions}/${version.id}`), { token })).json).toEqual({ version })
    expect((yield* call("GET", path("/datastores/postgresql/versions/nine"))).json.version.id).toBe(version.id)
    const { json, status } = yield* orderOf({ type: "postgresql" })
    expect([status, json.instance.datastore.version]).toEqual([200, "nine"])
  }).pipe(Effect.provide(server()))
)

it.effect("a version has the fields that Trove has recorded", () =>
  Effect.gen(function* () {
    const { body, status } = recorded("125").response
    const { json, status: ours } = yield* call("GET", path(versions), { token })
    expect(ours).toBe(status)
    const known = yield* named("5.7.29")
    const [, trove] = body.versions
    expect(Object.keys(known)).toEqual(Object.keys(trove))
    const { image: _, packages: __, ...rest } = trove
    expect(known).toMatchObject(rest)
    expect(json.versions).toHaveLength(4)
  }).pipe(Effect.provide(server()))
)

it.effect("a datastore that is not known is made with its first version, and goes when it has none", () =>
  Effect.gen(function* () {
    expect((yield* add({ ...nine, datastore_name: "lake" })).status).toBe(202)
    expect((yield* orderOf({ type: "lake" })).json).toEqual(
      refused("Default version for datastore 'lake' not found. Please specify a version.")
    )
    expect((yield* orderOf({ type: "lake", version: "nine" })).status).toBe(200)
    yield* add({ ...nine, name: "ten", datastore_name: "pond" })
    const away = call("DELETE", path("/datastores/pond"), { token })
    expect((yield* away).json).toEqual(refused("Datastore 'pond' has versions; they have to be deleted first."))
    expect((yield* remove((yield* named("ten")).id)).status).toBe(202)
    expect((yield* away).status).toBe(202)
    expect((yield* call("GET", path("/datastores/pond"), { token })).status).toBe(404)
    expect((yield* away).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

it.effect("a version that is inactive takes no order, and instances of it live on", () =>
  Effect.gen(function* () {
    const { json: made } = yield* orderOf({ type: "mysql", version: "8.0.29" })
    expect((yield* edit(unused, { active: false })).status).toBe(202)
    expect((yield* orderOf({ type: "mysql", version: "8.0.29" })).json).toEqual(
      refused("Datastore version '8.0.29' is not active.")
    )
    expect((yield* call("GET", path(`/datastores/versions/${unused}`))).status).toBe(404)
    const shown = yield* call("GET", path(`/instances/${made.instance.id}`))
    expect(shown.json.instance.datastore.version).toBe("8.0.29")
    yield* edit(unused, { active: true })
    expect((yield* orderOf({ type: "mysql", version: "8.0.29" })).status).toBe(200)
  }).pipe(Effect.provide(server()))
)

it.effect("the default is chosen, and taken back", () =>
  Effect.gen(function* () {
    const defaultOf = Effect.map(call("GET", path("/datastores/mysql")), ({ json }) => json.datastore.default_version)
    yield* edit(unused, { default: true })
    expect(yield* defaultOf).toBe(unused)
    expect((yield* named("5.7.29")).default).toBe(false)
    // One that is not the default is none already.
    yield* edit(mysqlVersion, { default: false })
    expect(yield* defaultOf).toBe(unused)
    yield* edit(unused, { default: false })
    expect(yield* defaultOf).toBeUndefined()
  }).pipe(Effect.provide(server()))
)

it.effect("a version is deleted when nothing is of it any more", () =>
  Effect.gen(function* () {
    yield* add({ ...nine, default: true })
    const { id } = yield* named("nine")
    const { json } = yield* orderOf({ type: "postgresql", version: "nine" })
    const inUse = refused(
      "Datastore version 'nine' is in use: instances or configuration groups of it are there still."
    )
    expect((yield* remove(id)).json).toEqual(inUse)
    expect((yield* edit(id, { datastore_manager: "mysql" })).json.badRequest.message).toMatch(
      /^datastore_manager cannot/
    )
    yield* moveTo(json.instance.id, { _tag: "Deleting", operation, deadline: 4e12, previous: null })
    expect((yield* remove(id)).json).toEqual(inUse)
    yield* moveTo(json.instance.id, { _tag: "Deleted", at: 0 })

    const group = { name: "g", values: { work_mem: 100 }, datastore: { type: "postgresql", version: "nine" } }
    const made = yield* call("POST", path("/configurations"), { body: { configuration: group } })
    expect((yield* remove(id)).json).toEqual(inUse)
    yield* call("DELETE", path(`/configurations/${made.json.configuration.id}`))

    expect((yield* remove(id)).status).toBe(202)
    expect((yield* remove(id)).status).toBe(404)
    expect((yield* call("GET", path(`/datastores/versions/${id}`), { token })).status).toBe(404)
    expect((yield* orderOf({ type: "postgresql", version: id })).status).toBe(404)
    const { json: after } = yield* call("GET", path("/datastores/postgresql"))
    expect(after.datastore.default_version).toBeUndefined()
    // Its name is free, and what was forgotten in the meantime hinders nobody.
    yield* TestClock.adjust("2 hours")
    expect((yield* add(nine)).status).toBe(202)
    expect((yield* named("nine")).id).not.toBe(id)
  }).pipe(Effect.provide(server()))
)

it.effect("a version that was added is changed in everything but its number", () =>
  Effect.gen(function* () {
    yield* add(nine)
    const { id } = yield* named("nine")
    const image = `docker.io/library/postgres@sha256:${"a".repeat(64)}`
    const change = { name: "ten", image, image_tags: ["a"], registry_ext: "x", repl_strategy: "y", active: false }
    expect((yield* edit(id, { ...change, datastore_manager: "mysql" })).status).toBe(202)
    expect(yield* named("ten")).toMatchObject({ ...change, id, version: "18", datastore_manager: "mysql" })
  }).pipe(Effect.provide(server()))
)

it.effect("what stands in the configuration is changed there only, but for whether it is offered", () =>
  Effect.gen(function* () {
    expect((yield* edit(unused, { image: "mysql:9" })).json).toEqual(
      refused(
        "Version '8.0.29' stands in the service's configuration: image can be changed there only; here, active and default can."
      )
    )
    // Told again, it is no change.
    expect((yield* edit(unused, { name: "8.0.29", packages: [], default: true })).status).toBe(202)
    expect((yield* remove(unused)).json.badRequest.message).toMatch(
      /can be deleted there only; here it can be made inactive/
    )
    const { json } = yield* call("DELETE", path("/datastores/mysql"), { token })
    expect(json).toEqual(
      refused("Datastore 'mysql' stands in the service's configuration, and can be deleted there only.")
    )
  }).pipe(Effect.provide(server()))
)

const { image: _, ...imageless } = nine
const nonsense: ReadonlyArray<readonly [object, RegExp]> = [
  [{ ...nine, datastore_manager: "oracle" }, /version\['datastore_manager'\].*"postgresql"/],
  [imageless, /image is a required property/],
  [{ ...nine, image: unused }, /image must be a reference to a container image/],
  [{ ...nine, image: "a b" }, /image must be a reference/],
  [{ ...nine, name: "" }, /version\['name'\]/],
  [{ ...nine, active: "perhaps" }, /version\['active'\]/],
  [{ ...nine, image_tags: ["1", "2", "3", "4", "5", "6"] }, /version\['image_tags'\] must not hold more than 5/],
  [{ ...nine, colour: "red" }, /version\['colour'\] is not allowed here/],
  [{ ...nine, name: "16", version: "16" }, /with the name '16' and the number '16' already exists/]
]

it.effect.each(nonsense)("%j is refused, naming the field and the rule", ([version, rule]) =>
  Effect.gen(function* () {
    const { json, status } = yield* add(version)
    expect(status).toBe(400)
    expect(json.badRequest.message).toMatch(rule)
  }).pipe(Effect.provide(server()))
)

it.effect("tenants manage nothing", () =>
  Effect.gen(function* () {
    const asked = [
      yield* call("GET", path(versions)),
      yield* call("POST", path(versions), { body: { version: nine } }),
      yield* call("PATCH", path(`${versions}/${unused}`), { body: { active: false } }),
      yield* call("DELETE", path(`${versions}/${unused}`)),
      yield* call("GET", path(`/mgmt/datastores/versions/${unused}/parameters`))
    ]
    expect(asked.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401])
    expect((yield* call("DELETE", path("/datastores/mysql"))).status).toBe(403)
  }).pipe(Effect.provide(server()))
)
