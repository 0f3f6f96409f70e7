/** What a name stands for: over the API's real routes, and over one that never ends. */
import { expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { idOf } from "../../src/cli/instances.ts"
import { maxPages } from "../../src/cli/pages.ts"
import { CurrentScreen } from "../../src/cli/terminal.ts"
import { adminToken, call, order, path, project, server } from "../http/harness.ts"
import { anInstance, api, connection } from "./fixture.ts"

it.effect("a name is looked for on every page, and must be the only one on all of them", () =>
  Effect.gen(function* () {
    const here = { ...connection, base: path("") }
    const quotas = { instances: -1, volumes: -1 }
    yield* call("PUT", path(`/mgmt/quotas/${project}`), { body: { quotas }, token: adminToken })
    const ids = new Map<string, string>()
    for (let n = 0; n < 45; n++) ids.set(`i${n}`, (yield* order({ name: `i${n}` })).json.instance.id)
    for (const [name, id] of ids) expect(yield* idOf(here, name)).toBe(id)
    expect((yield* Effect.flip(idOf(here, "nosuch"))).message).toBe(
      `There is no instance named nosuch in the project demo. See: coffer instance list`
    )
    yield* order({ name: "i0" })
    expect((yield* Effect.flip(idOf(here, "i0"))).message).toBe(
      "2 instances are named i0; name one by its id. See: coffer instance list"
    )
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

const busy = () => Response.json({ overLimit: { code: 413, message: "rate-limited" } }, { status: 413 })
const pageOf = (n: number) =>
  Response.json({
    instances: [{ ...anInstance, id: `i-${n}`, name: `name-${n}` }],
    ...(n < 3 ? { links: [{ rel: "next", href: `http://127.0.0.1:1/v1.0/demo/instances?marker=${n}` }] } : {})
  })

/** Looks a name up for ten minutes; gives what came of it, and what the screen was told. */
const lookUp = Effect.gen(function* () {
  const told: Array<string> = []
  const screen = { columns: null, write: (text: string) => void told.push(text) }
  const looking = yield* Effect.forkChild(Effect.provideService(idOf(connection, "name-3"), CurrentScreen, screen))
  for (let n = 0; n < 600; n++) yield* TestClock.adjust("1 second")
  return { exit: looking.pollUnsafe(), told }
})

const waits = "The service is asked too often and wants us to wait; going on every 5s.\n"

it.effect("a look-up that is too much at once stands back, says so, and goes on where it was", () => {
  const { asked, layer } = api((path, n) =>
    n > 0 && n < 5 ? busy() : pageOf(1 + Number(/marker=(\d)/.exec(path)?.[1] ?? 0))
  )
  return Effect.gen(function* () {
    expect(yield* lookUp).toEqual({ exit: Exit.succeed("i-3"), told: [waits] })
    expect(asked.map(({ url }) => url.split("instances")[1])).toEqual(["", ...Array(5).fill("?marker=1"), "?marker=2"])
  }).pipe(Effect.provide(layer))
})

it.effect("a service that is busy for minutes is given up, with what it says", () => {
  const { asked, layer } = api(busy)
  return Effect.gen(function* () {
    const { exit, told } = yield* lookUp
    expect(exit).toMatchObject(Exit.fail({ message: "rate-limited", status: 413 }))
    expect(told).toEqual([waits])
    expect(asked).toHaveLength(61)
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
