/** What callers are told, by what a Keystone says. The real one has its tests in test/interop/keystone.test.ts. */
import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Logger, Metric, Option, Redacted, Tracer } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as KeystoneIdentity from "../../../src/layers/identity/KeystoneIdentity.ts"
import { ProjectId } from "../../../src/services/Ids.ts"

const settings: KeystoneIdentity.Settings = {
  url: "http://keystone:5000/v3",
  publicUrl: "https://keystone.example.org",
  username: "trove",
  password: Redacted.make("hunter-password"),
  project: "service",
  userDomain: "Default",
  projectDomain: "Default",
  cacheLifetime: Duration.minutes(1),
  timeout: Duration.seconds(10)
}

/** What it was asked: our login, or about a caller's token, showing which of our own. */
type Question = { readonly _tag: "enter" } | { readonly _tag: "holder"; readonly token: string; readonly own: string }

interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

const times = (now: number, seconds: number) => ({
  issued_at: new Date(now).toISOString(),
  expires_at: new Date(now + seconds * 1000).toISOString()
})

/** A login that lasts for an hour. */
const entered = (own: string, now = 0, seconds = 3600): Answer => ({
  status: 201,
  headers: { "x-subject-token": own },
  body: { token: times(now, seconds) }
})

const held = (project?: string, roles = ["member"]): Answer => ({
  status: 200,
  body: {
    token: {
      ...times(0, 360_000),
      user: { id: "ann", name: "Ann" },
      ...(project === undefined ? {} : { project: { id: project, name: "shop" } }),
      roles: roles.map((name) => ({ id: `id-of-${name}`, name }))
    }
  }
})

const unknown: Answer = { status: 404, body: { error: { code: 404 } } }

/** An identity over a Keystone that answers so, or never; with what it was asked and what was logged. */
const identity = Effect.fnUntraced(function* (
  answer: (question: Question, nth: number) => Answer | "nothing" | "no connection"
) {
  const asked: Array<Question> = []
  const client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      const question: Question =
        request.method === "POST"
          ? { _tag: "enter" }
          : {
              _tag: "holder",
              token: request.headers["x-subject-token"] ?? "",
              own: request.headers["x-auth-token"] ?? ""
            }
      expect(url.href).toBe("http://keystone:5000/v3/auth/tokens?nocatalog")
      asked.push(question)
      const given = answer(question, asked.length)
      if (given === "nothing") return Effect.never
      if (given === "no connection")
        return Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, cause: new Error("ECONNREFUSED") })
          })
        )
      const { body, headers = {}, status } = given
      const text = typeof body === "string" ? body : JSON.stringify(body)
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(text, { status, headers })))
    })
  )
  const made = yield* KeystoneIdentity.make(settings).pipe(Effect.provideService(HttpClient.HttpClient, client))
  const authenticate = (token: string | null, project = "p1") =>
    made.authenticate(ProjectId.make(project), Option.map(Option.fromNullOr(token), Redacted.make))
  return { asked, authenticate }
})

const stranger = { _tag: "Unauthenticated", challenge: 'Keystone uri="https://keystone.example.org"' }
const away = { _tag: "IdentityUnavailable" }

it.effect("a caller is who holds the token, in its project and no other, whatever their role", () =>
  Effect.gen(function* () {
    const { authenticate } = yield* identity(({ _tag }) =>
      _tag === "enter" ? entered("own-1") : held("p1", ["reader", "admin"])
    )
    expect(yield* authenticate("t")).toEqual({ project: "p1", user: "ann", roles: ["reader", "admin"] })
    expect(yield* Effect.flip(authenticate("t", "p2"))).toMatchObject({ _tag: "WrongProject", project: "p1" })
  })
)

it.effect("a token of no project is good in none", () =>
  Effect.gen(function* () {
    const { authenticate } = yield* identity(({ _tag }) => (_tag === "enter" ? entered("own-1") : held()))
    expect(yield* Effect.flip(authenticate("t"))).toMatchObject({ _tag: "WrongProject", project: "None" })
  })
)

it.effect(
  "without a token, with one that Keystone does not know, or that no header could carry, nobody is let in",
  () =>
    Effect.gen(function* () {
      const { asked, authenticate } = yield* identity(({ _tag }) => (_tag === "enter" ? entered("own-1") : unknown))
      for (const token of [null, "bad", "a b", "ü", "x\r\nX-Auth-Token: y", "x".repeat(8193)])
        expect(yield* Effect.flip(authenticate(token))).toMatchObject(stranger)
      expect(asked.filter(({ _tag }) => _tag === "holder")).toEqual([{ _tag: "holder", token: "bad", own: "own-1" }])
    })
)

describe("our own token", () => {
  it.effect("is got once, and anew a minute before its end", () =>
    Effect.gen(function* () {
      const { asked, authenticate } = yield* identity(({ _tag }, nth) =>
        _tag === "enter" ? entered(`own-${nth}`, 7_000_000, 600) : held("p1")
      )
      for (let n = 0; n < 11; n++) {
        yield* authenticate(`t-${n}`)
        yield* TestClock.adjust("59 seconds")
      }
      expect(asked.filter(({ _tag }) => _tag === "enter")).toHaveLength(2)
    })
  )

  it.effect("that is refused is got anew once, and shared by all who were refused with it", () =>
    Effect.gen(function* () {
      const { asked, authenticate } = yield* identity((question, nth) => {
        if (question._tag === "enter") return entered(`own-${nth}`)
        return question.own === "own-1" ? { status: 401 } : held("p1")
      })
      yield* Effect.forEach(["a", "b", "c"], (token) => authenticate(token), { concurrency: "unbounded" })
      expect(asked.filter(({ _tag }) => _tag === "enter")).toHaveLength(2)
      expect(asked.filter(({ _tag }) => _tag === "holder")).toHaveLength(6)
    })
  )

  it.effect("that is refused again and again keeps nobody asking", () =>
    Effect.gen(function* () {
      const { asked, authenticate } = yield* identity(({ _tag }, nth) =>
        _tag === "enter" ? entered(`own-${nth}`) : { status: 401 }
      )
      expect(yield* Effect.flip(authenticate("t"))).toMatchObject(away)
      expect(asked.map(({ _tag }) => _tag)).toEqual(["enter", "holder", "enter", "holder"])
    })
  )

  it.effect("that cannot be got for a wrong password is not asked for with every request", () =>
    Effect.gen(function* () {
      const { asked, authenticate } = yield* identity(() => ({ status: 401 }))
      for (let n = 0; n < 5; n++) expect(yield* Effect.flip(authenticate(`t-${n}`))).toMatchObject(away)
      expect(asked).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(authenticate("t"))
      expect(asked).toHaveLength(2)
    })
  )
})

describe("while Keystone is away", () => {
  const troubles: ReadonlyArray<readonly [string, Answer | "no connection"]> = [
    ["it cannot be reached", "no connection"],
    ["it answers 500", { status: 500 }],
    ["it answers 300", { status: 300, headers: { location: "http://elsewhere/" } }],
    ["it lets us check nothing", { status: 403 }],
    ["it answers no JSON", { status: 200, body: "<html>" }],
    ["it answers something else", { status: 200, body: { token: { user: 3 } } }]
  ]

  it.effect.each(troubles)("for %s, nobody new is let in, and who was known still is", ([, trouble]) =>
    Effect.gen(function* () {
      let isAway = false
      const { authenticate } = yield* identity(({ _tag }) =>
        _tag === "enter" ? entered("own-1") : isAway ? trouble : held("p1")
      )
      yield* authenticate("known")
      isAway = true
      expect(yield* Effect.flip(authenticate("new"))).toMatchObject(away)
      expect(yield* authenticate("known")).toMatchObject({ user: "ann" })
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.flip(authenticate("known"))).toMatchObject(away)
      isAway = false
      expect(yield* authenticate("new")).toMatchObject({ user: "ann" })
    })
  )

  it.effect("for it does not answer, a caller waits no longer than was set, in the queue as well", () =>
    Effect.gen(function* () {
      const { authenticate } = yield* identity(({ _tag }) => (_tag === "enter" ? entered("own-1") : "nothing"))
      const began = yield* Clock.currentTimeMillis
      const waiting = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 100 }, (_, n) => `t-${n}`),
          (token) => Effect.flip(authenticate(token)),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("10 seconds")
      for (const refused of yield* Fiber.join(waiting)) expect(refused).toMatchObject(away)
      expect((yield* Clock.currentTimeMillis) - began).toBe(10_000)
    })
  )

  it.effect("for it does not answer, more than can wait are refused at once", () =>
    Effect.gen(function* () {
      const { asked, authenticate } = yield* identity(({ _tag }) => (_tag === "enter" ? entered("own-1") : "nothing"))
      yield* Effect.forEach(
        Array.from({ length: 1016 }, (_, n) => `t-${n}`),
        (token) => Effect.forkChild(Effect.exit(authenticate(token)))
      )
      yield* Effect.yieldNow
      expect(yield* Effect.flip(authenticate("one more"))).toMatchObject(away)
      expect(asked.filter(({ _tag }) => _tag === "holder").length).toBe(16)
      yield* TestClock.adjust("10 seconds")
    })
  )
})

it.effect("neither tokens nor the password get into a log, a trace or an error", () =>
  Effect.gen(function* () {
    const secrets = ["hunter-password", "own-secret", "callers-secret"]
    const logged: Array<string> = []
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const log = Logger.make((options) => void logged.push(Logger.formatLogFmt.log(options)))
    yield* Effect.gen(function* () {
      const { authenticate } = yield* identity(({ _tag }, nth) =>
        _tag === "enter" ? entered("own-secret") : nth < 3 ? { status: 500 } : nth < 4 ? unknown : held("p1")
      )
      const errors: Array<unknown> = []
      for (const token of ["callers-secret-1", "callers-secret-2", "callers-secret-3"])
        errors.push(yield* Effect.exit(authenticate(token)))
      for (const secret of secrets) expect(`${JSON.stringify(errors)}${String(errors)}`).not.toContain(secret)
    }).pipe(Effect.withTracer(tracer), Effect.provide(Logger.layer([log])))
    expect(logged.join("\n")).toContain("answered 500")
    expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(["Keystone.enter", "Keystone.holderOf"]))
    const traced = spans.map(({ attributes, name, status }) => inspect([name, attributes, status], { depth: 20 }))
    for (const secret of secrets) expect(`${logged.join()}${traced.join()}`).not.toContain(secret)
  })
)

it.effect("the metrics tell whether Keystone answers", () =>
  Effect.gen(function* () {
    const before = (yield* Metric.value(KeystoneIdentity.unanswered)).count
    let isAway = true
    const { authenticate } = yield* identity(({ _tag }) =>
      isAway ? "no connection" : _tag === "enter" ? entered("own-1") : held("p1")
    )
    expect(yield* Effect.flip(authenticate("t-1"))).toMatchObject(away)
    expect((yield* Metric.value(KeystoneIdentity.answers)).value).toBe(0)
    expect((yield* Metric.value(KeystoneIdentity.unanswered)).count).toBeGreaterThan(before)
    isAway = false
    yield* TestClock.adjust("1 minute")
    yield* authenticate("t-1")
    expect((yield* Metric.value(KeystoneIdentity.answers)).value).toBe(1)
  })
)
