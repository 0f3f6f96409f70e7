/** Heartbeats through the conductor, from message to row, beside an UPDATE by key for each. */
import { Effect, Schema } from "effect"
import * as Child from "../Child.ts"
import { type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"
import * as Store from "../Store.ts"

const guests = 2000
const Result = Schema.Struct({ perSecond: Schema.Number })

export const heartbeats: Row = {
  key: "heartbeats",
  title: `heartbeats of ${guests} guests, written`,
  measure: Effect.fnUntraced(function* ({ quick }) {
    const { insertActive, sql, url } = yield* Store.open
    yield* insertActive("bench", guests)
    yield* sql`UPDATE observations SET sent = now() - interval '1 hour'`
    yield* sql`ANALYZE`
    const ids = (yield* sql<{ readonly id: string }>`SELECT id FROM instances`).map(({ id }) => id)
    const ours = yield* Child.start("conductor", { url })
    const bare = yield* Child.start("bareUpdate", { url })
    yield* ours.ask("ready", Schema.Unknown)
    const beats = { ids, rounds: quick ? 1 : 5 }
    yield* ours.ask("beat", Result, beats)
    yield* bare.ask("beat", Result, { ids, rounds: 1 })
    const rates = { ours: [] as number[], bare: [] as number[] }
    const cpu: number[] = []
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      const { cpuMicros, result } = yield* Child.cpuDuring(ours, ours.ask("beat", Result, beats))
      rates.ours.push(result.perSecond)
      cpu.push(cpuMicros / (guests * beats.rounds))
      rates.bare.push((yield* bare.ask("beat", Result, beats)).perSecond)
      // What was written last by the bare side must not look newer than the next beats.
      yield* sql`UPDATE observations SET sent = now() - interval '1 hour'`
      yield* sql`VACUUM observations`.unprepared
    }
    const figure: Figure = {
      name: heartbeats.title,
      ours: perSecond(median(rates.ours)),
      limit: `${perSecond(median(rates.bare))} (UPDATE by key, pg)`,
      ratio: medianRatio(rates.ours, rates.bare).toFixed(2),
      target: "",
      met: null,
      notes: [
        `ours, in batches: ${spread(rates.ours, perSecond)}; ${median(cpu).toFixed(0)} µs of its process a beat, sender included`,
        `UPDATE by key: ${spread(rates.bare, perSecond)}`
      ]
    }
    return [figure]
  })
}
