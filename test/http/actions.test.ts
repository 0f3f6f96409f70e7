/** Actions on an instance: the restart, held against what Trove 18 answered, and who may not have it when. */
import { expect, it } from "@effect/vitest"
import { Clock, Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { ServiceStatus } from "../../src/services/ConductorApi.ts"
import { type InstanceId, OperationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import {
  active,
  adminToken,
  call,
  moveTo,
  operation,
  order,
  path,
  recorded,
  type Sent,
  server,
  serveTaskmanager
} from "./harness.ts"

const act = (id: string, body: unknown, sent: Sent = {}) =>
  call("POST", path(`/instances/${id}/action`), { body, ...sent })
const restart = (id: string) => act(id, { restart: {} })
const show = (id: string) => Effect.map(call("GET", path(`/instances/${id}`)), ({ json }) => json.instance)

const mailOf = Effect.fnUntraced(function* (id: string) {
  const loaded = yield* (yield* Lifecycles).load(id as InstanceId)
  return Option.getOrThrow(loaded).mail.map(({ command }) => command._tag)
})

const unavailable = (id: string, why: string) => ({
  unprocessableEntity: {
    code: 422,
    message: `Instance ${id} is not currently available for an action to be performed (${why}).`
  }
})

/** The guest tells it, now or a while ago. */
const observed = Effect.fnUntraced(function* (id: string, status: ServiceStatus, ago = 0) {
  const now = yield* Clock.currentTimeMillis
  const beat = { instance: id as InstanceId, status, sent: null, receivedAt: now - ago }
  yield* (yield* Observations).record([beat])
})

const restarting: State = { _tag: "Restarting", operation: OperationId.make("restart-1"), deadline: 1 }

it.effect("a restart is accepted with nothing to say, shows at once, and wakes the taskmanager", () =>
  Effect.gen(function* () {
    const woken = yield* serveTaskmanager
    const { id } = yield* active()
    const { headers, status, text } = yield* restart(id)
    expect([status, text]).toEqual([recorded("112").response.status, recorded("112").response.body])
    expect(headers["content-type"]).toBe("application/json")
    expect(yield* mailOf(id)).toEqual(["Restart"])
    const { operating_status, status: shown } = recorded("113").response.body.instance
    expect(yield* show(id)).toMatchObject({ status: shown, operating_status })
    expect((yield* call("GET", path("/instances"))).json.instances[0]).toMatchObject({
      status: shown,
      operating_status
    })
    yield* moveTo(id, restarting)
    expect(yield* show(id)).toMatchObject({ status: shown, operating_status })
    yield* moveTo(id, { _tag: "Active" })
    const after = recorded("114").response.body.instance
    expect(yield* show(id)).toMatchObject({ status: after.status, operating_status: after.operating_status })
    expect(woken).toContain(id)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a restart is refused until the one before has ended, and then taken again", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    expect((yield* restart(id)).status).toBe(202)
    const again = yield* restart(id)
    expect(again.status).toBe(422)
    expect(again.json).toEqual(unavailable(id, "task status was (3 REBOOTING Rebooting the instance.)"))
    expect(yield* mailOf(id)).toEqual(["Restart"])
    yield* moveTo(id, restarting)
    expect((yield* restart(id)).status).toBe(422)
    yield* moveTo(id, { _tag: "Active" })
    expect((yield* restart(id)).status).toBe(202)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("of two that ask at once one is refused", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    // Both have seen an instance at rest; the store says who was first.
    const instances = yield* Instances
    Object.assign(instances, { requestRestart: () => Effect.as(moveTo(id, restarting), false) })
    const { json, status } = yield* restart(id)
    expect(status).toBe(422)
    expect(json).toEqual(unavailable(id, "task status was (3 REBOOTING Rebooting the instance.)"))
  }).pipe(Effect.scoped, Effect.provide(server()))
)

const fault = { message: "it broke", details: null, at: 1 }
const refusing: ReadonlyArray<readonly [State, string]> = [
  [{ _tag: "New" }, "instance status was BUILD"],
  [{ _tag: "Building", operation, deadline: 1 }, "instance status was BUILD"],
  [
    { _tag: "Deleting", operation: OperationId.make("delete-1"), deadline: 1, previous: null },
    "task status was (2 DELETING Deleting the instance.)"
  ],
  [{ _tag: "Failed", fault, previous: null }, "instance status was ERROR"]
]

it.effect.each(refusing)("$0._tag is no state for a restart", ([state, why]) =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* moveTo(id, state)
    const { json, status } = yield* restart(id)
    expect(status).toBe(422)
    expect(json).toEqual(unavailable(id, why))
    expect(yield* mailOf(id)).toEqual([])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect.each(["healthy", "running", "shutdown", "crashed", "blocked", "restart required"] as const)(
  "a database that is %s may be restarted",
  (status) =>
    Effect.gen(function* () {
      const { id } = yield* active()
      yield* observed(id, status)
      expect((yield* restart(id)).status).toBe(202)
    }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect.each([
  ["building", "BUILD"],
  ["restarting", "RESTARTING"],
  ["paused", "SHUTDOWN"],
  ["upgrading", "UPGRADING"],
  ["unknown", "ERROR"]
] as const)("a database that is %s may not", ([status, operating]) =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* observed(id, status)
    const answer = yield* restart(id)
    expect(answer.status).toBe(422)
    expect(answer.json).toEqual(unavailable(id, `instance status was ACTIVE, operating status was ${operating}`))
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a database whose guest was never heard of may not; one that has fallen silent may", () =>
  Effect.gen(function* () {
    const { id: never } = (yield* order()).json.instance
    yield* moveTo(never, { _tag: "Active" })
    expect((yield* restart(never)).json).toEqual(
      unavailable(never, "instance status was ACTIVE, operating status was NEW")
    )
    const { id } = yield* active()
    yield* TestClock.adjust("4 minutes")
    expect(yield* show(id)).toMatchObject({ operating_status: "ERROR" })
    expect((yield* restart(id)).status).toBe(202)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("what asks for a restart clears what required it", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* observed(id, "restart required")
    expect(yield* show(id)).toMatchObject({ status: "ACTIVE", operating_status: "RESTART_REQUIRED" })
    expect((yield* restart(id)).status).toBe(202)
    yield* moveTo(id, restarting)
    yield* observed(id, "healthy")
    yield* moveTo(id, { _tag: "Active" })
    expect(yield* show(id)).toMatchObject({ status: "ACTIVE", operating_status: "HEALTHY" })
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("who does not own it is told that there is none; an administrator may", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const elsewhere = `/v1.0/another/instances/${id}/action`
    const foreign = yield* call("POST", elsewhere, { body: { restart: {} } })
    expect(foreign.status).toBe(404)
    expect(foreign.json).toEqual({ itemNotFound: { code: 404, message: `Resource ${id} cannot be found.` } })
    expect((yield* restart("00000000-0000-4000-8000-00000000ffff")).status).toBe(404)
    expect((yield* restart("nosuch")).status).toBe(404)
    expect(yield* mailOf(id)).toEqual([])
    expect((yield* call("POST", elsewhere, { body: { restart: {} }, token: adminToken })).status).toBe(202)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect.each([
  ["nothing", {}, /must name one action/],
  ["two actions", { restart: {}, resize: {} }, /must name one action/],
  ["an action that is none", { bogus: {} }, /bogus is not allowed here/],
  ["a restart and something else", { restart: {}, bogus: 1 }, /bogus is not allowed here/],
  ["a restart of null", { restart: null }, /restart must be an object/],
  ["a restart of a list", { restart: [] }, /restart must be an object/],
  ["a restart of text", { restart: "now" }, /restart must be an object/],
  ["a list", [], /the body/],
  ["no object", 7, /the body/]
] as const)("a body with %s is a 400 that names the rule", ([, body, message]) =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const { json, status } = yield* act(id, body)
    expect([status, json.badRequest.code]).toEqual([400, 400])
    expect(json.badRequest.message).toMatch(message)
    expect(yield* mailOf(id)).toEqual([])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a body that is no JSON is refused in WebOb's shape", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const { json, status } = yield* act(id, undefined, {
      raw: "{restart",
      headers: { "content-type": "application/json" }
    })
    expect([status, json]).toEqual([400, recorded("052").response.body])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect.each([
  ["promote_to_replica_source", {}, "Promoting a replica (promote_to_replica_source)"],
  ["eject_replica_source", {}, "Ejecting a replica source (eject_replica_source)"]
] as const)("%s is not there yet, and says so of an instance that is there", ([name, argument, feature]) =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const { json, status } = yield* act(id, { [name]: argument }, { token: adminToken })
    expect(status).toBe(501)
    expect(json).toEqual({ notImplemented: { code: 501, message: `${feature}: not implemented in Coffer yet.` } })
    expect((yield* act("nosuch", { [name]: argument })).status).toBe(404)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect.each([
  ["nothing", {}, 400, /resize must name what to resize to/],
  ["no object", 2, 400, /resize/],
  ["the flavor that it has", { flavorRef: 2 }, 400, /^The new flavor id must be different than the current/],
  ["a flavor that there is not", { flavorRef: "none" }, 400, /^Resource none cannot be found/],
  ["a volume of no size", { volume: {} }, 400, /volume.*size/],
  ["a volume of text", { volume: { size: "many" } }, 400, /must be a string matching/],
  [
    "a volume that is not larger",
    { volume: { size: 1 } },
    400,
    /^The new volume 'size' must be larger than the current/
  ],
  ["a volume that is too large", { volume: { size: 1000 } }, 413, /cannot exceed maximum of 10 GB, 1000/]
] as const)("a resize to %s is refused, and why is said", ([, asked, code, message]) =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const { json, status } = yield* act(id, { resize: asked })
    expect(status).toBe(code)
    expect(Object.values(json)).toMatchObject([{ code, message: expect.stringMatching(message) }])
    expect(yield* mailOf(id)).toEqual([])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a resize is accepted, holds what it takes more, and shows at once; another one is refused then", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    // A volume, where both are asked for, as in Trove.
    expect((yield* act(id, { resize: { volume: { size: "3" }, flavorRef: "1" } })).status).toBe(202)
    const { json } = yield* call("GET", path(`/instances/${id}`))
    expect(json.instance).toMatchObject({ status: "RESIZE", volume: { size: 2 }, operating_status: "" })
    expect((yield* mailOf(id)).at(-1)).toBe("Resize")
    const again = yield* act(id, { resize: { volume: { size: 4 } } })
    expect(again.status).toBe(422)
    expect(again.json.unprocessableEntity.message).toContain("(task status was (4 RESIZING Resizing the instance.)")
    expect((yield* act(id, { restart: {} })).status).toBe(422)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a GET of the actions is no route", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    expect((yield* call("GET", path(`/instances/${id}/action`))).status).toBe(404)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("an instance in a state that only a newer release knows is shown, can be asked to go, and nothing else", () =>
  Effect.gen(function* () {
    yield* serveTaskmanager
    const [{ id }, { id: other }] = [yield* active(), yield* active()]
    const newer: State = JSON.parse('{"_tag":"Pausing"}')
    yield* moveTo(id, newer)
    expect(yield* show(id)).toMatchObject({ status: "UNKNOWN", operating_status: "" })
    const { json, status } = yield* call("GET", path("/instances"))
    expect(status).toBe(200)
    const listed: ReadonlyArray<{ id: string; status: string }> = json.instances
    expect(listed.map(({ id, status }) => [id, status])).toEqual(
      expect.arrayContaining([
        [id, "UNKNOWN"],
        [other, "ACTIVE"]
      ])
    )
    const refused = yield* restart(id)
    expect([refused.status, refused.json]).toEqual([422, unavailable(id, "instance status was UNKNOWN")])
    const managed = yield* call("GET", path(`/mgmt/instances/${id}`), { token: adminToken })
    expect([managed.status, managed.json.instance.status]).toEqual([200, "UNKNOWN"])
    const operations = yield* call("GET", path(`/mgmt/operations/${id}`), { token: adminToken })
    expect([operations.status, operations.json.operation.standing]).toEqual([200, "unreadable"])
    for (const _ of ["once", "again"]) {
      expect((yield* call("DELETE", path(`/instances/${id}`))).status).toBe(202)
    }
    expect(yield* show(id)).toMatchObject({ status: "UNKNOWN" })
  }).pipe(Effect.provide(server()))
)
