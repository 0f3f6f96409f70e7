/** A role's health, asked over HTTP: what answers say, how long they may take, and what many of them cost. */

import { createServer } from "node:net"
import { NodeHttpServer } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Metric, Scope } from "effect"
import { FetchHttpClient, HttpClient, HttpRouter, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as Health from "../../src/layers/Health.ts"

const server = Health.app.pipe(
  Layer.provideMerge(NodeHttpServer.layerTest),
  Layer.provideMerge(Health.layer("conductor"))
)

const run = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.scoped(Effect.provide(test, server))

const get = Effect.fnUntraced(function* (path: string) {
  const response = yield* HttpClient.get(path)
  return { status: response.status, headers: response.headers, text: yield* response.text }
})

const health = Effect.map(get("/health"), ({ text }) => JSON.parse(text))

const register = (name: string, check: Effect.Effect<void, Health.CheckFailed>) =>
  Effect.flatMap(Health.Health, (health) => health.register(name, check))

/** Lets virtual time pass until the answer is there, and tells how much of it that took, in seconds. */
const answeredWithin = Effect.fnUntraced(function* <A, E>(asked: Fiber.Fiber<A, E>) {
  for (let seconds = 0; ; seconds++) {
    for (let turn = 0; turn < 20; turn++) {
      // The answer comes over a socket, whose events have their turn between ours.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      if (asked.pollUnsafe() !== undefined) return { seconds, answer: yield* Fiber.join(asked) }
    }
    yield* TestClock.adjust("1 second")
  }
})

describe("GET /health", () => {
  it.effect("is 200 while every check passes, and 503 with the reason when one does not", () =>
    run(
      Effect.gen(function* () {
        expect(yield* health).toEqual({ status: "ok", role: "conductor", checks: [] })
        let broken = false
        yield* register(
          "database",
          Effect.suspend(() => (broken ? Effect.fail({ message: "connection refused" }) : Effect.void))
        )
        yield* register("broker", Effect.void)
        yield* TestClock.adjust(Health.freshFor)
        expect((yield* get("/health")).status).toBe(200)
        broken = true
        yield* TestClock.adjust(Health.freshFor)
        const { headers, status, text } = yield* get("/health")
        expect(status).toBe(503)
        expect(headers["content-type"]).toMatch(/^application\/json/)
        expect(JSON.parse(text)).toEqual({
          status: "failing",
          role: "conductor",
          checks: [
            { name: "broker", ok: true, detail: "" },
            { name: "database", ok: false, detail: "connection refused" }
          ]
        })
      })
    )
  )

  it.effect("no longer asks a check whose scope has closed", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Scope.provide(register("gone", Effect.fail({ message: "down" })), scope)
        expect((yield* health).checks).toHaveLength(1)
        yield* Scope.close(scope, Exit.void)
        yield* TestClock.adjust(Health.freshFor)
        expect((yield* health).checks).toEqual([])
      })
    )
  )

  it.effect("asks a check once for any number of questions within a second", () =>
    run(
      Effect.gen(function* () {
        let asked = 0
        yield* register(
          "counted",
          Effect.sync(() => {
            asked++
          })
        )
        yield* Effect.all(
          Array.from({ length: 100 }, () => health),
          { concurrency: 20 }
        )
        expect(asked).toBe(1)
        yield* TestClock.adjust(Health.freshFor)
        yield* health
        expect(asked).toBe(2)
      })
    )
  )

  it.effect("waits no longer than two seconds, even for checks that cannot be interrupted, and starts none twice", () =>
    run(
      Effect.gen(function* () {
        const recovers = yield* Deferred.make<void>()
        let started = 0
        const hangs = Effect.andThen(
          Effect.sync(() => {
            started++
          }),
          Deferred.await(recovers)
        )
        yield* register("hangs", Effect.never)
        yield* register("stuck", Effect.uninterruptible(hangs))
        for (let n = 0; n < 3; n++) {
          const { answer, seconds } = yield* answeredWithin(yield* Effect.forkChild(health))
          expect(seconds).toBe(2)
          expect(answer.checks).toEqual([
            { name: "hangs", ok: false, detail: "no answer within 2s" },
            { name: "stuck", ok: false, detail: "no answer within 2s" }
          ])
          yield* TestClock.adjust(Health.freshFor)
        }
        expect(started).toBe(1)
        yield* Deferred.succeed(recovers, undefined)
        const { answer } = yield* answeredWithin(yield* Effect.forkChild(health))
        expect(answer.checks[1]).toEqual({ name: "stuck", ok: true, detail: "" })
      })
    )
  )

  it.effect("keeps nothing from ending, however a check hangs", () =>
    run(
      Effect.gen(function* () {
        yield* register("stuck", Effect.uninterruptible(Effect.never))
        const { answer } = yield* answeredWithin(yield* Effect.forkChild(health))
        expect(answer.status).toBe("failing")
      })
    )
  )

  it.effect("tells no secret that a message holds, and nothing of a bug", () =>
    run(
      Effect.gen(function* () {
        const secret = "hunter2"
        yield* register("bug", Effect.die(new Error(`cannot read ${secret}`)))
        yield* register("pair", Effect.fail({ message: `password=${secret} token: ${secret}` }))
        yield* register("url", Effect.fail({ message: `amqp://u:${secret}@h/v is\n\u001b[2Jdown ${"x".repeat(1000)}` }))
        const { status, text } = yield* get("/health")
        expect(status).toBe(503)
        expect(text).not.toContain(secret)
        const details: ReadonlyArray<{ readonly detail: string }> = JSON.parse(text).checks
        expect(details[0]?.detail).toBe("the check itself failed")
        expect(details[1]?.detail).toBe("password=*** token=***")
        expect(details[2]?.detail).toMatch(/^amqp:\/\/\*\*\*@h\/v is \[2Jdown x+$/)
        expect(details[2]?.detail).toHaveLength(200)
      })
    )
  )
})

it.effect("GET /metrics shows what is measured, and nothing else is served", () =>
  run(
    Effect.gen(function* () {
      yield* Metric.update(Metric.counter("coffer_health_test", { description: "Of this test" }), 3)
      const { headers, status, text } = yield* get("/metrics")
      expect(status).toBe(200)
      expect(headers["content-type"]).toMatch(/^text\/plain/)
      expect(text).toContain("coffer_health_test 3")
      expect((yield* get("/")).status).toBe(404)
    })
  )
)

/** A port that nobody listens on. */
const freePort = Effect.callback<number>((resume) => {
  const probe = createServer()
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    probe.close(() => resume(Effect.succeed(port)))
  })
})

it.live("is served on an address of its own, beside a server with other routes", () =>
  Effect.gen(function* () {
    const port = yield* freePort
    const other = HttpRouter.serve(HttpRouter.add("GET", "/other", HttpServerResponse.text("hello")), {
      disableLogger: true,
      disableListenLog: true
    })
    const both = Layer.mergeAll(Health.serve({ host: "127.0.0.1", port }), other).pipe(
      Layer.provideMerge(NodeHttpServer.layerTest),
      Layer.provide(Health.layer("api"))
    )
    yield* Effect.gen(function* () {
      expect((yield* get("/other")).text).toBe("hello")
      expect((yield* get("/health")).status).toBe(404)
      const own = (path: string) =>
        Effect.provide(get(`http://127.0.0.1:${port}${path}`), FetchHttpClient.layer, { local: true })
      expect(JSON.parse((yield* own("/health")).text)).toEqual({ status: "ok", role: "api", checks: [] })
      expect((yield* own("/other")).status).toBe(404)
    }).pipe(Effect.provide(both))
  })
)
