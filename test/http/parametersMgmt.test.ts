/** What administrators do to the parameters of a version, and what tenants can set after that. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { adminToken, call, mysqlVersion, path, server } from "./harness.ts"

const token = adminToken
const postgres = "5d6c2f1e-0000-4000-8000-000000000016"
const parameters = (version = postgres) => path(`/mgmt/datastores/versions/${version}/parameters`)

const body = (parameter: object) => ({ body: { "configuration-parameter": parameter }, token })
const add = (parameter: object, version?: string) => call("POST", parameters(version), body(parameter))
const change = (name: string, parameter: object) => call("PUT", `${parameters()}/${name}`, body(parameter))
const remove = (name: string) => call("DELETE", `${parameters()}/${name}`, { token })

const group = (values: object) =>
  call("POST", path("/configurations"), {
    body: { configuration: { name: "g", values, datastore: { type: "postgresql", version: "16" } } }
  })
const seen = (name: string) => call("GET", path(`/datastores/postgresql/versions/16/parameters/${name}`))

const range = (min_size: number, max_size: number) => ({
  data_type: "integer",
  restart_required: 0,
  min_size,
  max_size
})

it.effect("a range is made narrower, and holds what tenants set", () =>
  Effect.gen(function* () {
    const { json, status } = yield* change("work_mem", { name: "work_mem", ...range(100, 200) })
    expect(status).toBe(200)
    const about = { name: "work_mem", datastore_version_id: postgres, restart_required: false, type: "integer" }
    expect(json).toEqual({ ...about, min_size: 100, max_size: 200 })
    expect((yield* call("GET", `${parameters()}/work_mem`, { token })).json).toEqual(json)
    expect((yield* call("GET", parameters(), { token })).json["configuration-parameters"]).toContainEqual(json)
    expect((yield* seen("work_mem")).json).toEqual({ ...about, min: 100, max: 200 })
    expect((yield* group({ work_mem: 150 })).status).toBe(200)
    expect((yield* group({ work_mem: 201 })).json.unprocessableEntity.message).toMatch(/greater than the maximum.*200/)
  }).pipe(Effect.provide(server()))
)

it.effect("one that is taken away is not set any more, and can be brought back", () =>
  Effect.gen(function* () {
    const { status, text } = yield* remove("work_mem")
    expect([status, text]).toEqual([204, ""])
    expect((yield* seen("work_mem")).status).toBe(404)
    expect((yield* group({ work_mem: 100 })).status).toBe(422)
    expect((yield* remove("work_mem")).json.badRequest.message).toBe(
      "The configuration parameter work_mem cannot be found."
    )
    expect((yield* add({ name: "work_mem", ...range(64, 4096) })).status).toBe(200)
    expect((yield* group({ work_mem: 100 })).status).toBe(200)
    expect((yield* add({ name: "work_mem", ...range(64, 4096) })).json.badRequest.message).toMatch(/already exists/)
  }).pipe(Effect.provide(server()))
)

it.effect("one that the servers have not told is added, and goes again", () =>
  Effect.gen(function* () {
    const flag = { name: "pg_stat_statements.track_utility", data_type: "boolean", restart_required: true }
    expect((yield* add(flag)).json).toMatchObject({ name: flag.name, restart_required: true, type: "boolean" })
    expect((yield* group({ [flag.name]: 1 })).status).toBe(422)
    expect((yield* group({ [flag.name]: true })).status).toBe(200)
    expect((yield* remove(flag.name)).status).toBe(204)
    expect((yield* call("GET", `${parameters()}/${flag.name}`, { token })).status).toBe(400)
  }).pipe(Effect.provide(server()))
)

it.effect("a version that takes no groups takes some when it has parameters", () =>
  Effect.gen(function* () {
    const values = { max_connections: 50 }
    const configuration = { name: "g", values, datastore: { type: "mysql", version: "5.7.29" } }
    const asked = call("POST", path("/configurations"), { body: { configuration } })
    expect((yield* asked).status).toBe(422)
    yield* add({ name: "max_connections", ...range(10, 100) }, mysqlVersion)
    expect((yield* asked).status).toBe(200)
  }).pipe(Effect.provide(server()))
)

const withheld: ReadonlyArray<readonly [string, string | undefined]> = [
  ["archive_command", undefined],
  ["shared_preload_libraries", undefined],
  ["data_directory", undefined],
  ["include", undefined],
  ["plperl.on_init", undefined],
  ["Data_Directory", undefined],
  ["plugin_dir", mysqlVersion],
  ["loose_plugin_dir", mysqlVersion],
  // MariaDB takes the beginning of an option for the option.
  ["plugi", mysqlVersion],
  ["datad", mysqlVersion],
  ["user", mysqlVersion]
]

it.effect.each(withheld)("nobody opens %s, which is withheld from tenants", ([name, version]) =>
  Effect.gen(function* () {
    const { json, status } = yield* add({ name, data_type: "string", restart_required: 1 }, version)
    expect(status).toBe(400)
    expect(json.badRequest.message).toMatch(/is withheld: |^name must be of small letters/)
  }).pipe(Effect.provide(server()))
)

const nonsense: ReadonlyArray<readonly [object, RegExp]> = [
  [{ name: "work_mem", ...range(0, 100) }, /min_size of work_mem must not be less than what the server takes: 64/],
  [{ name: "work_mem", ...range(100, 1e12) }, /max_size of work_mem must not be greater than what the server takes/],
  [{ name: "work_mem", ...range(200, 100) }, /min_size of work_mem must not be greater than its max_size/],
  [{ name: "work_mem", data_type: "integer", restart_required: 0 }, /min_size and max_size must be given/],
  [{ name: "work_mem", data_type: "string", restart_required: 0 }, /work_mem is of type integer/],
  [{ name: "work_mem", data_type: "text", restart_required: 0 }, /\['data_type'\]/],
  [{ name: "work_mem", ...range(100, 200), restart_required: 2 }, /\['restart_required'\]/],
  [{ name: "other", ...range(100, 200) }, /\['name'\] must be the name in the path/],
  [{ name: "work_mem", ...range(100, 200), colour: "red" }, /\['colour'\] is not allowed here/]
]

it.effect.each(nonsense)("%j is refused, naming the field and the rule", ([parameter, rule]) =>
  Effect.gen(function* () {
    const { json, status } = yield* change("work_mem", parameter)
    expect(status).toBe(400)
    expect(json.badRequest.message).toMatch(rule)
  }).pipe(Effect.provide(server()))
)

it.effect("what the server takes at its next start only cannot be said to be taken at once", () =>
  Effect.gen(function* () {
    const { json } = yield* change("max_connections", range(10, 100))
    expect(json.badRequest.message).toBe("The server takes max_connections at its next start only.")
  }).pipe(Effect.provide(server()))
)

it.effect("numbers may come as texts, and a version that is missing is missing", () =>
  Effect.gen(function* () {
    const { json } = yield* change("work_mem", { ...range(0, 0), min_size: "100", max_size: "200" })
    expect([json.min_size, json.max_size]).toEqual([100, 200])
    const nowhere = parameters("00000000-0000-4000-8000-000000000000")
    expect((yield* call("GET", nowhere, { token })).status).toBe(404)
    expect((yield* call("DELETE", `${nowhere}/work_mem`, { token })).status).toBe(404)
  }).pipe(Effect.provide(server()))
)
