/** How the commands ask the API, and what they make of its refusals. */
import { expect, it } from "@effect/vitest"
import { Effect, Option, Redacted, Schema } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { get, order, post, remove } from "../../src/cli/client.ts"
import { api, connection } from "./fixture.ts"

const withToken = { ...connection, token: Option.some(Redacted.make("abc")) }

const refusal = (answer: Response | null, from = connection) => {
  const { layer } = api(() => answer)
  return Effect.flip(get(from, "/instances", Schema.Json)).pipe(Effect.provide(layer))
}

const flat = (status: number, message: string, title: string) =>
  Response.json({ message, code: `${status} ${title}`, title }, { status })

it.effect("the token goes with every request", () => {
  const { asked, layer } = api((_, n) => (n === 0 ? Response.json({}) : new Response(null, { status: 202 })))
  return Effect.gen(function* () {
    yield* get(withToken, "/instances", Schema.Json)
    yield* order(withToken, "/instances/i/action", { restart: {} })
    yield* remove(withToken, "/instances/i")
    expect(asked.map(({ method, token, url }) => [method, url.split("/demo")[1], token])).toEqual([
      ["GET", "/instances", "abc"],
      ["POST", "/instances/i/action", "abc"],
      ["DELETE", "/instances/i", "abc"]
    ])
  }).pipe(Effect.provide(layer))
})

it.effect("a fault is told in its own words, and by its status", () =>
  Effect.gen(function* () {
    const fault = { itemNotFound: { code: 404, message: "Resource i cannot be found." } }
    expect(yield* refusal(Response.json(fault, { status: 404 }))).toMatchObject({
      message: "Resource i cannot be found.",
      status: 404
    })
    const limited = { overLimit: { code: 413, message: "This request was rate-limited.", details: "Only 3 a minute." } }
    expect(yield* refusal(Response.json(limited, { status: 413 }))).toMatchObject({
      message: "This request was rate-limited. Only 3 a minute.",
      status: 413
    })
    const steering = { badRequest: { code: 400, message: "a\u001b[2Jb" } }
    expect((yield* refusal(Response.json(steering, { status: 400 }))).message).toBe("a [2Jb")
  })
)

it.effect("who is not known is told how to say who asks", () =>
  Effect.gen(function* () {
    const answer = () => Response.json({ error: { code: 401, title: "Unauthorized", message: "…" } }, { status: 401 })
    const without = yield* refusal(answer())
    expect(without.message).toMatch(/Put a token into the variable COFFER_TOKEN, or name a file .* --token-file/)
    const unknown = yield* refusal(answer(), withToken)
    expect(unknown.message).toMatch(/does not know this token\. Look at the variable COFFER_TOKEN/)
    expect(unknown.message).not.toContain("abc")
  })
)

it.effect("who is of another project is told how to name it", () =>
  Effect.gen(function* () {
    const { message } = yield* refusal(flat(403, "Access was denied<br /><br />", "Forbidden"), withToken)
    expect(message).toBe("This token is not of the project demo. Name its own with --project, or COFFER_PROJECT.")
    const host = { forbidden: { code: 403, message: "This server answers requests to its own host name only." } }
    expect((yield* refusal(Response.json(host, { status: 403 }))).message).toBe(host.forbidden.message)
  })
)

it.effect("what is no API of Coffer's is not taken for one", () =>
  Effect.gen(function* () {
    const page = () => new Response("<html>", { headers: { "content-type": "text/html" } })
    expect((yield* refusal(page())).message).toMatch(/is not Coffer's API/)
    const missing = new Response("<html>", { status: 404 })
    expect((yield* refusal(missing)).message).toBe("The service answered 404. Is it Coffer's API that --url names?")
    const moved = new Response(null, { status: 302, headers: { location: "http://elsewhere/" } })
    expect((yield* refusal(moved)).message).toMatch(/^The service answered 302\./)
    const { layer } = api(() => Response.json({ instance: 7 }))
    const odd = post(connection, "/instances", {}, Schema.Struct({ instance: Schema.String }))
    expect((yield* Effect.flip(odd).pipe(Effect.provide(layer))).message).toMatch(/is not Coffer's API/)
  })
)

it.effect("who is not there is named, and so is what to do", () =>
  Effect.gen(function* () {
    const { message, status } = yield* refusal(null)
    expect(status).toBeNull()
    expect(message).toMatch(/^Nothing answers at http:\/\/127.0.0.1:1\/v1.0\/demo\. .*--url, or COFFER_URL\.$/)
  })
)

it.effect("who does not answer is not waited for without end", () =>
  Effect.gen(function* () {
    const silent = HttpClient.make(() => Effect.never)
    const asked = yield* Effect.forkChild(
      Effect.flip(remove(connection, "/instances/i")).pipe(Effect.provideService(HttpClient.HttpClient, silent))
    )
    yield* TestClock.adjust("30 seconds")
    const { message } = yield* asked.pollUnsafe() ?? Effect.die("it waits still")
    expect(message).toMatch(/did not answer within 30 seconds; what was asked may have happened/)
  })
)
