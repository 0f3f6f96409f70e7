/** Operations over HTTP: for administrators alone, and clear about what is refused. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import type { Command, State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { History } from "../../src/services/History.ts"
import { Identity } from "../../src/services/Identity.ts"
import { type InstanceId, OperationId } from "../../src/services/Ids.ts"
import { active, adminToken, call, moveTo, operation, order, path, server, serveTaskmanager } from "./harness.ts"

const token = adminToken
const list = call("GET", path("/mgmt/operations"), { token })
const show = (id: string) => call("GET", path(`/mgmt/operations/${id}`), { token })
const act = (id: string, body: unknown) => call("POST", path(`/mgmt/operations/${id}/action`), { body, token })

const mailOf = Effect.fnUntraced(function* (id: string) {
  const loaded = yield* (yield* Lifecycles).load(id as InstanceId)
  return Option.getOrThrow(loaded).mail.map(({ command }) => command)
})

const fault = { message: "it broke", details: null, at: 1 }
const build: State = { _tag: "Building", operation, deadline: 60_000 }
const restart: State = { _tag: "Restarting", operation: OperationId.make("restart-1"), deadline: 60_000 }
const removal: State = { _tag: "Deleting", operation: OperationId.make("delete-1"), deadline: 60_000, previous: null }
const failed = (again: "build" | "delete" | "service", previous: OperationId | null = null): State => ({
  _tag: "Failed",
  fault,
  previous,
  again
})

const aStep = { operation, operationName: "build", step: "create the server", attempt: 2 }

it.effect("the list tells which step is in flight, its attempt, what it waits for, and the last error", () =>
  Effect.gen(function* () {
    const history = yield* History
    const { id: atRest } = yield* active()
    const { json } = yield* order({ name: "second" })
    const id: string = json.instance.id
    yield* moveTo(id, build)
    const instance = id as InstanceId
    yield* history.stepStarted(instance, { ...aStep, attempt: 1, waitsFor: "the volume", deadline: 5 })
    yield* history.stepEnded(instance, { ...aStep, attempt: 1, outcome: "failed", error: "No disk.", detail: "sda" })
    yield* history.stepStarted(instance, { ...aStep, waitsFor: "the volume", deadline: 9 })
    const { json: listed, status } = yield* list
    expect(status).toBe(200)
    const row = {
      instance_id: id,
      instance_name: "second",
      status: "BUILD",
      standing: "running",
      operation: "build",
      operation_id: operation,
      deadline: "1970-01-01T00:01:00.000",
      error: "No disk.",
      detail: "sda",
      waits_for: { what: "the volume", operation: "build", step: "create the server", attempt: 2 }
    }
    expect(listed.operations).toMatchObject([row])
    const { json: shown } = yield* show(id)
    expect(shown.operation).toMatchObject({ ...row, set_aside: [] })
    expect(shown.operation.steps.map(({ outcome }: { outcome: string }) => outcome)).toEqual(["failed", "running"])
    expect((yield* show(atRest)).json.operation).toMatchObject({ standing: "at rest", waits_for: null, steps: [] })
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a command that was set aside is shown with its reason", () =>
  Effect.gen(function* () {
    const lifecycles = yield* Lifecycles
    const { id } = yield* active()
    const nonsense: Command = JSON.parse('{"_tag":"Explode"}')
    yield* lifecycles.post(id as InstanceId, "poison", nonsense)
    const { generation, state, unreadable } = Option.getOrThrow(yield* lifecycles.load(id as InstanceId))
    const setAside = [{ seq: unreadable?.seq ?? 0, reason: "nobody can read it" }]
    yield* lifecycles.commit(id as InstanceId, { generation, state, transition: null, handled: [], setAside })
    expect((yield* show(id)).json.operation.set_aside).toMatchObject([{ key: "poison", reason: "nobody can read it" }])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

describe("an action", () => {
  const taken: ReadonlyArray<readonly [string, State, string]> = [
    ["cancel", build, "Cancel"],
    ["cancel", restart, "Cancel"],
    ["cancel", removal, "Cancel"],
    ["compensate", build, "TakeBack"],
    ["compensate", failed("build"), "TakeBack"],
    ["compensate", failed("delete"), "TakeBack"],
    ["retry", failed("build"), "Retry"],
    ["retry", failed("delete", operation), "Retry"],
    ["retry", failed("service"), "Retry"]
  ]

  it.effect.each(taken)("%s in %j is a command, told in the history with who asked, once", ([action, state, tag]) =>
    Effect.gen(function* () {
      const woken = yield* serveTaskmanager
      const { id } = yield* active()
      yield* moveTo(id, state)
      for (const _ of [1, 2]) {
        const { status, text } = yield* act(id, { [action]: {} })
        expect([status, text]).toEqual([202, ""])
      }
      expect((yield* mailOf(id)).map(({ _tag }) => _tag)).toEqual([tag])
      const { entries } = (yield* call("GET", path(`/instances/${id}/history`), { token })).json.history
      const lines = entries.filter(({ kind }: { kind: string }) => kind === "report")
      expect(lines).toMatchObject([
        { text: expect.stringMatching(new RegExp(`^asked for by the operator .+: ${action}$`)) }
      ])
      expect(woken).toContain(id)
    }).pipe(Effect.scoped, Effect.provide(server()))
  )

  const refused: ReadonlyArray<readonly [string, State, string]> = [
    ["cancel", { _tag: "New" }, "It was only just ordered, and its build has not begun."],
    ["cancel", { _tag: "Active" }, "It is in service, and nothing of it is under way."],
    ["cancel", failed("build"), "It is in ERROR, and nothing of it is under way."],
    ["compensate", restart, "Its restart is under way, which makes nothing. It can be cancelled."],
    ["compensate", removal, "Its delete is under way, which takes everything back. It can be cancelled."],
    ["compensate", failed("service"), "It has a database, which nothing may be taken of; retry brings it back."],
    ["retry", build, "Its build is under way: a step that fails tries again by itself."],
    ["retry", failed("build", operation), "What was called off has not come to its end yet."],
    [
      "retry",
      { _tag: "Failed", fault, previous: null },
      "It failed under an earlier release, which did not keep at what. Delete it."
    ]
  ]

  it.effect.each(refused)("%s in %j is refused with 409, and why", ([action, state, why]) =>
    Effect.gen(function* () {
      const { id } = yield* active()
      yield* moveTo(id, state)
      const { json, status } = yield* act(id, { [action]: {} })
      expect(status).toBe(409)
      expect(json).toEqual({ conflict: { code: 409, message: `Instance ${id}: ${action} is refused. ${why}` } })
      expect(yield* mailOf(id)).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(server()))
  )

  it.effect("must be one, and known; the instance must be there", () =>
    Effect.gen(function* () {
      const { id } = yield* active()
      const one = "Validation error: the body must name one action: cancel, compensate or retry"
      expect((yield* act(id, {})).json).toEqual({ badRequest: { code: 400, message: one } })
      expect((yield* act(id, { cancel: {}, retry: {} })).json).toEqual({ badRequest: { code: 400, message: one } })
      const unknown = yield* act(id, { explode: {} })
      expect([unknown.status, unknown.json.badRequest.message]).toEqual([400, expect.stringContaining("explode")])
      for (const cancel of ["now", { force: true }]) {
        const { json } = yield* act(id, { cancel })
        expect(json.badRequest.message).toBe("Validation error: cancel must be an empty object")
      }
      const nobody = "00000000-0000-4000-8000-00000000dead"
      expect((yield* act(nobody, { cancel: {} })).status).toBe(404)
      expect((yield* show("no-such-id")).status).toBe(404)
    }).pipe(Effect.scoped, Effect.provide(server()))
  )
})

it.effect("a tenant may neither look nor act", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* moveTo(id, build)
    const all = [
      ["operation:index", call("GET", path("/mgmt/operations"))],
      ["operation:show", call("GET", path(`/mgmt/operations/${id}`))],
      ["operation:action", call("POST", path(`/mgmt/operations/${id}/action`), { body: { cancel: {} } })]
    ] as const
    for (const [policy, asked] of all) {
      const { json, status } = yield* asked
      expect(status).toBe(403)
      expect(json).toEqual({ forbidden: { code: 403, message: `Policy doesn't allow ${policy} to be performed.` } })
    }
    expect(yield* mailOf(id)).toEqual([])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("whoever asks is named as the identity names them, without what cannot be kept", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* moveTo(id, build)
    expect((yield* act(id, { cancel: {} })).status).toBe(202)
    expect(yield* mailOf(id)).toEqual([{ _tag: "Cancel", operation, by: `a${"n".repeat(252)}\ufffd` }])
  }).pipe(
    Effect.scoped,
    Effect.provide(
      server(
        {},
        Layer.succeed(
          Identity,
          Identity.of({
            authenticate: (project) => Effect.succeed({ project, user: `a\0${"n".repeat(252)}😀`, roles: ["admin"] })
          })
        )
      )
    )
  )
)
