/** The logs of an instance: over real agents and databases that are fake, and over a guest that says what it likes. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { keptBytes } from "../../src/guest/LogFiles.ts"
import { GuestRefusal } from "../../src/services/GuestApi.ts"
import { type LogDetails, maxLines } from "../../src/services/InstanceLogs.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { active, adminToken, call, order, path, server } from "./harness.ts"
import * as Service from "./service.ts"

const tenant = { name: "demo", admin: false }

/** An instance in service, and what is asked of its logs. */
const first = Effect.gen(function* () {
  const ask = yield* Service.make
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  const { servers } = yield* FakeDatabases
  const act = (flags: object) =>
    Effect.map(ask(tenant, "POST", `/instances/${id}/log`, { name: "general", ...flags }), ({ body, status }) => {
      expect([status, body]).toEqual([200, expect.anything()])
      return (body as { readonly log: LogDetails }).log
    })
  const read = (query: string, status = 200) =>
    Effect.map(ask(tenant, "GET", `/instances/${id}/log/general${query}`), (answer) => {
      expect(answer.status).toBe(status)
      return answer.body
    })
  return {
    ask,
    id,
    act,
    read,
    server: Effect.sync(() => {
      const found = servers.get(id)
      if (found === undefined) throw new Error("there is no server")
      return found
    })
  }
})

const shown = (id: string, standing: object) => ({
  name: "general",
  type: "USER",
  published: 0,
  pending: 0,
  container: "None",
  prefix: "None",
  metafile: `${id}/postgresql-general_metafile`,
  ...standing
})

it.effect("a log is switched on at once, published, read, discarded and switched off", () =>
  World.run(
    Effect.gen(function* () {
      const { act, ask, id, read, server } = yield* first
      const off = shown(id, { status: "Disabled" })
      expect(yield* ask(tenant, "GET", `/instances/${id}/log`)).toEqual({ status: 200, body: { logs: [off] } })
      expect(yield* act({})).toEqual(off)
      expect(yield* act({ enable: 1 })).toEqual(shown(id, { status: "Enabled" }))
      const there = yield* server
      expect(there.settings).toMatchObject({ log_statement: "all" })
      there.write("general", "one")
      expect(yield* act({ enable: 1 })).toEqual(shown(id, { status: "Ready", pending: 4 }))
      expect(yield* act({ publish: 1 })).toEqual(shown(id, { status: "Published", published: 4 }))
      there.write("general", "two")
      expect(yield* act({})).toEqual(shown(id, { status: "Partial", published: 4, pending: 4 }))
      expect(yield* read("")).toEqual({
        log: { name: "general", offset: 0, next: 8, rotated: false, lines: ["one", "two"] }
      })
      expect(yield* act({ discard: 1 })).toEqual(shown(id, { status: "Ready", pending: 4 }))
      expect(yield* read("?offset=0")).toEqual({
        log: { name: "general", offset: 4, next: 8, rotated: true, lines: ["two"] }
      })
      expect(yield* act({ disable: 1 })).toEqual(shown(id, { status: "Disabled", pending: 4 }))
      expect((yield* server).settings).toEqual({})
      // Publishing is for what is on.
      expect(yield* act({ publish: 1 })).toEqual(shown(id, { status: "Published", published: 4 }))
      expect((yield* server).settings).toMatchObject({ log_statement: "all" })
      expect(yield* act({ publish: 1, disable: 1 })).toEqual(shown(id, { status: "Disabled", published: 4 }))
    })
  )
)

it.effect("what is on stays on, over crashes, restarts and stops, and is asked of a database that is down", () =>
  World.run(
    Effect.gen(function* () {
      const { act, ask, id, read, server } = yield* first
      yield* act({ enable: 1 })
      ;(yield* server).write("general", "one")
      const { crash } = yield* FakeDatabases
      crash(id)
      yield* World.passes("20 seconds")
      expect((yield* server).settings).toMatchObject({ log_statement: "all" })
      expect((yield* ask(tenant, "POST", `/instances/${id}/action`, { stop: {} })).status).toBe(202)
      yield* World.passes("20 seconds")
      expect(yield* World.status(id)).toBe("SHUTDOWN")
      expect(yield* act({})).toEqual(shown(id, { status: "Ready", pending: 4 }))
      expect(yield* read("?lines=1")).toMatchObject({ log: { lines: ["one"] } })
      expect(yield* act({ disable: 1 })).toMatchObject({ status: "Disabled" })
      expect(yield* act({ enable: 1 })).toMatchObject({ status: "Ready" })
      expect((yield* ask(tenant, "POST", `/instances/${id}/action`, { start: {} })).status).toBe(202)
      yield* World.passes("20 seconds")
      expect((yield* server).settings).toMatchObject({ log_statement: "all" })
    })
  )
)

it.effect("a log is followed by offsets, in bounded parts, and told when it was cut", () =>
  World.run(
    Effect.gen(function* () {
      const { act, read, server } = yield* first
      yield* act({ enable: 1 })
      const there = yield* server
      for (let line = 0; line < 2000; line++) there.write("general", `line ${line}`)
      there.write("general", "ü\u0000\u001b[2J")
      const parts: Array<string> = []
      for (let next = 0; ; ) {
        const { log } = (yield* read(`?offset=${next}&lines=${maxLines}`)) as {
          log: { next: number; lines: ReadonlyArray<string>; offset: number }
        }
        expect(log.offset).toBe(next)
        expect(log.lines.length).toBeLessThanOrEqual(maxLines)
        if (log.lines.length === 0) break
        parts.push(...log.lines)
        next = log.next
      }
      expect(parts).toHaveLength(2001)
      expect(parts.slice(-2)).toEqual(["line 1999", "ü\u0000\u001b[2J"])
      expect(yield* read("?lines=2")).toMatchObject({ log: { lines: ["line 1999", "ü\u0000\u001b[2J"] } })
      // A line that is longer than an answer comes in pieces.
      there.write("general", "x".repeat(300_000))
      const { log: piece } = (yield* read("?lines=1")) as { log: { lines: ReadonlyArray<string> } }
      expect(piece.lines[0]?.length).toBeGreaterThan(100_000)
      // More than is kept: it is cut within a second, and whoever follows is told.
      there.write("general", `${"y".repeat(1023)}\n`.repeat((2 * keptBytes) / 1024))
      yield* World.passes("3 seconds", "1 second")
      expect(there.logs.get("general")?.text.length).toBeLessThanOrEqual(keptBytes)
      expect(yield* read("?offset=10&lines=1")).toMatchObject({ log: { rotated: true, lines: [expect.anything()] } })
      expect(yield* act({})).toMatchObject({ status: "Ready", pending: there.logs.get("general")?.text.length })
    })
  )
)

it.effect("what is wrong with a question is told by field and rule", () =>
  World.run(
    Effect.gen(function* () {
      const { ask, id, read } = yield* first
      const refusals: ReadonlyArray<readonly [body: unknown, message: string]> = [
        [{}, "Validation error: name is a required property"],
        [{ enable: 1 }, "Validation error: name is a required property"],
        [{ name: "general", enable: 2 }, "Validation error: enable must be 0 | 1"],
        [{ name: "general", enable: 1, disable: 1 }, "Cannot enable and disable log 'general'."],
        [{ name: "slow_query" }, "Log 'slow_query' is not defined."]
      ]
      for (const [body, message] of refusals)
        expect(yield* ask(tenant, "POST", `/instances/${id}/log`, body)).toEqual({
          status: 400,
          body: { badRequest: { code: 400, message } }
        })
      for (const query of ["?lines=0", "?lines=1001", "?lines=x", "?offset=-1", "?offset=1.5"]) yield* read(query, 400)
      const elsewhere = { name: "alpha", admin: false }
      expect((yield* ask(elsewhere, "GET", `/instances/${id}/log`)).status).toBe(404)
      expect((yield* ask(elsewhere, "POST", `/instances/${id}/log`, { name: "general" })).status).toBe(404)
      expect((yield* ask(elsewhere, "GET", `/instances/${id}/log/general`)).status).toBe(404)
    })
  )
)

const details = (name: string, type: "SYS" | "USER"): LogDetails => ({
  name,
  type,
  status: "Ready",
  published: 0,
  pending: 1,
  container: "None",
  prefix: "None",
  metafile: `x/mysql-${name}_metafile`
})

it.effect("logs of the server itself are an administrator's alone", () =>
  Effect.gen(function* () {
    const { guest, id } = yield* active()
    const logs = path(`/instances/${id}/log`)
    guest.logs.list = [details("general", "USER"), details("error", "SYS")]
    guest.logs.acted = Effect.succeed(details("error", "SYS"))
    expect((yield* call("GET", logs)).json).toEqual({ logs: [details("general", "USER")] })
    expect((yield* call("GET", logs, { token: adminToken })).json.logs).toHaveLength(2)
    for (const [flags, action] of [
      [{}, "show"],
      [{ publish: 1 }, "publish"],
      [{ discard: 1 }, "discard"]
    ] as const) {
      const { json, status } = yield* call("POST", logs, { body: { name: "error", ...flags } })
      expect([status, json]).toEqual([
        403,
        { forbidden: { code: 403, message: `You must be admin to ${action} log 'error'.` } }
      ])
    }
    expect((yield* call("GET", `${logs}/error`)).status).toBe(403)
    expect((yield* call("POST", logs, { body: { name: "error" }, token: adminToken })).json.log.name).toBe("error")
    expect((yield* call("GET", `${logs}/error`, { token: adminToken })).status).toBe(200)
    expect((yield* call("GET", `${logs}/nosuch`, { token: adminToken })).status).toBe(400)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a guest that lies is not believed beyond the bounds of what it may say, and its refusal is told", () =>
  Effect.gen(function* () {
    const { guest, id } = yield* active()
    const logs = path(`/instances/${id}/log`)
    guest.logs.text = { offset: 0, next: 0, rotated: false, lines: Array.from({ length: maxLines + 1 }, () => "x") }
    expect((yield* call("GET", `${logs}/general`)).status).toBe(400)
    guest.logs.text = { offset: 0, next: 0, rotated: false, lines: ["x".repeat(300_000)] }
    expect((yield* call("GET", `${logs}/general`)).status).toBe(400)
    guest.logs.list = Array.from({ length: 50 }, (_, n) => details(`log${n}`, "USER"))
    expect((yield* call("GET", logs)).status).toBe(400)
    guest.logs.acted = Effect.fail(new GuestRefusal({ message: "Not now." }))
    expect((yield* call("POST", logs, { body: { name: "general" } })).json).toEqual({
      badRequest: { code: 400, message: "Not now." }
    })
    const { json } = yield* order()
    const young = path(`/instances/${json.instance.id}/log`)
    expect((yield* call("GET", young)).status).toBe(422)
    expect((yield* call("POST", young, { body: { name: "general" } })).status).toBe(422)
    expect((yield* call("GET", `${young}/general`)).status).toBe(422)
  }).pipe(Effect.scoped, Effect.provide(server()))
)
