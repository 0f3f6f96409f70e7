/** `coffer operation` as a process, against a real API: what it prints where, and how it ends. */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, References, Schedule } from "effect"
import { HttpServer } from "effect/http"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { History } from "../../src/services/History.ts"
import { type InstanceId, OperationId } from "../../src/services/Ids.ts"
import { active, adminToken, moveTo, project, server } from "../http/harness.ts"
import { coffer } from "./process.ts"

const operation = OperationId.make("build-1")
const build: State = { _tag: "Building", operation, deadline: 60_000 }
const step = { operation, operationName: "build", step: "create the server" }

/** Runs `coffer operation …` against the server of the test. */
const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, token: string | null = adminToken) {
  const { address } = yield* HttpServer.HttpServer
  if (address._tag === "UnixPathAddress") return yield* Effect.die("the server listens on a socket")
  const where = { COFFER_URL: `http://127.0.0.1:${address.port}`, COFFER_PROJECT: project }
  return yield* coffer(["operation", ...args], { ...where, ...(token === null ? {} : { COFFER_TOKEN: token }) })
})

/** A live clock brings a live log along. */
const quietly = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
  Layer.provide(layer, Layer.succeed(References.MinimumLogLevel, "None"))

/** A build whose second attempt at a step is in flight. */
const stuck = Effect.gen(function* () {
  const history = yield* History
  const { id } = yield* active({ name: "first" })
  const instance = id as InstanceId
  yield* moveTo(id, build, "create requested")
  yield* history.stepStarted(instance, { ...step, attempt: 1, waitsFor: "the volume", deadline: null })
  yield* history.stepEnded(instance, { ...step, attempt: 1, outcome: "failed", error: "No disk.", detail: "sda" })
  yield* history.stepStarted(instance, { ...step, attempt: 2, waitsFor: "the volume", deadline: null })
  return instance
})

it.live("lists what is under way or stuck, and shows one with its steps, in words and as the API tells it", () =>
  Effect.gen(function* () {
    expect(yield* run(["list"])).toEqual({ code: 0, out: "Nothing is under way, and nothing is stuck.\n", err: "" })
    const id = yield* stuck
    const { out } = yield* run(["list"])
    const [header, row, ...more] = out.trimEnd().split("\n")
    expect(more).toEqual([])
    const columns = "INSTANCE OPERATION STANDING STEP SINCE DEADLINE WAITS FOR LAST ERROR ID"
    expect(header?.split(/ +/).join(" ")).toBe(columns)
    expect(row).toMatch(
      new RegExp(
        `^first +build +running +create the server, attempt 2 .* 1970-01-01T00:01:00 +the volume +No disk\\. +${id}$`
      )
    )
    const listed = JSON.parse((yield* run(["list", "--json"])).out)
    expect(listed.operations).toMatchObject([{ instance_id: id, waits_for: { attempt: 2, operation: "build" } }])
    const shown = yield* run(["show", "first"])
    expect(shown.code).toBe(0)
    expect(shown.out).toMatch(/^instance: +first\noperation: +build\n/)
    expect(shown.out).toMatch(/\ndetail: +sda\n/)
    expect(shown.out).toMatch(/✗ create the server .*: No disk\.\n/)
    expect(shown.out).toMatch(/… create the server, attempt 2, waits for the volume\n$/)
    expect(JSON.parse((yield* run(["show", "first", "--json"])).out).operation.steps).toHaveLength(2)
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)

it.live("cancels, and says why it cannot", () =>
  Effect.gen(function* () {
    const id = yield* stuck
    expect(yield* run(["cancel", "first"])).toEqual({
      code: 0,
      out: "first: its operation is being called off.\n",
      err: ""
    })
    const loaded = yield* (yield* Lifecycles).load(id)
    expect(Option.getOrThrow(loaded).mail.map(({ command }) => command._tag)).toEqual(["Cancel"])
    const refused = yield* run(["retry", id])
    expect([refused.code, refused.out]).toEqual([1, ""])
    expect(refused.err).toBe(
      `coffer: Instance ${id}: retry is refused. What was called off has not come to its end yet.\n`
    )
    const fault = { message: "it broke", details: null, at: 1 }
    yield* moveTo(id, { _tag: "Failed", fault, previous: null, again: "build" })
    const compensated = yield* run(["compensate", id, "--json"])
    expect([compensated.code, JSON.parse(compensated.out).operation.instance_id]).toEqual([0, id])
    yield* moveTo(id, { _tag: "Failed", fault, previous: null, again: "build" })
    expect((yield* run(["retry", id])).out).toBe(`${id}: what failed is done again.\n`)
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)

/** The instance has such a command in its mailbox. */
const asked = (id: InstanceId, tag: string) =>
  Effect.flatMap(Lifecycles, (lifecycles) =>
    Effect.repeat(lifecycles.load(id), {
      until: Option.exists(({ mail }) => mail.some(({ command }) => command._tag === tag)),
      schedule: Schedule.spaced("10 millis")
    })
  )

it.live("waits until what was asked is at its end, and tells whether it is a good one", () =>
  Effect.gen(function* () {
    const id = yield* stuck
    const fault = { message: "No disk.", details: null, at: 1 }
    const cancelling = yield* Effect.forkChild(run(["cancel", "first", "--wait"]))
    yield* asked(id, "Cancel")
    yield* moveTo(id, { _tag: "Failed", fault, previous: operation, again: "build" })
    yield* moveTo(id, { _tag: "Failed", fault, previous: null, again: "build" }, "it has ended")
    const cancelled = yield* Fiber.join(cancelling)
    expect([cancelled.code, cancelled.out]).toEqual([0, "first: its operation is called off.\n"])
    expect(cancelled.err).toMatch(/Failed → Failed: it has ended\n/)

    const retrying = yield* Effect.forkChild(run(["retry", "first", "--wait", "--json"]))
    yield* asked(id, "Retry")
    yield* moveTo(id, { _tag: "Building", operation: OperationId.make("build-2"), deadline: 60_000 })
    yield* moveTo(id, { _tag: "Failed", fault, previous: null, again: "build" })
    const retried = yield* Fiber.join(retrying)
    expect(retried.code).toBe(1)
    expect(JSON.parse(retried.out).operation).toMatchObject({ standing: "failed", instance_id: id })
    expect(retried.err).toMatch(/coffer: first: retry failed: No disk\.\n$/)
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)

it.live("is for administrators, about instances that are there", () =>
  Effect.gen(function* () {
    const tenant = yield* run(["list"], null)
    expect(tenant).toEqual({ code: 1, out: "", err: "coffer: Policy doesn't allow operation:index to be performed.\n" })
    const nobody = yield* run(["show", "00000000-0000-4000-8000-00000000dead"])
    expect([nobody.code, nobody.err]).toEqual([
      1,
      "coffer: There is no instance 00000000-0000-4000-8000-00000000dead.\n"
    ])
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)
