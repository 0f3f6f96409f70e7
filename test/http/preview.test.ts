/** What a change would do, told over HTTP in place of done; and that nothing is done by who only asks for that. */
import { expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Option } from "effect"
import { HttpApi } from "effect/http-api"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Api } from "../../src/http/Api.ts"
import { OffersPreview } from "../../src/http/Preview.ts"
import { prefix } from "../../src/http/Wire.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { History } from "../../src/services/History.ts"
import { type InstanceId, operationId, ProjectId } from "../../src/services/Ids.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { active, adminToken, call, moveTo, path, project, server, serveTaskmanager } from "./harness.ts"

const datastore = { type: "postgresql", version: "16" }
const anInstance = Effect.map(active({ datastore, databases: [], users: [] }), ({ id }) => id as InstanceId)

const mailOf = Effect.fnUntraced(function* (id: InstanceId) {
  const loaded = yield* (yield* Lifecycles).load(id)
  return Option.getOrThrow(loaded).mail.map(({ command }) => command._tag)
})

const act = (id: string, action: string, query = "?preview=true") =>
  call("POST", path(`/instances/${id}/action${query}`), { body: { [action]: {} } })
const change = (id: string, instance: unknown, query = "?preview=true") =>
  call("PUT", path(`/instances/${id}${query}`), { body: { instance } })
const aGroup = Effect.fnUntraced(function* (values: Record<string, unknown>) {
  const configuration = { name: "c1", values, datastore }
  return (yield* call("POST", path("/configurations"), { body: { configuration } })).json.configuration.id as string
})

/** A run of an operation that took so long, as its steps tell it. */
const ran = Effect.fnUntraced(function* (id: InstanceId, kind: "restart" | "stop", n: number, millis: number) {
  const history = yield* History
  const operation = operationId(kind, String(n))
  const at = yield* Clock.currentTimeMillis
  const of = (now: number) =>
    Effect.provideService(Clock.Clock, {
      ...testClock,
      currentTimeMillis: Effect.succeed(now),
      currentTimeMillisUnsafe: () => now
    })
  const testClock = yield* Clock.Clock
  const line = (step: string) => ({ operation, step, attempt: 1 })
  for (const [step, from, to] of [
    ["do it", 0, millis - 10],
    ["report", millis - 10, millis]
  ] as const) {
    const start = { ...line(step), operationName: kind, waitsFor: null, deadline: null }
    yield* history.stepStarted(id, start).pipe(of(at + from))
    yield* history.stepEnded(id, { ...line(step), outcome: "done", error: null, detail: null }).pipe(of(at + to))
  }
})

it.effect(
  "a restart, a stop and a start tell what they would do, with times of the instance's own, and do nothing",
  () =>
    Effect.gen(function* () {
      yield* serveTaskmanager
      const id = yield* anInstance
      const reason = "its clients are cut off while its database comes up again"
      const foreseen = { id, status_during: "REBOOT", restart: true, reason }
      const first = yield* act(id, "restart")
      expect(first.status).toBe(200)
      expect(first.json.preview.instances).toMatchObject([{ ...foreseen, expected_seconds: null, based_on: 0 }])
      for (const [n, millis] of [4000, 9000, 2000].entries()) yield* ran(id, "restart", n, millis)
      yield* ran(id, "stop", 7, 60_000)
      expect((yield* act(id, "restart")).json.preview.instances).toMatchObject([
        { expected_seconds: { typical: 4, longest: 9 }, based_on: 3 }
      ])
      expect((yield* act(id, "stop")).json.preview.instances).toMatchObject([
        { status_during: "SHUTDOWN", restart: false, expected_seconds: { typical: 60, longest: 60 }, based_on: 1 }
      ])
      expect(yield* mailOf(id)).toEqual([])
      yield* moveTo(id, { _tag: "Stopped" })
      for (const action of ["start", "restart"])
        expect((yield* act(id, action)).json.preview.instances).toMatchObject([
          { status_during: "REBOOT", restart: false, expected_seconds: null, based_on: 0 }
        ])
      expect(yield* mailOf(id)).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("what would be refused is refused in the same words", () =>
  Effect.gen(function* () {
    const id = yield* anInstance
    const group = yield* aGroup({ work_mem: 200 })
    const pairs = [
      (query: string) => act(id, "start", query),
      (query: string) => act("00000000-0000-4000-8000-00000000ffff", "stop", query),
      (query: string) => change(id, { configuration: "00000000-0000-4000-8000-00000000ffff" }, query),
      (query: string) =>
        call("PUT", path(`/configurations/${group}${query}`), { body: { configuration: { values: { nosuch: 1 } } } })
    ]
    for (const ask of pairs) {
      const [preview, real] = [yield* ask("?preview=true"), yield* ask("")]
      expect(preview.status).toBeGreaterThanOrEqual(400)
      expect([preview.status, preview.json]).toEqual([real.status, real.json])
    }
    yield* moveTo(id, { _tag: "Restarting", operation: operationId("restart", "1"), deadline: 1 })
    for (const ask of [
      (query: string) => act(id, "stop", query),
      (query: string) => change(id, { configuration: group }, query)
    ]) {
      const [preview, real] = [yield* ask("?preview=true"), yield* ask("")]
      expect([preview.status, preview.json]).toEqual([real.status, real.json])
    }
  }).pipe(Effect.provide(server()))
)

it.effect("a group tells of each instance whether it takes a restart, and which parameter wants it", () =>
  Effect.gen(function* () {
    const [one, two] = [yield* anInstance, yield* anInstance]
    const live = yield* aGroup({ work_mem: 200 })
    expect((yield* change(one, { configuration: live })).json.preview.instances).toMatchObject([
      { id: one, status_during: "RESTART_REQUIRED", restart: false, reason: "taken at once: work_mem" }
    ])
    const group = yield* aGroup({ max_connections: 50 })
    expect((yield* change(one, { configuration: group })).json.preview.instances).toMatchObject([
      { id: one, restart: true, reason: "taken with the next restart: max_connections" }
    ])
    expect((yield* change(one, { configuration: null })).json.preview.instances).toMatchObject([
      { reason: "no configuration group is attached", based_on: 0 }
    ])
    expect((yield* change(one, { name: "other" })).json.preview.instances).toMatchObject([
      { status_during: "ACTIVE", reason: "only its name changes" }
    ])
    expect([yield* mailOf(one), yield* mailOf(two)]).toEqual([[], []])

    for (const id of [one, two]) {
      expect((yield* change(id, { configuration: live }, "")).status).toBe(202)
      yield* moveTo(id, { _tag: "Active" })
    }
    yield* moveTo(two, { _tag: "Stopped" })
    const { json, status } = yield* call("PATCH", path(`/configurations/${live}?preview=true`), {
      body: { configuration: { values: { max_connections: 50 } } }
    })
    expect(status).toBe(200)
    const foreseen = [
      { id: one, restart: true, reason: "taken with the next restart: max_connections; with it work_mem" },
      { id: two, status_during: "SHUTDOWN", restart: false }
    ]
    expect(json.preview.instances).toMatchObject(foreseen.toSorted((a, b) => (a.id < b.id ? -1 : 1)))
    const kept = Option.getOrThrow(yield* (yield* Configurations).get("any", live))
    expect([kept.revision, kept.values]).toEqual([1, { work_mem: 200 }])
    expect([yield* mailOf(one), yield* mailOf(two)]).toEqual([[], []])
    expect((yield* change(one, { configuration: null })).json.preview.instances).toMatchObject([{ id: one }])
    expect((yield* call("GET", path(`/instances/${one}`))).json.instance.configuration.id).toBe(live)
  }).pipe(Effect.provide(server()))
)

it.effect(
  "a resize tells whether it takes a restart, an access who is cut off; both are refused as they would be",
  () =>
    Effect.gen(function* () {
      const id = yield* anInstance
      const resize = (size: unknown, query = "?preview=true") =>
        call("POST", path(`/instances/${id}/action${query}`), { body: { resize: size } })
      expect((yield* resize({ flavorRef: "3" })).json.preview.instances).toMatchObject([
        { id, status_during: "RESIZE", restart: true, reason: expect.stringMatching(/m1\.medium.*: shared_buffers$/) }
      ])
      expect((yield* resize({ volume: { size: 4 } })).json.preview.instances).toMatchObject([
        { status_during: "RESIZE", restart: false, reason: expect.stringContaining("4 GB") }
      ])
      expect((yield* change(id, { access: { allowed_cidrs: ["10.0.0.0/8"] } })).json.preview.instances).toMatchObject([
        { id, restart: false, reason: expect.stringContaining("cut off") }
      ])
      yield* (yield* Quotas).setLimits(ProjectId.make(project), { volumes: 3 })
      for (const size of [
        { volume: { size: 1 } },
        { volume: { size: 4 } },
        { flavorRef: (yield* call("GET", path(`/instances/${id}`))).json.instance.flavor.id },
        { flavorRef: "none" },
        {}
      ]) {
        const [preview, real] = [yield* resize(size), yield* resize(size, "")]
        expect(preview.status).toBeGreaterThanOrEqual(400)
        expect([preview.status, preview.json]).toEqual([real.status, real.json])
      }
      expect(yield* mailOf(id)).toEqual([])
      yield* moveTo(id, { _tag: "Stopped" })
      expect((yield* change(id, { access: { allowed_cidrs: [] } })).json.preview.instances).toMatchObject([
        { status_during: "SHUTDOWN", restart: false, reason: expect.stringContaining("stopped") }
      ])
    }).pipe(Effect.provide(server()))
)

it.effect("where none is offered it is refused, whatever the change, and nothing is done", () =>
  Effect.gen(function* () {
    const id = yield* anInstance
    const endpoints: Array<readonly ["POST" | "PUT" | "PATCH" | "DELETE", string]> = []
    HttpApi.reflect(Api, {
      onGroup: () => {},
      onEndpoint: ({ endpoint: { annotations, method, path } }) => {
        if (method !== "POST" && method !== "PUT" && method !== "PATCH" && method !== "DELETE") return
        if (path.startsWith(prefix) && !Context.get(annotations, OffersPreview)) endpoints.push([method, path])
      }
    })
    endpoints.push(["POST", `${prefix}/backups`], ["DELETE", `${prefix}/modules/:module`])
    expect(endpoints.length).toBeGreaterThan(15)
    for (const [method, route] of endpoints) {
      const asked = route.replace(":project", project).replace(":instance", id).replaceAll(/:\w+/g, "x")
      for (const query of ["preview=true", "x=1&preview=TRUE", "preview=maybe", "preview=false&preview=true"]) {
        const { json, status } = yield* call(method, `${asked}?${query}`, { token: adminToken })
        expect([method, route, status]).toEqual([method, route, 400])
        expect(json.badRequest.message).toContain("preview")
      }
    }
    expect((yield* act(id, "reset_status", "?preview=true")).status).toBe(403)
    for (const action of ["promote_to_replica_source", "eject_replica_source"])
      expect((yield* act(id, action)).json.badRequest.message).toContain("preview")
    const mended = yield* call("POST", path(`/mgmt/instances/${id}/action?preview=true`), {
      body: { "reset-task-status": {} },
      token: adminToken
    })
    expect(mended.status).toBe(400)
    expect((yield* act(id, "restart", "?preview=maybe")).status).toBe(400)
    expect(yield* mailOf(id)).toEqual([])
    expect((yield* act(id, "restart", "?preview=false")).status).toBe(202)
  }).pipe(Effect.scoped, Effect.provide(server()))
)
