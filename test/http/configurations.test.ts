/** Configuration groups over HTTP: Trove's routes, codes and texts, of a PostgreSQL, whose parameters are known. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { active, adminToken, call, moveTo, path, recorded, server, serveTaskmanager } from "./harness.ts"

const version = "5d6c2f1e-0000-4000-8000-000000000016"
const datastore = { type: "postgresql", version: "16" }

const post = (configuration: unknown) => call("POST", path("/configurations"), { body: { configuration } })
const create = Effect.fnUntraced(function* (values: Record<string, unknown> = { work_mem: 200 }) {
  const { json, status } = yield* post({ name: "c1", description: "d", values, datastore })
  expect(status).toBe(200)
  return json.configuration
})
const one = (id: string) => path(`/configurations/${id}`)
const put = (id: string, instance: unknown) => call("PUT", path(`/instances/${id}`), { body: { instance } })
const anInstance = Effect.map(active({ datastore, databases: [], users: [] }), ({ id }) => id)

it.effect("a group is created, shown and listed as recorded of Trove", () =>
  Effect.gen(function* () {
    expect((yield* call("GET", path("/configurations"))).json).toEqual(recorded("081").response.body)
    const created = yield* create()
    const like = recorded("082").response.body.configuration
    expect(Object.keys(created).toSorted()).toEqual(Object.keys(like).toSorted())
    expect(created).toMatchObject({
      ...{ name: "c1", description: "d", values: { work_mem: 200 }, instance_count: 0 },
      ...{ datastore_name: "postgresql", datastore_version_id: version, datastore_version_name: "16" }
    })
    expect((yield* call("GET", one(created.id))).json.configuration).toEqual(created)
    const { json } = yield* call("GET", path("/configurations"))
    const [listed] = recorded("086").response.body.configurations
    expect(Object.keys(json.configurations[0]).toSorted()).toEqual(Object.keys(listed).toSorted())
    expect((yield* call("GET", `${one(created.id)}/instances`)).json).toEqual(recorded("089").response.body)
  }).pipe(Effect.provide(server()))
)

it.effect("what is not there is told as recorded of Trove", () =>
  Effect.gen(function* () {
    const { json, status } = yield* call("GET", one("nosuch"))
    expect([status, json]).toEqual([404, recorded("088").response.body])
    for (const [method, body] of [
      ["PUT", { configuration: {} }],
      ["PATCH", { configuration: { values: {} } }],
      ["DELETE", undefined]
    ] as const)
      expect((yield* call(method, one("nosuch"), body === undefined ? {} : { body })).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

const refused: ReadonlyArray<readonly [string, Record<string, unknown>, string]> = [
  ["a wrong type", { max_connections: "abc" }, recorded("084").response.body.unprocessableEntity.message],
  [
    "a number that is no integer",
    { max_connections: 1.5 },
    "The value provided for the configuration parameter max_connections is not of type integer."
  ],
  ["too little", { max_connections: 0 }, recorded("085").response.body.unprocessableEntity.message],
  [
    "too much",
    { max_connections: 999_999 },
    "The value for the configuration parameter max_connections is greater than the maximum allowed: 262143"
  ],
  ["an unknown name", { zz: 1 }, "The configuration parameter zz is not supported for this datastore: postgresql 16."],
  [
    "what is withheld",
    { archive_command: "cp %p /tmp" },
    "The configuration parameter archive_command is not supported for this datastore: postgresql 16."
  ],
  [
    "a text that is none of those it takes",
    { bytea_output: "octal" },
    "The value provided for the configuration parameter bytea_output is not one of: escape, hex."
  ],
  [
    "a text of two lines",
    { lc_messages: "C'\nport = '1" },
    "The value provided for the configuration parameter lc_messages must be of one line, without control characters."
  ]
]

it.effect.each(refused)("a value of %s is refused, with the parameter and the rule", ([, values, message]) =>
  Effect.gen(function* () {
    const made = yield* post({ name: "c2", values, datastore })
    expect([made.status, made.json]).toEqual([422, { unprocessableEntity: { code: 422, message } }])
    const { id } = yield* create()
    const changed = yield* call("PATCH", one(id), { body: { configuration: { values } } })
    expect([changed.status, changed.json]).toEqual([422, { unprocessableEntity: { code: 422, message } }])
    expect((yield* call("GET", one(id))).json.configuration.values).toEqual({ work_mem: 200 })
  }).pipe(Effect.provide(server()))
)

it.effect("a version without parameters takes no groups", () =>
  Effect.gen(function* () {
    const { json, status } = yield* post({ name: "c", values: {}, datastore: { type: "mysql", version: "5.7.29" } })
    expect([status, json.unprocessableEntity.message]).toEqual([
      422,
      "Configuration groups are not supported for this datastore: mysql 5.7.29"
    ])
    const none = yield* call("GET", path("/datastores/mysql/versions/5.7.29/parameters"))
    expect(none.json).toEqual({ "configuration-parameters": [] })
  }).pipe(Effect.provide(server()))
)

it.effect.each([
  {},
  { name: "c" },
  { name: "", values: {} },
  { name: "x".repeat(65), values: {} },
  { name: "c", values: [] },
  { name: "c", values: { jit: null } },
  { name: "c", values: {}, bogus: 1 }
])("a create with %j is a 400 that names the field", (configuration) =>
  Effect.gen(function* () {
    const { json, status } = yield* post(configuration)
    expect(status).toBe(400)
    expect(json.badRequest.message).toMatch(/^Validation error: configuration/)
  }).pipe(Effect.provide(server()))
)

it.effect("PATCH adds to the values, PUT takes their place and may rename", () =>
  Effect.gen(function* () {
    const { id } = yield* create()
    const edited = yield* call("PATCH", one(id), { body: { configuration: { values: { jit: false } } } })
    expect([edited.status, edited.text]).toEqual([200, ""])
    expect((yield* call("GET", one(id))).json.configuration.values).toEqual({ work_mem: 200, jit: false })
    const replaced = yield* call("PUT", one(id), { body: { configuration: { name: "c9" } } })
    expect([replaced.status, replaced.text]).toEqual([202, ""])
    expect((yield* call("GET", one(id))).json.configuration).toMatchObject({ name: "c9", description: "d", values: {} })
  }).pipe(Effect.provide(server()))
)

it.effect("a group is attached once, shown, and kept from being deleted until it is detached", () =>
  Effect.gen(function* () {
    const woken = yield* serveTaskmanager
    const { id: group } = yield* create()
    const id = yield* anInstance
    const attached = yield* put(id, { configuration: group })
    expect([attached.status, attached.text]).toEqual([202, ""])
    expect(woken).toContain(id)
    const { instance } = (yield* call("GET", path(`/instances/${id}`))).json
    expect([instance.status, instance.operating_status]).toEqual(["RESTART_REQUIRED", ""])
    const like = recorded("093").response.body.instance.configuration
    expect(instance.configuration).toEqual({ id: group, name: "c1", links: expect.any(Array) })
    expect(Object.keys(instance.configuration)).toEqual(Object.keys(like))
    expect((yield* call("GET", one(group))).json.configuration.instance_count).toBe(1)
    expect((yield* call("GET", `${one(group)}/instances`)).json.instances).toEqual([{ id, name: "rec-1" }])

    const twice = yield* put(id, { configuration: group })
    expect([twice.status, twice.json.badRequest.message]).toEqual([
      400,
      `Instance ${id} already has a Configuration Group attached: ${group}.`
    ])
    expect((yield* call("DELETE", one(group))).json.badRequest.message).toMatch(
      /^A configuration group cannot be deleted/
    )
    yield* moveTo(id, { _tag: "Active" })
    expect((yield* put(id, {})).status).toBe(202)
    yield* moveTo(id, { _tag: "Active" })
    expect((yield* put(id, { configuration: null })).status).toBe(202)
    const shown = (yield* call("GET", path(`/instances/${id}`))).json.instance
    expect([shown.status, shown.configuration]).toEqual(["ACTIVE", undefined])
    expect((yield* call("DELETE", one(group))).status).toBe(202)
    expect((yield* call("GET", one(group))).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

it.effect("one group takes another's place while the server waits for a restart, and not while it restarts", () =>
  Effect.gen(function* () {
    const { id: group } = yield* create()
    const { id: other } = yield* create()
    const id = yield* anInstance
    yield* put(id, { configuration: group })
    for (const change of [{}, { configuration: other }]) {
      yield* moveTo(id, { _tag: "Active", restartRequired: true })
      expect((yield* put(id, change)).status).toBe(202)
    }
    yield* moveTo(id, { _tag: "Active", restartRequired: true })
    expect((yield* call("POST", path(`/instances/${id}/action`), { body: { restart: {} } })).status).toBe(202)
    const { json, status } = yield* put(id, { configuration: null })
    expect([status, json.badRequest.message]).toEqual([
      400,
      "The operation you have requested cannot be executed because the instance status is currently: REBOOT."
    ])
  }).pipe(Effect.provide(server()))
)

it.effect("a group of another version, or of nobody, is not attached", () =>
  Effect.gen(function* () {
    const { id: group } = yield* create()
    const { id } = yield* active({})
    expect((yield* put(id, { configuration: group })).json.badRequest.message).toMatch(
      /does not match the Datastore Version/
    )
    const unknown = "92ee9279-68a8-457b-94f3-fd9126a186e9"
    expect((yield* put(id, { configuration: unknown })).status).toBe(404)
    const empty = yield* put(id, { configuration: "" })
    expect([empty.status, empty.json.badRequest.message]).toEqual([
      recorded("094").response.status,
      "Validation error: instance['configuration'] must be the id of a configuration group, a UUID"
    ])
    expect((yield* put(id, { configuration: group, access: {} })).json.badRequest.message).toMatch(
      /^Only one attribute/
    )
  }).pipe(Effect.provide(server()))
)

it.effect("an order takes a group, by id or by link, and refuses one of another version", () =>
  Effect.gen(function* () {
    const { id: group } = yield* create()
    const { instance } = recorded("029").request.body as { readonly instance: Record<string, unknown> }
    const order = (changes: unknown) =>
      call("POST", path("/instances"), {
        body: { instance: { ...instance, databases: [], users: [], ...(changes as object) } }
      })
    const made = yield* order({ datastore, configuration: `https://host/v1.0/p/configurations/${group}` })
    expect([made.status, made.json.instance.configuration.id]).toEqual([200, group])
    expect((yield* order({ configuration: group })).status).toBe(400)
  }).pipe(Effect.provide(server()))
)

it.effect("an administrator sees all groups, a tenant its own", () =>
  Effect.gen(function* () {
    const { id } = yield* create()
    const foreign = (token?: string) => call("GET", "/v1.0/other/configurations", token === undefined ? {} : { token })
    expect((yield* foreign()).json.configurations).toEqual([])
    expect((yield* foreign(adminToken)).json.configurations).toMatchObject([{ id }])
    expect((yield* call("GET", `/v1.0/other/configurations/${id}`)).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

it.effect("parameters are listed and shown, by names and by the version's id", () =>
  Effect.gen(function* () {
    const byName = path("/datastores/postgresql/versions/16/parameters")
    const byId = path(`/datastores/versions/${version}/parameters`)
    const { json } = yield* call("GET", byName)
    expect((yield* call("GET", byId)).json).toEqual(json)
    const like = recorded("018").response.body["configuration-parameters"][0]
    const buffers = {
      ...{ name: "shared_buffers", datastore_version_id: version, restart_required: true, type: "integer" },
      ...{ max: 1_073_741_823, min: 16 }
    }
    expect(Object.keys(buffers).toSorted()).toEqual(Object.keys(like).toSorted())
    expect(json["configuration-parameters"]).toContainEqual(buffers)
    for (const url of [`${byName}/shared_buffers`, `${byId}/shared_buffers`])
      expect((yield* call("GET", url)).json).toEqual(buffers)
    expect((yield* call("GET", `${byName}/port`)).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

it.effect("the defaults of an instance are its server's, and its flavor's", () =>
  Effect.gen(function* () {
    const id = yield* anInstance
    const { json, status } = yield* call("GET", path(`/instances/${id}/configuration`))
    expect(status).toBe(200)
    expect(json.instance.configuration).toMatchObject({ max_connections: 100, jit: true })
  }).pipe(Effect.provide(server()))
)
