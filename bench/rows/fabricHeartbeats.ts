/**
 * Heartbeats that lie in the conductor's queue of a RabbitMQ, taken by the conductor until they are rows, beside bare
 * amqplib that reads the very same messages as JSON; and how many transactions they cost the store, of few guests and
 * of many.
 */
import { Effect, Schema } from "effect"
import { conductorTopic } from "../../src/services/ConductorApi.ts"
import { reportsInHand } from "../../src/services/conductor/ReportPump.ts"
import { withBroker } from "../Broker.ts"
import * as Child from "../Child.ts"
import type { Form } from "../children/rabbitComposition.ts"
import { type Effort, type Figure, median, medianRatio, perSecond, type Row, spread } from "../Row.ts"
import * as Store from "../Store.ts"

const target = 0.5
const guests = 2000
/** As many as the conductor takes at once. */
const prefetch = reportsInHand
const words: Record<Form, string> = { plain: "in clear text", coffer: "sealed", trove: "encrypted as Trove does" }

const Rate = Schema.Struct({ perSecond: Schema.Number })
const Drained = Schema.Struct({ perSecond: Schema.Number, beatsEach: Schema.Number })
const Sent = Schema.Struct({ lastRound: Schema.Number })

type OpenStore = Effect.Success<typeof Store.open>

const idsOf = ({ sql }: OpenStore) =>
  Effect.map(sql<{ readonly id: string }>`SELECT id FROM instances ORDER BY id`, (rows) => rows.map(({ id }) => id))

/** What was seen of one side, a figure a round. */
const none = () => ({ rates: [] as number[], cpu: [] as number[], batches: [] as number[] })

const written = Effect.fnUntraced(function* (store: OpenStore, broker: string, form: Form, { quick }: Effort) {
  const { sql, url } = store
  const ids = yield* idsOf(store)
  const load = yield* Child.start("guestLoad", { broker, copied: true, form, url })
  const ours = yield* Child.start("fabricConductor", { broker, form, url })
  const bare = yield* Child.start("bareConsume", { broker })
  for (const child of [load, ours]) yield* child.ask("ready", Schema.Unknown)
  yield* load.ask("giveKeys", Schema.Unknown, ids)
  const beats = quick ? 1 : 5
  const count = ids.length * beats
  let seen = { ours: none(), bare: none() }
  const drainOurs = Effect.gen(function* () {
    const { cpuMicros, result } = yield* Child.cpuDuring(ours, ours.ask("drain", Drained, { count }))
    seen.ours.rates.push(result.perSecond)
    seen.ours.batches.push(result.beatsEach)
    seen.ours.cpu.push(cpuMicros / count)
  })
  const drainBare = Effect.gen(function* () {
    const question = bare.ask("drain", Rate, { topic: conductorTopic, count, prefetch })
    const { cpuMicros, result } = yield* Child.cpuDuring(bare, question)
    seen.bare.rates.push(result.perSecond)
    seen.bare.cpu.push(cpuMicros / count)
  })
  // The first one warms both up.
  for (let round = -1; round < (quick ? 1 : 5); round++) {
    if (round === 0) seen = { ours: none(), bare: none() }
    const { lastRound } = yield* load.ask("beat", Sent, { ids, rounds: beats })
    for (const side of round % 2 === 0 ? [drainOurs, drainBare] : [drainBare, drainOurs]) yield* side
    const rows = yield* sql<{
      readonly n: bigint
    }>`SELECT count(*) AS n FROM observations WHERE sent > to_timestamp(${lastRound}::float8)`
    const left = yield* load.ask("left", Schema.Int)
    if (Number(rows[0]?.n) < ids.length || left > 0) {
      return yield* Effect.die(`the last beats of ${rows[0]?.n} guests were written, ${left} messages are left`)
    }
    yield* sql`VACUUM observations`.unprepared
  }
  const ratio = medianRatio(seen.ours.rates, seen.bare.rates)
  const hasTarget = form === "plain"
  const note = ({ cpu, rates }: ReturnType<typeof none>) =>
    `${spread(rates, perSecond)}; ${median(cpu).toFixed(0)} µs of its process a beat`
  const figure: Figure = {
    name: `heartbeats of ${ids.length} guests over RabbitMQ, ${words[form]}, written`,
    ours: perSecond(median(seen.ours.rates)),
    limit: `${perSecond(median(seen.bare.rates))} (amqplib, JSON.parse)`,
    ratio: ratio.toFixed(2),
    target: hasTarget ? `>= ${target}` : "",
    met: hasTarget ? ratio >= target : null,
    notes: [
      `ours: ${note(seen.ours)}, ${median(seen.ours.batches).toFixed(0)} beats a statement`,
      `amqplib: ${note(seen.bare)}`
    ]
  }
  return figure
}, Effect.scoped)

const pace = 1000
const few = 100
const many = 10_000
/** What counts as no growth: what it varies by from round to round. */
const growth = 1.2

/** How many transactions a second the store had while these guests beat. */
const transactions = Effect.fnUntraced(function* (store: OpenStore, broker: string, seconds: number) {
  const ids = yield* idsOf(store)
  // What a process did is counted at the latest when it ends.
  const committed = Effect.map(
    store.sql<{ readonly n: bigint }>`SELECT xact_commit AS n FROM pg_stat_database WHERE datname = current_database()`,
    (rows) => Number(rows[0]?.n)
  ).pipe(Effect.delay("2 seconds"))
  const before = yield* committed
  const paced = yield* Effect.gen(function* () {
    const load = yield* Child.start("guestLoad", { broker, copied: false, form: "plain", url: store.url })
    const conductor = yield* Child.start("fabricConductor", { broker, form: "plain", url: store.url })
    for (const child of [load, conductor]) yield* child.ask("ready", Schema.Unknown)
    yield* conductor.ask("serve", Schema.Unknown)
    return yield* load.ask("pace", Rate, { ids, perSecond: pace, seconds })
  }).pipe(Effect.scoped)
  const kept = yield* committed
  const beats = pace * seconds
  return { perSecond: ((kept - before) * paced.perSecond) / beats, paced: paced.perSecond }
})

const statements = Effect.fnUntraced(function* (store: OpenStore, broker: string, { quick }: Effort) {
  const { insertActive, sql } = store
  const measure = Effect.fnUntraced(function* (guests: number) {
    yield* sql`TRUNCATE instances CASCADE`
    yield* insertActive("bench", guests)
    yield* sql`ANALYZE`
    return yield* transactions(store, broker, quick ? 1 : 5)
  })
  const seen = yield* Effect.forEach(Array.from({ length: quick ? 1 : 5 }), () =>
    Effect.all({ few: measure(few), many: measure(many) })
  )
  const rates = (side: "few" | "many") => seen.map((round) => round[side].perSecond)
  const times = medianRatio(rates("many"), rates("few"))
  const note = (guests: number, side: "few" | "many") =>
    `${guests} guests: ${spread(rates(side), perSecond)}, at ${perSecond(median(seen.map((round) => round[side].paced)))} heartbeats`
  const figure: Figure = {
    name: `transactions for ${pace} heartbeats a second, of ${many} guests beside of ${few}`,
    ours: perSecond(median(rates("many"))),
    limit: `${perSecond(median(rates("few")))} (${few} guests)`,
    ratio: times.toFixed(2),
    target: `<= ${growth}`,
    met: times <= growth,
    notes: [note(few, "few"), note(many, "many")]
  }
  return figure
})

export const fabricHeartbeats: Row = {
  key: "fabric-heartbeats",
  title: `heartbeats of ${guests} guests over RabbitMQ, written`,
  measure: (effort) =>
    withBroker(
      fabricHeartbeats.title,
      `>= ${target}`,
      Effect.fnUntraced(function* (broker) {
        const store = yield* Store.open
        yield* store.insertActive("bench", guests)
        yield* store.sql`UPDATE observations SET sent = now() - interval '1 hour'`
        yield* store.sql`ANALYZE`
        const figures: Figure[] = []
        for (const form of ["plain", "coffer", "trove"] as const) {
          // A guest's key has the form that its agent had at its build.
          yield* store.sql`DELETE FROM guest_keys`
          figures.push(yield* written(store, broker, form, effort))
        }
        return [...figures, yield* statements(store, broker, effort)]
      })
    )
}
