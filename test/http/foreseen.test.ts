/** What a change is said to do, beside what it then does, on virtual time. */
import { expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Schema } from "effect"
import type { HttpMethod } from "effect/http"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import * as Service from "./service.ts"

const Foreseen = Schema.Struct({
  status_during: Schema.String,
  restart: Schema.Boolean,
  reason: Schema.String,
  expected_seconds: Schema.NullOr(Schema.Struct({ typical: Schema.Number, longest: Schema.Number })),
  based_on: Schema.Number
})
const decode = Schema.decodeUnknownSync(
  Schema.Struct({ preview: Schema.Struct({ instances: Schema.Tuple([Foreseen]) }) })
)
const Created = Schema.Struct({ configuration: Schema.Struct({ id: Schema.String }) })

const tenant = { name: World.project, admin: false }

interface Change {
  readonly method: HttpMethod.HttpMethod
  readonly path: string
  readonly body: unknown
}

const act = (id: InstanceId, action: string, body: object = {}): Change => ({
  method: "POST",
  path: `/instances/${id}/action`,
  body: { [action]: body }
})
const change = (id: InstanceId, instance: object): Change => ({
  method: "PUT",
  path: `/instances/${id}`,
  body: { instance }
})

const started = Effect.gen(function* () {
  const ask = yield* Service.make
  const { faults, servers } = yield* FakeDatabases
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
  faults.startTime = Duration.seconds(7)

  const foresee = Effect.fnUntraced(function* ({ body, method, path }: Change) {
    const { body: told, status } = yield* ask(tenant, method, `${path}?preview=true`, body)
    expect(status).toBe(200)
    return decode(told).preview.instances[0]
  })

  const isUnderWay = Effect.fnUntraced(function* () {
    const { state } = yield* World.record(id)
    return state !== "Active" && state !== "Stopped" && state !== "RestartRequired"
  })

  /** Makes the change, and looks at it until it has ended. */
  const make = Effect.fnUntraced(function* ({ body, method, path }: Change) {
    const runs = servers.get(id)?.run ?? 0
    expect((yield* ask(tenant, method, path, body)).status).toBe(202)
    const during = yield* World.status(id)
    const began = yield* Clock.currentTimeMillis
    while (yield* isUnderWay()) yield* World.passes("100 millis")
    const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
    const after = yield* World.status(id)
    const restarts = (servers.get(id)?.run ?? 0) - runs
    yield* World.passes("2 seconds")
    return { during, seconds, after, restarts }
  })

  /** What is foreseen of it is what happens. */
  const comesTrue = Effect.fnUntraced(function* (wanted: Change) {
    const foreseen = yield* foresee(wanted)
    const wasUp = (yield* World.status(id)) !== "SHUTDOWN"
    const { after, during, restarts, seconds } = yield* make(wanted)
    expect({ reason: foreseen.reason, during: foreseen.status_during }).toEqual({ reason: foreseen.reason, during })
    // A stop ends a run of the server, and begins none; a start begins one, and ends none.
    const isRestarted = (wasUp && restarts > 0 && after !== "SHUTDOWN") || after === "RESTART_REQUIRED"
    expect({ reason: foreseen.reason, restart: foreseen.restart }).toEqual({
      reason: foreseen.reason,
      restart: isRestarted
    })
    const { expected_seconds } = foreseen
    if (expected_seconds !== null) expect(Math.abs(expected_seconds.typical - seconds)).toBeLessThan(1.5)
    return foreseen
  })

  const group = Effect.fnUntraced(function* (values: object) {
    const datastore = { type: "postgresql", version: "18" }
    const { body } = yield* ask(tenant, "POST", "/configurations", { configuration: { name: "g", values, datastore } })
    return Schema.decodeUnknownSync(Created)(body).configuration.id
  })
  return { id, faults, servers, comesTrue, make, group }
})

it.effect("a restart, a stop and a start do what was told, for as long as they have before", () =>
  World.run(
    Effect.gen(function* () {
      const { comesTrue, id } = yield* started
      for (const before of [0, 1]) {
        expect((yield* comesTrue(act(id, "restart"))).based_on).toBe(before)
        expect((yield* comesTrue(act(id, "stop"))).based_on).toBe(before * 2)
        expect((yield* comesTrue(act(id, "start"))).based_on).toBe(before * 2)
        yield* comesTrue(act(id, "stop"))
        yield* comesTrue(act(id, "restart"))
      }
    }).pipe(Effect.scoped)
  )
)

it.effect("a resize does what was told, and one of the volume is not taken for one of the flavor", () =>
  World.run(
    Effect.gen(function* () {
      const { comesTrue, faults, group, id, servers } = yield* started
      const flavor = (ref: string) => act(id, "resize", { flavorRef: ref })
      const volume = (size: number) => act(id, "resize", { volume: { size } })
      expect(yield* comesTrue(flavor("2"))).toMatchObject({ restart: true, based_on: 0 })
      expect(yield* comesTrue(volume(2))).toMatchObject({ restart: false, based_on: 0 })
      expect(yield* comesTrue(flavor("1"))).toMatchObject({ restart: true, based_on: 1 })
      expect(yield* comesTrue(volume(3))).toMatchObject({ restart: false, based_on: 1 })

      // What fails, and goes back, is no measure of what succeeds.
      faults.mostMemory = 600
      yield* comesTrue(flavor("2")).pipe(Effect.exit)
      faults.mostMemory = Number.POSITIVE_INFINITY
      expect((yield* comesTrue(flavor("2"))).based_on).toBe(2)

      // A group that says what the flavor would have changed.
      yield* comesTrue(change(id, { configuration: yield* group({ shared_buffers: 32768 }) }))
      yield* comesTrue(act(id, "restart"))
      expect(yield* comesTrue(flavor("1"))).toMatchObject({ restart: false })
      // Without it the server waits for a restart, which a resize brings along.
      yield* comesTrue(change(id, { configuration: null }))
      expect(yield* comesTrue(volume(4))).toMatchObject({ restart: true })

      faults.startFails = new RuntimeError({ message: "It does not start.", detail: "", transient: false })
      servers.get(id)?.stop()
      yield* World.passes("10 seconds")
      expect(yield* World.operatingStatus(id)).toBe("SHUTDOWN")
      const down = volume(5)
      faults.startFails = null
      expect((yield* comesTrue(down)).reason).toContain("its database, which is down, is started again")
    }).pipe(Effect.scoped)
  )
)

it.effect("an upgrade does what was told", () =>
  World.run(
    Effect.gen(function* () {
      const { comesTrue, id } = yield* started
      expect(yield* comesTrue(change(id, { datastore_version: "18.4" }))).toMatchObject({ restart: true })
    }).pipe(Effect.scoped)
  )
)

it.effect("who may reach it is changed as was told", () =>
  World.run(
    Effect.gen(function* () {
      const { comesTrue, id } = yield* started
      const access = (...allowed_cidrs: ReadonlyArray<string>) => change(id, { access: { allowed_cidrs } })
      expect((yield* comesTrue(access("10.0.0.0/8"))).reason).toContain("who is no longer allowed is cut off")
      expect((yield* comesTrue(access("10.0.0.0/8", "10.1.0.0/16"))).reason).toBe(
        "the same clients may reach it as before"
      )
      expect((yield* comesTrue(access())).reason).toContain("everybody")
      expect((yield* comesTrue(access("10.0.0.0/8"))).based_on).toBe(2)
      yield* comesTrue(act(id, "stop"))
      expect(yield* comesTrue(access())).toMatchObject({ status_during: "SHUTDOWN", restart: false })
    }).pipe(Effect.scoped)
  )
)

it.effect("a configuration group is taken as was told", () =>
  World.run(
    Effect.gen(function* () {
      const { comesTrue, faults, group, id, make } = yield* started
      const attach = (configuration: string | null) => change(id, { configuration })
      expect(yield* comesTrue(attach(yield* group({ work_mem: 200 })))).toMatchObject({
        restart: false,
        reason: "taken at once: work_mem"
      })
      expect(yield* comesTrue(attach(null))).toMatchObject({ restart: false, reason: "taken at once: work_mem" })
      const both = yield* group({ work_mem: 300, max_connections: 50 })
      expect(yield* comesTrue(attach(both))).toMatchObject({
        restart: true,
        reason: "taken with the next restart: max_connections; with it work_mem"
      })
      yield* comesTrue(act(id, "restart"))
      yield* comesTrue(attach(null))
      yield* comesTrue(act(id, "restart"))

      faults.fatal = ({ max_connections }) => max_connections === 7
      const fatal = yield* group({ max_connections: 7 })
      yield* comesTrue(attach(fatal))
      yield* make(act(id, "restart"))
      yield* comesTrue(attach(null))
      // What was taken back before is tried again by who attaches it again.
      expect(yield* comesTrue(attach(fatal))).toMatchObject({ restart: true })
    }).pipe(Effect.scoped)
  )
)
