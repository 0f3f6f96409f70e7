/**
 * Commands from their request to the actor's first transition: api, taskmanager and load as processes of their own over
 * RabbitMQ and PostgreSQL, beside the same transactions and messages without HTTP, schemas, seals and actors.
 */
import { Effect, Schema } from "effect"
import { withBroker } from "../Broker.ts"
import * as Child from "../Child.ts"
import { liftQuotas, order, projects } from "../Orders.ts"
import { freePort } from "../Programs.ts"
import { type Effort, type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"
import * as Store from "../Store.ts"

const atOnce = 32
const target = 200

const Result = Schema.Struct({ perSecond: Schema.Number, p50: Schema.Number, p99: Schema.Number })

const measure = Effect.fnUntraced(function* (broker: string, { quick }: Effort) {
  const { sql, url } = yield* Store.open
  yield* liftQuotas(sql)

  const taskmanager = yield* Child.start("fabricTaskmanager", { broker, url, port: yield* freePort })
  yield* taskmanager.ask("ready", Schema.Unknown)
  const api = yield* Child.start("fabricApi", { broker, url })
  const { port } = yield* api.ask("listening", Child.Listening)
  const load = yield* Child.start("commandLoad")
  const taker = yield* Child.start("bareCommand", { broker, url, role: "taker" })
  const sender = yield* Child.start("bareCommand", { broker, url, role: "sender" })
  const news = {
    ours: (yield* taskmanager.ask("news", Child.Listening)).port,
    bare: (yield* taker.ask("news", Child.Listening)).port
  }

  const requests = quick ? 200 : 2000
  const commands = { requests, connections: atOnce, projects }
  const post = load.ask("run", Result, { ...commands, port, news: news.ours, body: JSON.stringify(order) })
  const bare = sender.ask("run", Result, { ...commands, news: news.bare })
  const seen = { ours: [] as number[], bare: [] as number[], p50: [] as number[], p99: [] as number[] }
  const cpu = { api: [] as number[], taskmanager: [] as number[] }
  // The first one warms both up.
  for (let round = -1; round < (quick ? 1 : 5); round++) {
    // Both sides begin with empty tables: the sums of a quota grow with its holds.
    yield* sql`TRUNCATE instances CASCADE`
    const taken = yield* Child.cpuDuring(taskmanager, Child.cpuDuring(api, post))
    yield* sql`TRUNCATE instances CASCADE`
    const limit = yield* bare
    if (round < 0) continue
    const { result } = taken.result
    seen.ours.push(result.perSecond)
    seen.p50.push(result.p50)
    seen.p99.push(result.p99)
    seen.bare.push(limit.perSecond)
    cpu.api.push(taken.result.cpuMicros / requests)
    cpu.taskmanager.push(taken.cpuMicros / requests)
  }
  const rate = median(seen.ours)
  const figure: Figure = {
    name: command.title,
    ours: perSecond(rate),
    limit: `${perSecond(median(seen.bare))} (same transactions and messages, pg and amqplib)`,
    ratio: medianRatio(seen.ours, seen.bare).toFixed(2),
    target: `>= ${target}/s`,
    met: rate >= target,
    notes: [
      `ours: ${spread(seen.ours, perSecond)}; p50 ${median(seen.p50).toFixed(0)} ms, p99 ${median(seen.p99).toFixed(0)} ms; ` +
        `${median(cpu.api).toFixed(0)} µs of the api's process a command, ${median(cpu.taskmanager).toFixed(0)} µs of the taskmanager's`,
      `bare: ${spread(seen.bare, perSecond)}`
    ]
  }
  return [figure]
}, Effect.scoped)

export const command: Row = {
  key: "command",
  title: `POST to the actor's first transition, ${atOnce} at once, three processes over RabbitMQ`,
  measure: (effort) => withBroker(command.title, `>= ${target}/s`, (broker) => measure(broker, effort))
}
