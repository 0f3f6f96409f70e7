/**
 * Casts that lie in a queue, taken by a server of ours until its mailbox has them, beside bare amqplib that reads
 * the very same messages as JSON.
 */
import { Effect, Schema } from "effect"
import { taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { withBroker } from "../Broker.ts"
import * as Child from "../Child.ts"
import type { Form } from "../children/rabbitComposition.ts"
import { type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"

const target = 0.6
const prefetch = 200
/** As processes of ours speak to each other, and without that. */
const forms = { plain: "in clear text", coffer: "sealed" } as const satisfies Partial<Record<Form, string>>

const Rate = Schema.Struct({ perSecond: Schema.Number })

const compare = Effect.fnUntraced(function* (broker: string, form: keyof typeof forms, rounds: number, count: number) {
  const load = yield* Child.start("newsLoad", { broker, form })
  const ours = yield* Child.start("castServer", { broker, form })
  const bare = yield* Child.start("bareConsume", { broker })
  yield* load.ask("ready", Schema.Unknown)
  yield* ours.ask("ready", Schema.Unknown)
  const seen = {
    ours: { rates: [] as number[], cpu: [] as number[] },
    bare: { rates: [] as number[], cpu: [] as number[] }
  }
  const drain = Effect.fnUntraced(function* (side: keyof typeof seen) {
    const child = side === "ours" ? ours : bare
    const argument = { topic: taskmanagerTopic, count, prefetch }
    const { cpuMicros, result } = yield* Child.cpuDuring(child, child.ask("drain", Rate, argument))
    seen[side].rates.push(result.perSecond)
    seen[side].cpu.push(cpuMicros / count)
  })
  // The first one warms both up.
  for (let round = -1; round < rounds; round++) {
    yield* load.ask("send", Schema.Unknown, { count })
    for (const side of round % 2 === 0 ? (["ours", "bare"] as const) : (["bare", "ours"] as const)) yield* drain(side)
    const left = yield* load.ask("left", Schema.Int)
    if (left > 0) return yield* Effect.die(`${left} messages were not acknowledged`)
    if (round >= 0) continue
    for (const { cpu, rates } of Object.values(seen)) rates.length = cpu.length = 0
  }
  const ratio = medianRatio(seen.ours.rates, seen.bare.rates)
  const notes = Object.entries(seen).map(
    ([name, { cpu, rates }]) =>
      `${name}: ${spread(rates, perSecond)}; ${median(cpu).toFixed(0)} µs of its process a message`
  )
  const hasTarget = form === "plain"
  const figure: Figure = {
    name: `casts taken, ${forms[form]}`,
    ours: perSecond(median(seen.ours.rates)),
    limit: `${perSecond(median(seen.bare.rates))} (amqplib, JSON.parse)`,
    ratio: ratio.toFixed(2),
    target: hasTarget ? `>= ${target}` : "",
    met: hasTarget ? ratio >= target : null,
    notes
  }
  return figure
}, Effect.scoped)

export const cast: Row = {
  key: "cast",
  title: `casts taken from RabbitMQ, ${prefetch} at once in hand`,
  measure: ({ quick }) =>
    withBroker(cast.title, `>= ${target}`, (broker) =>
      Effect.forEach(["plain", "coffer"] as const, (form) =>
        compare(broker, form, quick ? 1 : 7, quick ? 2000 : 10_000)
      )
    )
}
