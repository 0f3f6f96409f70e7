/** A list of 20 instances through our server, beside node:http with the same statement and the same bytes. */
import { Effect } from "effect"
import { selectListed, selectPage } from "../../src/layers/postgres/PgRecords.ts"
import * as Child from "../Child.ts"
import * as Load from "../Load.ts"
import { type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"
import * as Store from "../Store.ts"

const project = "bench"
const path = `/v1.0/${project}/instances`
const target = 0.5

/** Instances of other projects in the same tables. */
const others = 10_000

const fetchText = (port: number) =>
  Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}${path}`).then((answer) => answer.text()))

export const list: Row = {
  key: "list",
  title: `list of 20 of ${others + 20} instances from PostgreSQL over HTTP, 32 connections`,
  measure: Effect.fnUntraced(function* ({ quick }) {
    const store = yield* Store.open
    yield* store.insertActive(project, 20)
    for (const other of ["a", "b", "c", "d"]) yield* store.insertActive(other, others / 4)
    yield* store.sql`ANALYZE`

    const ours = yield* Child.start("api", { url: store.url })
    const { port } = yield* ours.ask("listening", Child.Listening)
    // The links name the host that was asked, and so the port: ours is what everybody writes.
    const body = yield* fetchText(port)
    // What ours asks PostgreSQL for a first page.
    const [statement, parameters] = selectPage(store.sql, selectListed(store.sql), project, {
      limit: 20,
      marker: null
    }).compile()
    const bare = (driver: "pg" | "PgClient") =>
      Child.start("bareList", { url: store.url, driver, statement, parameters, body })
    const servers = [
      { name: "ours", child: ours },
      { name: "node:http + pg", child: yield* bare("pg") },
      { name: "node:http + PgClient", child: yield* bare("PgClient") }
    ] as const

    const run = yield* Load.start
    const seen = yield* Effect.forEach(servers, ({ child, name }) =>
      Effect.map(child.ask("listening", Child.Listening), ({ port }) => ({
        name,
        child,
        load: { port, connections: 32, method: "GET", paths: [path], body: null, expect: 200 },
        rates: [] as number[],
        cpu: [] as number[],
        p50: [] as number[],
        p99: [] as number[],
        rss: 0
      }))
    )
    const requests = quick ? 500 : 3000
    for (const { load } of seen) yield* run({ ...load, requests: requests * 2 })
    for (let round = 0; round < (quick ? 1 : 15); round++) {
      for (const server of seen) {
        const { cpuMicros, result, rss } = yield* Child.cpuDuring(server.child, run({ ...server.load, requests }))
        server.rates.push(result.perSecond)
        server.cpu.push(cpuMicros / requests)
        server.p50.push(result.p50)
        server.p99.push(result.p99)
        server.rss = rss
      }
    }

    const [us, ...limits] = seen
    const limit = limits.toSorted((a, b) => median(b.rates) - median(a.rates))[0]
    if (us === undefined || limit === undefined) return []
    const ratio = medianRatio(us.rates, limit.rates)
    const figure: Figure = {
      name: list.title,
      ours: perSecond(median(us.rates)),
      limit: `${perSecond(median(limit.rates))} (${limit.name})`,
      ratio: ratio.toFixed(2),
      target: `>= ${target}`,
      met: ratio >= target,
      notes: seen.map(
        ({ cpu, name, p50, p99, rates, rss }) =>
          `${name}: ${spread(rates, perSecond)}; ${median(cpu).toFixed(0)} µs of its process a request; ` +
          `p50 ${median(p50).toFixed(1)} ms, p99 ${median(p99).toFixed(1)} ms; ${(rss / 2 ** 20).toFixed(0)} MB`
      )
    }
    return [figure]
  })
}
