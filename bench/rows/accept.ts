/**
 * Orders accepted: POST /instances, with its quota and its command durable, beside the same transactions without
 * HTTP, validation or sealing. Nobody takes the commands: what an order costs later is not in it.
 */
import { Effect, Schema } from "effect"
import * as Child from "../Child.ts"
import * as Load from "../Load.ts"
import { liftQuotas, order, projects } from "../Orders.ts"
import { type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"
import * as Store from "../Store.ts"

const atOnce = 32
const target = 300

export const accept: Row = {
  key: "accept",
  title: `POST accepted, ${atOnce} at once, ${projects.length} projects, fsync on`,
  measure: Effect.fnUntraced(function* ({ quick }) {
    const { sql, url } = yield* Store.open
    yield* liftQuotas(sql)
    /** Both sides begin with empty tables: the sums of a quota grow with its holds. */
    const empty = sql`TRUNCATE instances CASCADE`

    const ours = yield* Child.start("api", { url })
    const bare = yield* Child.start("bareAccept", { url })
    const load = yield* Load.start
    const { port } = yield* ours.ask("listening", Child.Listening)

    const count = quick ? 200 : 2000
    const post = (requests: number) =>
      load({
        port,
        connections: atOnce,
        requests,
        method: "POST",
        paths: projects.map((project) => `/v1.0/${project}/instances`),
        body: JSON.stringify(order),
        expect: 200
      })
    const transact = (transactions: number) =>
      bare.ask("run", Schema.Struct({ perSecond: Schema.Number }), { transactions, loops: atOnce, projects })
    yield* post(count / 2)
    yield* transact(count / 2)

    const rates = { ours: [] as number[], bare: [] as number[] }
    const p99: number[] = []
    const cpu: number[] = []
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      yield* empty
      const { cpuMicros, result } = yield* Child.cpuDuring(ours, post(count))
      rates.ours.push(result.perSecond)
      p99.push(result.p99)
      cpu.push(cpuMicros / count)
      const kept = yield* sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM mailbox WHERE handled IS NULL`
      if (Number(kept[0]?.n) !== count) return yield* Effect.die(`${count} were accepted, ${kept[0]?.n} are kept`)
      yield* empty
      rates.bare.push((yield* transact(count)).perSecond)
    }
    const figure: Figure = {
      name: accept.title,
      ours: perSecond(median(rates.ours)),
      limit: `${perSecond(median(rates.bare))} (same transactions, pg)`,
      ratio: medianRatio(rates.ours, rates.bare).toFixed(2),
      target: `>= ${target}/s`,
      met: median(rates.ours) >= target,
      notes: [
        `ours: ${spread(rates.ours, perSecond)}; p99 ${median(p99).toFixed(0)} ms; ${median(cpu).toFixed(0)} µs of its process a request`,
        `transactions: ${spread(rates.bare, perSecond)}`
      ]
    }
    return [figure]
  })
}
