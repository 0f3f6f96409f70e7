/** The routes of instances, held against what Trove 18 answered. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { History } from "../../src/services/History.ts"
import { heartbeatExpiry } from "../../src/services/Status.ts"
import {
  active,
  adminToken,
  call,
  moveTo,
  operation,
  order,
  path,
  project,
  recorded,
  server,
  serveTaskmanager
} from "./harness.ts"
import { shape } from "./shape.ts"

const one = (id: string) => path(`/instances/${id}`)

it.effect("a create answers as Trove does, and wakes the taskmanager", () =>
  Effect.gen(function* () {
    const woken = yield* serveTaskmanager
    yield* TestClock.setTime(Date.UTC(2026, 10, 22, 7, 8, 17, 900))
    const { status, json } = yield* order()
    expect(status).toBe(200)
    expect(shape(json)).toEqual(shape(recorded("029").response.body))
    const { id, ...rest } = json.instance
    const { id: recordedId, ...recordedRest } = recorded("029").response.body.instance
    const renamed = JSON.parse(JSON.stringify(recordedRest).replaceAll(recordedId, id))
    expect(rest).toEqual(renamed)
    yield* TestClock.adjust(0)
    expect(woken).toEqual([id])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a create succeeds when nobody hears the wake-up, for the command is written", () =>
  Effect.gen(function* () {
    const { json } = yield* order()
    expect((yield* call("GET", one(json.instance.id))).json).toEqual(json)
  }).pipe(Effect.provide(server()))
)

it.effect("an active instance looks as Trove shows it", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const { json } = yield* call("GET", one(id))
    const expected = recorded("038").response.body
    // Addresses come with a real build, which this test does not run.
    const { ip: _, addresses: __, ...instance } = expected.instance
    const { used_percent: ___, ...volume } = json.instance.volume
    expect(shape({ instance: { ...json.instance, volume } })).toEqual(shape({ instance }))
    expect(json.instance.status).toBe("ACTIVE")
    expect(json.instance.operating_status).toBe("HEALTHY")
    expect(json.instance.volume.used).toBe(0.12)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a guest that has been silent for too long shows as ERROR", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* TestClock.adjust(heartbeatExpiry + 1_000)
    const { json } = yield* call("GET", one(id))
    expect([json.instance.status, json.instance.operating_status]).toEqual(["ACTIVE", "ERROR"])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a failed instance tells its fault, with details for administrators only", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const fault = { message: "The image cannot be pulled.", details: "registry said 403", at: 0 }
    yield* moveTo(id, { _tag: "Failed", fault, previous: operation })
    const tenant = (yield* call("GET", one(id))).json.instance
    const admin = (yield* call("GET", one(id), { token: adminToken })).json.instance
    expect(tenant.status).toBe("ERROR")
    expect(tenant.fault).toEqual({ message: fault.message, created: "1970-01-01T00:00:00", details: null })
    expect(admin.fault.details).toBe("registry said 403")
    expect([tenant.tenant_id, admin.tenant_id]).toEqual([undefined, project])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("lists are paged by id and each page is shown newest first", () =>
  Effect.gen(function* () {
    const ids: Array<string> = []
    for (let n = 0; n < 3; n++) {
      yield* TestClock.adjust("1 second")
      ids.push((yield* order({ name: `i${n}` })).json.instance.id)
    }
    const sorted = ids.toSorted()
    const whole = (yield* call("GET", path("/instances"))).json
    expect(whole.instances.map((each: { name: string }) => each.name)).toEqual(["i2", "i1", "i0"])
    expect("links" in whole).toBe(false)

    const first = (yield* call("GET", path("/instances?limit=2&include_clustered=False"))).json
    expect(first.links).toEqual([
      {
        rel: "next",
        href: `https://127.0.0.1:8779${path("/instances")}?limit=2&include_clustered=False&marker=${sorted[1]}`
      }
    ])
    const second = (yield* call("GET", path(`/instances?limit=2&marker=${sorted[1]}`))).json
    expect(second.instances.map((each: { id: string }) => each.id)).toEqual([sorted[2]])
    expect("links" in second).toBe(false)

    const detail = (yield* call("GET", path("/instances/detail?limit=1"))).json
    expect(Object.keys(detail.instances[0])).toEqual(expect.arrayContaining(["created", "updated"]))
    expect(shape(detail.links)).toEqual(shape(recorded("045").response.body.links))
  }).pipe(Effect.provide(server()))
)

it.effect.each([
  ["limit=abc", "a number"],
  ["limit=0", "an integer of 1 or more"],
  ["limit=-1", "an integer of 1 or more"],
  ["limit=1.5", "an integer"]
])("a list with %s is refused with 400, where Trove answers 500", ([query, rule]) =>
  Effect.gen(function* () {
    const { status, json } = yield* call("GET", path(`/instances?${query}`))
    expect(status).toBe(400)
    expect(json.badRequest.message).toBe(`Validation error: limit must be ${rule}`)
  }).pipe(Effect.provide(server()))
)

it.effect("an unknown marker is only a place in the order", () =>
  Effect.gen(function* () {
    yield* order()
    expect((yield* call("GET", path("/instances?marker=nosuch"))).json).toEqual({ instances: [] })
  }).pipe(Effect.provide(server()))
)

it.effect("what is not there is a clean 404: an id, a name, another project's, a deleted one", () =>
  Effect.gen(function* () {
    expect((yield* call("GET", one("nosuch"))).json).toEqual(recorded("050").response.body)
    const missing = one("00000000-0000-0000-0000-000000000000")
    expect((yield* call("GET", missing)).json).toEqual(recorded("049").response.body)
    expect((yield* call("DELETE", missing)).json).toEqual(recorded("130").response.body)
    const { id } = (yield* order()).json.instance
    const foreign = `/v1.0/other/instances/${id}`
    expect((yield* call("GET", foreign)).status).toBe(404)
    expect((yield* call("DELETE", foreign)).status).toBe(404)
    expect((yield* call("GET", foreign, { token: adminToken })).status).toBe(200)
    yield* moveTo(id, { _tag: "Deleted", at: 0 })
    expect((yield* call("GET", one(id))).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

it.effect("a delete is taken in any state, once or twice, with an empty 202", () =>
  Effect.gen(function* () {
    const woken = yield* serveTaskmanager
    const { id } = (yield* order()).json.instance
    for (const _ of ["while it builds", "again"]) {
      const { status, text, headers } = yield* call("DELETE", one(id))
      expect([status, text]).toEqual([202, ""])
      expect([headers["content-type"], headers["content-length"]]).toEqual(["application/json", "0"])
    }
    expect((yield* call("GET", one(id))).json.instance.status).toBe("SHUTDOWN")
    yield* TestClock.adjust(0)
    expect(new Set(woken)).toEqual(new Set([id]))
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a rename answers an empty 202, by PUT and by PATCH; an empty change is none", () =>
  Effect.gen(function* () {
    const { id } = (yield* order()).json.instance
    for (const [method, instance, name] of [
      ["PUT", { name: "renamed" }, "renamed"],
      ["PATCH", { name: "patched" }, "patched"],
      ["PUT", {}, "patched"]
    ] as const) {
      const { status, text } = yield* call(method, one(id), { body: { instance } })
      expect([status, text]).toEqual([202, ""])
      expect((yield* call("GET", one(id))).json.instance.name).toBe(name)
    }
  }).pipe(Effect.provide(server()))
)

it.effect("a change that is not understood, or of two things, is refused whole", () =>
  Effect.gen(function* () {
    const { id } = (yield* order()).json.instance
    const put = (instance: unknown) => call("PUT", one(id), { body: { instance } })
    const unknown = yield* put({ name: "x", bogus: 1 })
    expect([unknown.status, unknown.json.badRequest.message]).toEqual([
      400,
      "Validation error: instance['bogus'] is not allowed here"
    ])
    const two = yield* put({ configuration: null, replica_of: "" })
    expect(two.json.badRequest.message).toBe("Only one attribute (except 'name') is allowed to update.")
    for (const later of [{ replica_of: null }]) {
      const { status, json } = yield* put({ name: "x", ...later })
      expect([status, json.notImplemented.code]).toEqual([501, 501])
    }
    expect((yield* call("GET", one(id))).json.instance.name).toBe("rec-1")
  }).pipe(Effect.provide(server()))
)

it.effect.each(["052", "054", "060", "061", "065"])(
  "a create as recorded in %s is refused in Trove's words",
  (number) =>
    Effect.gen(function* () {
      const { request, response } = recorded(number)
      const { body } = request
      const answer = yield* call(
        "POST",
        path("/instances"),
        body === null ? { raw: request.raw ?? "", headers: { "content-type": "application/json" } } : { body }
      )
      expect(answer.status).toBe(response.status)
      expect(answer.json).toEqual(response.body)
    }).pipe(Effect.provide(server()))
)

it.effect("broken rules are all named, each with its field, and no value is repeated", () =>
  Effect.gen(function* () {
    const { status, json } = yield* call("POST", path("/instances"), {
      body: { instance: { name: "", volume: { size: -1 }, users: [{ name: "u", password: "''" }, { name: "v" }] } }
    })
    expect(status).toBe(400)
    const { message } = json.badRequest
    for (const rule of [
      "instance['name'] is too short",
      "instance['volume']['size'] must be",
      "instance['users'][0]['password'] does not match",
      "instance['users'][1]['password'] is a required property"
    ])
      expect(message).toContain(rule)
    expect(message).not.toContain('""')
    expect(message).not.toContain("''\"")
  }).pipe(Effect.provide(server()))
)

it.effect.each([undefined, {}, [], "text", null, { instance: [] }])("a create with the body %j is a 400", (body) =>
  Effect.gen(function* () {
    const { status, json } = yield* call("POST", path("/instances"), body === undefined ? {} : { body })
    expect(status).toBe(400)
    expect(json.badRequest.message).toMatch(/^Validation error: (the body|instance) /)
  }).pipe(Effect.provide(server()))
)

const refusals: ReadonlyArray<readonly [string, Record<string, unknown>, number, RegExp]> = [
  ["no volume", { volume: null }, 400, /^Volume size was not specified\.$/],
  [
    "a volume beyond the limit",
    { volume: { size: 11 } },
    413,
    /^Volume 'size' cannot exceed maximum of 10 GB, 11 cannot/
  ],
  ["an unknown flavor", { flavorRef: "zzz" }, 400, /^Resource zzz cannot be found\.$/],
  ["no datastore and no default", { datastore: {} }, 400, /^Please specify datastore/],
  [
    "no version and no default",
    { datastore: { type: "postgresql" } },
    400,
    /^Default version for datastore 'postgresql'/
  ],
  ["an inactive version", { datastore: { type: "mysql", version: "5.5" } }, 400, /is not active/],
  ["two databases of one name", { databases: [{ name: "aa" }, { name: "aa" }], users: [] }, 400, /share the same name/],
  [
    "a reserved database",
    { databases: [{ name: "mysql" }], users: [] },
    400,
    /^Database name "mysql" is on the reserved list: \['mysql'/
  ],
  ["a reserved user", { users: [{ name: "root", password: "pw" }] }, 400, /^User name "root" is on the reserved list/],
  ["a user that the server refuses", { users: [{ name: "o'brien", password: "pw" }] }, 400, /must not contain/],
  [
    "two users of one name and host",
    {
      users: [
        { name: "u", password: "pw" },
        { name: "u", host: "%", password: "x" }
      ]
    },
    400,
    /same name and host/
  ],
  ["a replica", { replica_of: "22222222-2222-2222-2222-222222222222" }, 501, /^Replication/],
  ["a restore", { restorePoint: { backupRef: "x" } }, 501, /^Restoring a backup/],
  ["a configuration group that is no id", { configuration: "x" }, 400, /must be the id of a configuration group/],
  [
    "a configuration group that is not there",
    { configuration: "92ee9279-68a8-457b-94f3-fd9126a186e9" },
    404,
    /^Configuration group with ID 92ee9279-68a8-457b-94f3-fd9126a186e9 could not be found\.$/
  ]
]

it.effect.each(refusals)("a create with %s is refused", ([, changes, code, message]) =>
  Effect.gen(function* () {
    const { status, json } = yield* order(changes)
    expect(status).toBe(code)
    const [fault] = Object.values(json) as [{ code: number; message: string }]
    expect(fault.code).toBe(code)
    expect(fault.message).toMatch(message)
    expect((yield* call("GET", path("/instances"))).json.instances).toEqual([])
  }).pipe(Effect.provide(server()))
)

it.effect("a quota that is used up is told as Trove tells it", () =>
  Effect.gen(function* () {
    const limits = { quotas: { instances: 1 } }
    yield* call("PUT", path(`/mgmt/quotas/${project}`), { body: limits, token: adminToken })
    expect((yield* order()).status).toBe(200)
    const { status, json } = yield* order()
    expect(status).toBe(413)
    expect(json).toEqual(recorded("122").response.body)
  }).pipe(Effect.provide(server()))
)

it.effect("a flavor is taken as a string, an integer or a link; a size as digits; unknown keys are let be", () =>
  Effect.gen(function* () {
    for (const flavorRef of ["2", 2, "https://host/v1.0/p/flavors/2"]) {
      const { status, json } = yield* order({ flavorRef, volume: { size: "3", type: null }, bogus: 1 })
      expect([status, json.instance.flavor.id, json.instance.volume.size]).toEqual([200, "2", 3])
    }
  }).pipe(Effect.provide(server()))
)

it.effect("the history tells what happened and what is waited for, until when", () =>
  Effect.gen(function* () {
    const { id } = (yield* order()).json.instance
    const history = Effect.map(call("GET", `${one(id)}/history`), ({ json }) => json.history)
    expect((yield* history).waits_for).toMatchObject({ what: expect.any(String), operation: null, deadline: null })
    yield* moveTo(id, { _tag: "Building", operation, deadline: 1_800_000 }, "create requested")
    const { status, entries } = yield* history
    expect(status).toBe("BUILD")
    expect(entries).toEqual([
      { kind: "transition", at: "1970-01-01T00:00:00.000", from: "New", to: "Building", because: "create requested" }
    ])

    const steps = yield* History
    const step = { operation, operationName: "build", step: "volume", attempt: 2 }
    yield* TestClock.adjust("5 seconds")
    yield* steps.stepStarted(id, { ...step, waitsFor: "the volume to be made", deadline: 65_000 })
    expect((yield* history).waits_for).toEqual({
      what: "the volume to be made",
      operation: "build",
      step: "volume",
      attempt: 2,
      since: "1970-01-01T00:00:05.000",
      deadline: "1970-01-01T00:01:05.000"
    })
    expect((yield* history).entries.at(-1)).not.toHaveProperty("begun")
    // Another taskmanager takes it up.
    yield* steps.stepStarted(id, { ...step, waitsFor: "the volume to be made", deadline: 65_000 })
    yield* steps.stepEnded(id, { ...step, outcome: "failed", error: "the disk is full", detail: "/dev/sda" })
    const told = (yield* history).entries.at(-1)
    expect(told).not.toHaveProperty("detail")
    expect(told).toMatchObject({
      kind: "step",
      step: "volume",
      attempt: 2,
      begun: 2,
      ended_at: "1970-01-01T00:00:05.000",
      outcome: "failed",
      error: "the disk is full"
    })
  }).pipe(Effect.provide(server()))
)

it.effect("what is still being taken back after a failure is what is waited for", () =>
  Effect.gen(function* () {
    const { id } = (yield* order()).json.instance
    const waitsFor = Effect.map(call("GET", `${one(id)}/history`), ({ json }) => json.history.waits_for)
    const fault = { message: "The database was not ready in time.", details: null, at: 0 }
    yield* moveTo(id, { _tag: "Failed", fault, previous: operation })
    expect(yield* waitsFor).toBe(null)
    const steps = yield* History
    const step = { operation, operationName: "build", step: "destroy", attempt: 1 }
    yield* steps.stepStarted(id, { ...step, waitsFor: "the container to be gone", deadline: null })
    expect(yield* waitsFor).toMatchObject({ what: "the container to be gone", step: "destroy" })
    yield* steps.stepEnded(id, { ...step, outcome: "done", error: null, detail: null })
    expect(yield* waitsFor).toBe(null)
  }).pipe(Effect.provide(server()))
)
