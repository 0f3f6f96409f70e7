/** `coffer instance` against a real API: what it prints where, how it ends, what it tells nobody. */
import { createServer } from "node:http"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted, Schedule } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { instance } from "../../src/cli/instance.ts"
import { History } from "../../src/services/History.ts"
import { Identity, Unauthenticated } from "../../src/services/Identity.ts"
import { InstanceId, OperationId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { ProvisioningStore } from "../../src/services/Provisioning.ts"
import { fileWith } from "../config/fixture.ts"
import { active, adminToken, moveTo, project, serveGuest, server } from "../http/harness.ts"
import { commands, portOfServer, quietly } from "./commands.ts"

const { coffer, runAt } = commands(instance)

const order = ["--datastore", "mysql", "--version", "8.0.29", "--flavor", "m1.small", "--size", "2"]

/** The one instance, as soon as it is ordered. */
const ordered = Effect.flatMap(Instances, (instances) =>
  instances.list(ProjectId.make(project), { limit: 10, marker: null }).pipe(
    Effect.repeat({ until: ({ items }) => items.length > 0, schedule: Schedule.spaced("10 millis") }),
    Effect.map(({ items }) => items[0]?.desired.id as InstanceId)
  )
)

const usersOf = Effect.fnUntraced(function* (id: InstanceId) {
  const { users } = yield* (yield* ProvisioningStore).open(id)
  return users.map(({ databases, name, password }) => [name, Redacted.value(password), databases.map((d) => d.name)])
})

const building: State = { _tag: "Building", operation: OperationId.make("build-1"), deadline: 1 }
const fault = { message: "There is no such image.", details: null, at: 1 }

/** The instance is up, and its guest says that a client can log in. */
const comesUp = Effect.fnUntraced(function* (id: InstanceId) {
  yield* serveGuest(id)
  yield* moveTo(id, { _tag: "Active" }, "the database is ready")
})

const aRestart = Effect.fnUntraced(function* (id: InstanceId, outcome: "done" | "failed") {
  const history = yield* History
  const operation = OperationId.make("restart-1")
  const step = { operation, operationName: "restart", step: "restart the database", attempt: 1 }
  yield* moveTo(id, { _tag: "Restarting", operation, deadline: 1 }, "restart requested")
  yield* history.stepStarted(id, { ...step, waitsFor: "the guest", deadline: null })
  const error = outcome === "failed" ? "The volume is full." : null
  yield* history.stepEnded(id, { ...step, outcome, error, detail: null })
  if (outcome === "done") yield* history.stepStarted(id, { ...step, step: "report", waitsFor: null, deadline: null })
  yield* moveTo(id, { _tag: "Active" }, "it ended")
})

const restartAsked = (id: InstanceId) =>
  Effect.flatMap(Instances, (instances) =>
    Effect.repeat(instances.get("any", id), {
      until: Option.exists(({ state }) => state === "Restarting"),
      schedule: Schedule.spaced("10 millis")
    })
  )

describe("create", () => {
  it.live("orders what it is told, waits until a client can log in, and tells a drawn password once", () =>
    Effect.gen(function* () {
      const args = ["create", "first", ...order, "--database", "shop", "--user", "ann", "--wait"]
      const running = yield* Effect.forkChild(coffer(...args))
      const id = yield* ordered
      yield* moveTo(id, building, "create requested")
      yield* Effect.sleep("600 millis")
      yield* comesUp(id)
      const { code, err, out } = yield* Fiber.join(running)
      expect(code).toBe(0)
      const [begun, told, end, ...more] = out.trimEnd().split("\n")
      expect(more).toEqual([])
      expect(begun).toBe(`first is being built; its id is ${id}.`)
      const password = /^The password of ann, told only now: ([\w-]{24})$/.exec(told ?? "")?.[1]
      expect(yield* usersOf(id)).toEqual([["ann", password, ["shop"]]])
      expect(end).toBe(`first  ACTIVE (HEALTHY)   mysql 8.0.29   ${id}`)
      expect(err).toMatch(/ {2}New → Building: create requested\n/)
      expect(err).toMatch(/ {2}Building → Active: the database is ready\n/)
      expect(err).not.toContain(password)
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("answers a program with one document, also when the build fails", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(coffer("create", "first", ...order, "--user", "ann", "--wait", "--json"))
      const id = yield* ordered
      yield* moveTo(id, building, "create requested")
      yield* moveTo(id, { _tag: "Failed", fault, previous: null })
      const { code, err, out } = yield* Fiber.join(running)
      expect(code).toBe(1)
      const { instance, passwords } = JSON.parse(out)
      expect(instance).toMatchObject({ id, status: "ERROR", fault: { message: fault.message }, volume: { size: 2 } })
      expect(yield* usersOf(id)).toEqual([["ann", passwords.ann, []]])
      expect(err).toMatch(/coffer: first was not built: There is no such image\.\n$/)
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("tells a drawn password also when nobody waits for the end", () =>
    Effect.gen(function* () {
      const printed = { out: "", err: "" }
      const args = ["create", "first", ...order, "--user", "ann", "--wait", "--json"]
      const running = yield* Effect.forkChild(runAt(yield* portOfServer, args, printed))
      const id = yield* ordered
      yield* moveTo(id, building, "create requested")
      yield* Effect.repeat(
        Effect.sync(() => printed.err),
        {
          until: (err) => err.includes("New → Building"),
          schedule: Schedule.spaced("10 millis")
        }
      )
      yield* Fiber.interrupt(running)
      const { instance, passwords } = JSON.parse(printed.out)
      expect(instance).toMatchObject({ id, status: "BUILD" })
      expect(yield* usersOf(id)).toEqual([["ann", passwords.ann, []]])
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("takes passwords from a file, and does not tell them", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("hush-1\nhush-2\n")
      const users = ["--user", "ann", "--user", "bob", "--password-file", file]
      const { code, err, out } = yield* coffer("create", "first", ...order, ...users)
      expect([code, err]).toEqual([0, ""])
      const id = yield* ordered
      expect(yield* usersOf(id)).toEqual([
        ["ann", "hush-1", []],
        ["bob", "hush-2", []]
      ])
      expect(out).toBe(
        `first is being built; its id is ${id}.\nWatch it come up:  coffer instance show --watch first\n`
      )
    }).pipe(Effect.provide(quietly(server())))
  )

  it.live("says what is wrong with an order, and orders nothing", () =>
    Effect.gen(function* () {
      const withFlavor = (flavor: string) => ["--datastore", "mysql", "--flavor", flavor, "--size", "1"]
      const refused = yield* Effect.all(
        [
          coffer("create", "first", ...withFlavor("huge")),
          coffer("create", "first", "--datastore", "oracle", "--flavor", "1", "--size", "1"),
          coffer("create", "first", ...order, "--user", "ann", "--password-file", "/nowhere"),
          coffer("create", "first", ...order, "--password", "hush"),
          coffer("create", "first", ...order, "--token", "hush")
        ],
        { concurrency: 2 }
      )
      expect(refused.map(({ code }) => code)).toEqual([1, 1, 1, 1, 1])
      const [flavor, datastore, file, password, token] = refused.map(({ err }) => err)
      expect(flavor).toBe("coffer: There is no flavor huge. There are: m1.tiny, m1.small, m1.medium.\n")
      expect(datastore).toBe("coffer: Datastore 'oracle' cannot be found.\n")
      expect(file).toBe("coffer: The password file /nowhere cannot be read (ENOENT).\n")
      expect(password).toContain("Unrecognized flag: --password")
      expect(token).toContain("Unrecognized flag: --token")
      const listed = yield* (yield* Instances).list(ProjectId.make(project), { limit: 10, marker: null })
      expect(listed.items).toEqual([])
    }).pipe(Effect.provide(quietly(server())))
  )
})

describe("list and show", () => {
  it.live("tell what is there, in words and as the API tells it", () =>
    Effect.gen(function* () {
      expect(yield* coffer("list")).toEqual({
        code: 0,
        out: "There are none. Order one with: coffer instance create\n",
        err: ""
      })
      const { id } = yield* active({ name: "up" })
      const { id: other } = yield* active({ name: "away" })
      yield* moveTo(other, { _tag: "Failed", fault, previous: null })
      const [table, json, shown, missing] = yield* Effect.all(
        [
          coffer("list"),
          coffer("list", "--json"),
          coffer("show", "up", "--json"),
          coffer("show", "00000000-0000-4000-8000-00000000ffff")
        ],
        { concurrency: 2 }
      )
      expect(table.out.split("\n")).toEqual([
        "NAME  STATUS  HEALTH   DATASTORE     ADDRESS  ID",
        `away  ERROR            mysql 5.7.29           ${other}`,
        `up    ACTIVE  HEALTHY  mysql 5.7.29           ${id}`,
        ""
      ])
      const { instances } = JSON.parse(json.out)
      expect(instances.map(({ name }: { name: string }) => name).toSorted()).toEqual(["away", "up"])
      expect(instances[0].links).toHaveLength(2)
      expect(JSON.parse(shown.out)).toMatchObject({
        instance: { id, volume: { size: 2, used: 0.12 } },
        history: { instance_id: id, entries: [{ kind: "transition", to: "Active" }] }
      })
      expect(missing).toMatchObject({
        code: 1,
        err: "coffer: There is no instance 00000000-0000-4000-8000-00000000ffff.\n"
      })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("rename", () => {
  it.live("gives another name, which is refused where it is none", () =>
    Effect.gen(function* () {
      const { id } = yield* active({ name: "first" })
      expect(yield* coffer("rename", "first", "tea")).toEqual({ code: 0, out: "first is called tea now.\n", err: "" })
      const { out } = yield* coffer("rename", "tea", "room", "--json")
      expect(JSON.parse(out)).toMatchObject({ instance: { id, name: "room" } })
      const refused = yield* coffer("rename", "room", "?")
      expect(refused.code).toBe(1)
      expect(refused.err).toMatch(/^coffer: Validation error: .*name.* needs a letter or a digit/)
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("restart", () => {
  it.live("waits until the database is back", () =>
    Effect.gen(function* () {
      const { id } = yield* active({ name: "first" })
      const running = yield* Effect.forkChild(coffer("restart", "first", "--wait"))
      yield* restartAsked(id as InstanceId)
      yield* aRestart(id as InstanceId, "done")
      const { code, err, out } = yield* Fiber.join(running)
      expect([code, out]).toEqual([0, "first was restarted.\n"])
      expect(err).toMatch(/✓ restart the database \(\d\.\d s\)\n/)
      expect(err).not.toContain("New → Active")
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("tells why it failed, and why it is refused", () =>
    Effect.gen(function* () {
      const { id } = yield* active({ name: "first" })
      const running = yield* Effect.forkChild(coffer("restart", "first", "--wait"))
      yield* restartAsked(id as InstanceId)
      const refused = yield* coffer("restart", "first")
      expect(refused).toMatchObject({ code: 1, out: "" })
      expect(refused.err).toMatch(/^coffer: Instance \S+ is not currently available .*REBOOTING/)
      yield* aRestart(id as InstanceId, "failed")
      const { code, err, out } = yield* Fiber.join(running)
      expect([code, out]).toEqual([1, ""])
      expect(err).toMatch(/coffer: The restart of first failed: The volume is full\.\n$/)
      const again = yield* coffer("restart", "first", "--json")
      expect(JSON.parse(again.out)).toMatchObject({ instance: { id, status: "REBOOT", operating_status: "" } })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("resize", () => {
  const aResize = Effect.fnUntraced(function* (id: InstanceId, error: string | null) {
    const history = yield* History
    const operation = OperationId.make("resize-1")
    const step = { operation, operationName: "resize", step: error === null ? "report" : "plan the resize", attempt: 1 }
    const to = { _tag: "Flavor", flavor: "3", ram: 4096 } as const
    yield* moveTo(id, { _tag: "Resizing", operation, deadline: 1, to }, "resize requested")
    yield* history.stepStarted(id, { ...step, waitsFor: "the store", deadline: null })
    yield* history.stepEnded(id, { ...step, outcome: error === null ? "done" : "failed", error, detail: null })
    yield* moveTo(id, { _tag: "Active" }, "it ended")
  })
  const resizeAsked = (id: InstanceId) =>
    Effect.flatMap(Instances, (instances) =>
      Effect.repeat(instances.get("any", id), {
        until: Option.exists(({ state }) => state === "Resizing"),
        schedule: Schedule.spaced("10 millis")
      })
    )

  for (const error of [null, "The machine of the database has no memory left for the larger flavor."])
    it.live(`waits until it is ${error === null ? "done" : "back, and tells why it failed"}`, () =>
      Effect.gen(function* () {
        const { id } = yield* active({ name: "first" })
        const running = yield* Effect.forkChild(coffer("resize", "first", "--flavor", "m1.medium", "--wait"))
        yield* resizeAsked(id as InstanceId)
        yield* aResize(id as InstanceId, error)
        const { code, err, out } = yield* Fiber.join(running)
        expect([code, out]).toEqual(error === null ? [0, "first was resized.\n"] : [1, ""])
        if (error !== null) expect(err).toContain(`coffer: The resize of first failed: ${error}\n`)
      }).pipe(Effect.scoped, Effect.provide(quietly(server())))
    )

  it.live("wants one size, and tells why it is refused", () =>
    Effect.gen(function* () {
      yield* active({ name: "first" })
      for (const size of [[], ["--flavor", "2", "--volume", "3"]]) {
        const refused = yield* coffer("resize", "first", ...size)
        expect(refused).toMatchObject({ code: 1, out: "" })
        expect(refused.err).toContain("Say what to resize to")
      }
      expect((yield* coffer("resize", "first", "--flavor", "none")).err).toMatch(
        /There is no flavor none\. There are: /
      )
      expect((yield* coffer("resize", "first", "--volume", "1")).err).toMatch(/must be larger than the current volume/)
      const { out } = yield* coffer("resize", "first", "--volume", "3", "--json")
      expect(JSON.parse(out)).toMatchObject({ instance: { status: "RESIZE", operating_status: "" } })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("stop and start", () => {
  it.live("tell what they would do, do it, and say how it ended", () =>
    Effect.gen(function* () {
      const { id } = yield* active({ name: "first" })
      const foreseen = yield* coffer("stop", "first", "--preview")
      expect(foreseen).toEqual({
        code: 0,
        err: "",
        out: "first: its clients are cut off, and its database is down until a start. It would be SHUTDOWN meanwhile. It has not done this before.\n"
      })
      const { out } = yield* coffer("restart", "first", "--preview", "--json")
      expect(JSON.parse(out).preview.instances).toMatchObject([{ id, status_during: "REBOOT", restart: true }])
      expect(yield* coffer("stop", "first")).toEqual({ code: 0, out: "first is being stopped.\n", err: "" })
      const again = yield* coffer("stop", "first")
      expect(again.err).toMatch(/^coffer: Instance \S+ is not currently available .*STOPPING/)
      yield* moveTo(id as InstanceId, { _tag: "Stopped" })
      expect(yield* coffer("start", "first")).toEqual({ code: 0, out: "first is being started.\n", err: "" })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("rebuild, hwinfo, diagnostics", () => {
  it.live("are for administrators, and name the image by the version that the instance has", () =>
    Effect.gen(function* () {
      const { id: text } = yield* active({ name: "first", datastore: { type: "postgresql", version: "16" } })
      const id = InstanceId.make(text)
      const token = yield* fileWith(adminToken)
      const asAdmin = (...args: ReadonlyArray<string>) => coffer(...args, "--token-file", token)
      const refused = yield* coffer("rebuild", "first")
      expect([refused.code, refused.err]).toEqual([
        1,
        expect.stringMatching(/^coffer: Only an administrator may do this\. /)
      ])
      const foreseen = yield* asAdmin("rebuild", "first", "--preview")
      expect(foreseen.out).toBe(
        "first: its clients are cut off while its server is made anew over its data. It would be BUILD meanwhile, with a restart. It has not done this before.\n"
      )
      expect(yield* asAdmin("hwinfo", "first")).toMatchObject({
        code: 0,
        out: "MEMORY     PROCESSORS\n524288 kB  1\n"
      })
      expect((yield* asAdmin("diagnostics", "first")).out).toMatch(
        /^VERSION .*\n18\.1 +2 +64 +1024 kB +1536 kB +2048 kB +4096 kB\n$/
      )
      expect(JSON.parse((yield* asAdmin("hwinfo", "first", "--json")).out)).toEqual({
        hwinfo: { mem_total: 524_288, num_cpus: 1 }
      })
      const waiting = yield* Effect.forkChild(asAdmin("rebuild", "first", "--wait"))
      yield* Effect.flatMap(Instances, (instances) =>
        Effect.repeat(instances.get("any", id), {
          until: Option.exists(({ state }) => state === "Rebuilding"),
          schedule: Schedule.spaced("10 millis")
        })
      )
      const history = yield* History
      const operation = OperationId.make("rebuild-1")
      const step = { operation, operationName: "rebuild", step: "rebuild the database", attempt: 1 }
      yield* history.stepStarted(id, { ...step, waitsFor: "the guest", deadline: null })
      yield* history.stepEnded(id, { ...step, outcome: "done", error: null, detail: null })
      yield* history.stepStarted(id, { ...step, step: "report", waitsFor: null, deadline: null })
      yield* moveTo(id, { _tag: "Active" }, "the database was rebuilt")
      expect(yield* Fiber.join(waiting)).toMatchObject({ code: 0, out: "first was rebuilt.\n" })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("delete", () => {
  it.live("waits until nothing is there any more", () =>
    Effect.gen(function* () {
      const { id } = yield* active({ name: "first" })
      const running = yield* Effect.forkChild(coffer("delete", "first", "--wait", "--json"))
      const gone = Effect.flatMap(Instances, (instances) =>
        Effect.repeat(instances.get("any", id), {
          until: Option.exists(({ state }) => state === "Deleting"),
          schedule: Schedule.spaced("10 millis")
        })
      )
      yield* gone
      yield* moveTo(id, { _tag: "Deleted", at: 1 })
      const { code, out } = yield* Fiber.join(running)
      expect([code, JSON.parse(out)]).toEqual([0, { instance: null }])
      expect(yield* coffer("delete", "first")).toEqual({
        code: 1,
        out: "",
        err: `coffer: There is no instance named first in the project ${project}. See: coffer instance list\n`
      })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

const secret = "of-a-file-1"
const knowing = Layer.succeed(Identity, {
  authenticate: (project, token) =>
    Option.exists(token, (token) => Redacted.value(token) === secret)
      ? Effect.succeed({ project, user: "ann", roles: ["member"] })
      : Effect.fail(new Unauthenticated())
})

describe("a token", () => {
  it.live("is sent from a file, and asked for where it is missing", () =>
    Effect.gen(function* () {
      const file = yield* fileWith(`${secret}\n`)
      expect((yield* coffer("list", "--token-file", file)).code).toBe(0)
      const without = yield* coffer("list")
      expect(without.code).toBe(1)
      expect(without.err).toMatch(/^coffer: The service wants to know who asks\. Put a token .*--token-file\.\n$/)
      const wrong = yield* coffer("list", "--token-file", yield* fileWith("another"))
      expect(wrong.code).toBe(1)
      expect(wrong.err).toMatch(/^coffer: The service does not know this token\./)
    }).pipe(Effect.provide(quietly(server({}, knowing))))
  )

  /** Answers whatever it is asked with this, and tells what token it was shown. */
  const listening = (status: number, headers: Record<string, string>, heard: (token: unknown) => void) =>
    Effect.acquireRelease(
      Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
        const server = createServer((request, response) => {
          heard(request.headers["x-auth-token"])
          response.writeHead(status, headers).end("{}")
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ port, close: () => server.close() }))
        })
      }),
      ({ close }) => Effect.sync(close)
    )

  it.live("goes to nobody but who was named", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const other = yield* listening(200, {}, (token) => heard.push(`the other: ${token}`))
      const location = `http://127.0.0.1:${other.port}/`
      const named = yield* listening(302, { location }, (token) => heard.push(`who was named: ${token}`))
      const ended = yield* runAt(named.port, ["list", "--token-file", yield* fileWith(secret)])
      expect(ended.err).toBe("coffer: The service answered 302. Is it Coffer's API that --url names?\n")
      expect(heard).toEqual([`who was named: ${secret}`])
    }).pipe(Effect.scoped)
  )
})
