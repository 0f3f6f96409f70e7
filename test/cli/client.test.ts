/** How the commands ask the API: over its real routes, and over one that never ends. */
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { idOf, maxPages } from "../../src/cli/client.ts"
import { adminToken, call, order, path, project, server } from "../http/harness.ts"

it.effect("a name is looked for on every page, and must be the only one on all of them", () =>
  Effect.gen(function* () {
    const quotas = { instances: -1, volumes: -1 }
    yield* call("PUT", path(`/mgmt/quotas/${project}`), { body: { quotas }, token: adminToken })
    const ids = new Map<string, string>()
    for (let n = 0; n < 45; n++) ids.set(`i${n}`, (yield* order({ name: `i${n}` })).json.instance.id)
    for (const [name, id] of ids) expect(yield* idOf(path(""), name)).toBe(id)
    expect((yield* Effect.flip(idOf(path(""), "nosuch"))).message).toBe("There is no instance named nosuch.")
    yield* order({ name: "i0" })
    expect((yield* Effect.flip(idOf(path(""), "i0"))).message).toBe("2 instances are named i0; name one by its id.")
  }).pipe(Effect.provide(server({ COFFER_RATE_LIMIT: "1000" })))
)

it.effect("pages without an end are given up, and no link leads to another host", () => {
  const asked: Array<string> = []
  const endless = HttpClient.make((request, url) => {
    asked.push(`${url.origin}${url.pathname}`)
    const links = [{ rel: "next", href: "https://elsewhere.example/other?marker=1" }]
    return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json({ instances: [], links })))
  })
  return Effect.gen(function* () {
    const { message } = yield* Effect.flip(idOf("http://127.0.0.1:1/v1.0/demo", "first"))
    expect(message).toMatch(/too many instances/)
    expect(asked).toHaveLength(maxPages)
    expect(new Set(asked)).toEqual(new Set(["http://127.0.0.1:1/v1.0/demo/instances"]))
  }).pipe(Effect.provide(Layer.succeed(HttpClient.HttpClient, endless)))
})
