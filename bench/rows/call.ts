/**
 * A small call and its answer over RabbitMQ, between two processes of ours, beside two that speak bare amqplib in the
 * same way: alone, and with 32 under way.
 */
import { Effect, Schema } from "effect"
import { withBroker } from "../Broker.ts"
import * as Child from "../Child.ts"
import { type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"

const target = 1.5

const Result = Schema.Struct({ perSecond: Schema.Number, p50: Schema.Number, p99: Schema.Number })

const measure = Effect.fnUntraced(function* (broker: string, rounds: number, calls: number) {
  const servers = {
    ours: yield* Child.start("callServer", { broker }),
    bare: yield* Child.start("bareCall", { broker, role: "server" })
  }
  for (const server of Object.values(servers)) yield* server.ask("ready", Schema.Unknown)
  const clients = {
    ours: yield* Child.start("callClient", { broker }),
    bare: yield* Child.start("bareCall", { broker, role: "client" })
  }
  for (const client of Object.values(clients)) yield* client.ask("ready", Schema.Unknown)
  const sides = ["ours", "bare"] as const

  const compare = Effect.fnUntraced(function* (atOnce: number, how: string) {
    const none = () => ({ rates: [] as number[], p50: [] as number[], p99: [] as number[], cpu: [] as number[] })
    const seen = { ours: none(), bare: none() }
    const count = atOnce === 1 ? calls / 4 : calls
    // The first one warms both up.
    for (let round = -1; round < rounds; round++) {
      for (const side of sides) {
        const asking = clients[side].ask("run", Result, { calls: count, atOnce })
        const {
          cpuMicros,
          result: { cpuMicros: served, result }
        } = yield* Child.cpuDuring(clients[side], Child.cpuDuring(servers[side], asking))
        if (round < 0) continue
        seen[side].rates.push(result.perSecond)
        seen[side].p50.push(result.p50)
        seen[side].p99.push(result.p99)
        seen[side].cpu.push((cpuMicros + served) / count)
      }
    }
    const times = medianRatio(seen.bare.rates, seen.ours.rates)
    const figure: Figure = {
      name: `small call and its answer, ${how}`,
      ours: perSecond(median(seen.ours.rates)),
      limit: `${perSecond(median(seen.bare.rates))} (amqplib)`,
      ratio: `${times.toFixed(2)} x as long`,
      target: `<= ${target} x`,
      met: times <= target,
      notes: sides.map((side) => {
        const { cpu, p50, p99, rates } = seen[side]
        return (
          `${side}: ${spread(rates, perSecond)}; p50 ${median(p50).toFixed(2)} ms, p99 ${median(p99).toFixed(2)} ms; ` +
          `${median(cpu).toFixed(0)} µs of both processes a call`
        )
      })
    }
    return figure
  })
  return [yield* compare(1, "one after the other"), yield* compare(32, "32 at once")]
}, Effect.scoped)

export const call: Row = {
  key: "call",
  title: "small call and its answer over RabbitMQ",
  measure: ({ quick }) =>
    withBroker(call.title, `<= ${target} x`, (broker) => measure(broker, quick ? 1 : 5, quick ? 800 : 8000))
}
