/** What a name stands for: over the API's real routes, and over one that never ends. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { idOf, maxPages } from "../../src/cli/instances.ts"
import { adminToken, call, order, path, project, server } from "../http/harness.ts"
import { api, connection } from "./fixture.ts"

it.effect("a name is looked for on every page, and must be the only one on all of them", () =>
  Effect.gen(function* () {
    const here = { ...connection, base: path("") }
    const quotas = { instances: -1, volumes: -1 }
    yield* call("PUT", path(`/mgmt/quotas/${project}`), { body: { quotas }, token: adminToken })
    const ids = new Map<string, string>()
    for (let n = 0; n < 45; n++) ids.set(`i${n}`, (yield* order({ name: `i${n}` })).json.instance.id)
    for (const [name, id] of ids) expect(yield* idOf(here, name)).toBe(id)
    expect((yield* Effect.flip(idOf(here, "nosuch"))).message).toBe("There is no instance named nosuch.")
    yield* order({ name: "i0" })
    expect((yield* Effect.flip(idOf(here, "i0"))).message).toBe("2 instances are named i0; name one by its id.")
  }).pipe(Effect.provide(server({ COFFER_RATE_LIMIT: "1000" })))
)

it.effect("pages without an end are given up, and no link leads to another host", () => {
  const links = [{ rel: "next", href: "https://elsewhere.example/other?marker=1" }]
  const { asked, layer } = api(() => Response.json({ instances: [], links }))
  return Effect.gen(function* () {
    const { message } = yield* Effect.flip(idOf(connection, "first"))
    expect(message).toMatch(/too many instances/)
    expect(asked).toHaveLength(maxPages)
    expect(new Set(asked.map(({ url }) => url.split("?")[0]))).toEqual(new Set([`${connection.base}/instances`]))
  }).pipe(Effect.provide(layer))
})

it.effect("an id stands for itself, and nobody is asked", () => {
  const { asked, layer } = api(() => null)
  return Effect.gen(function* () {
    const id = "00000000-0000-4000-8000-000000000001"
    expect(yield* idOf(connection, id)).toBe(id)
    expect(asked).toEqual([])
  }).pipe(Effect.provide(layer))
})
