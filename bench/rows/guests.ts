/**
 * What a guest that is connected costs the conductor and the taskmanager in memory: each reports again and again,
 * sealed with its own key, and once in each stage with news that wakes its actor. Measured when all is at rest.
 */
import { Effect, Schedule, Schema } from "effect"
import { withBroker } from "../Broker.ts"
import * as Child from "../Child.ts"
import { freePort } from "../Programs.ts"
import { type Effort, type Figure, megabytes, type Row } from "../Row.ts"
import * as Store from "../Store.ts"

/** What counts as flat: how much more each of many guests may cost than each of few. */
const flat = 1.2
const target = `<= ${flat}`

/** Of a guest, in seconds; two of them are a stage. */
const interval = 10
/** Longer than an actor stays in memory after its last message. */
const rest = "40 seconds"

const Memory = Schema.Struct({ heap: Schema.Number, rss: Schema.Number })
type Stage = { readonly guests: number } & Record<"conductor" | "taskmanager", typeof Memory.Type>

const stages = Effect.fnUntraced(function* (broker: string, { quick }: Effort) {
  const { insertActive, sql, url } = yield* Store.open
  const started = { broker, url, form: "coffer" }
  const collected = ["--expose-gc"]
  const children = {
    taskmanager: yield* Child.start("fabricTaskmanager", { ...started, port: yield* freePort }, collected),
    conductor: yield* Child.start("fabricConductor", started, collected)
  }
  const load = yield* Child.start("guestLoad", { ...started, copied: false })
  for (const child of [...Object.values(children), load]) yield* child.ask("ready", Schema.Unknown)
  yield* children.conductor.ask("serve", Schema.Unknown)

  const taken = load
    .ask("left", Schema.Int)
    .pipe(Effect.repeat({ until: (left) => left === 0, schedule: Schedule.spaced("1 second") }))
  const idsOf = Effect.map(sql<{ readonly id: string }>`SELECT id FROM instances`, (rows) => rows.map(({ id }) => id))
  let present = 0
  let status = "healthy"
  const stage = Effect.fnUntraced(function* (guests: number) {
    yield* insertActive("bench", guests - present)
    present = guests
    const ids = yield* idsOf
    yield* load.ask("giveKeys", Schema.Unknown, ids)
    status = status === "healthy" ? "running" : "healthy"
    yield* load.ask("pace", Schema.Unknown, { ids, perSecond: guests / interval, seconds: 2 * interval, status })
    yield* taken
    yield* Effect.sleep(rest)
    const seen: Stage = {
      guests,
      conductor: yield* children.conductor.ask("memory", Memory),
      taskmanager: yield* children.taskmanager.ask("memory", Memory)
    }
    return seen
  })
  const few = quick ? 10 : 100
  // Warms both up, and fills what remembers a bounded number of messages, however many guests they are of.
  yield* stage(few)
  yield* load.ask("pace", Schema.Unknown, { ids: yield* idsOf, perSecond: 1000, seconds: 5 })
  return yield* Effect.forEach([few, few * 10, few * 100], stage)
}, Effect.scoped)

const figureOf = (seen: ReadonlyArray<Stage>, role: "conductor" | "taskmanager"): ReadonlyArray<Figure> => {
  const [few, some, many] = seen
  if (few === undefined || some === undefined || many === undefined) return []
  const each = (kind: "heap" | "rss", from: Stage, to: Stage) =>
    (to[role][kind] - from[role][kind]) / (to.guests - from.guests)
  const [ofSome, ofMany] = [each("heap", few, some), each("heap", some, many)]
  const show = (stage: Stage) =>
    `${stage.guests} guests: ${megabytes(stage[role].heap)} heap, ${megabytes(stage[role].rss)} RSS`
  const figure: Figure = {
    name: `heap of the ${role} a guest, of ${many.guests} connected guests beside of ${some.guests}`,
    ours: `${ofMany.toFixed(0)} bytes`,
    limit: `${ofSome.toFixed(0)} bytes`,
    ratio: (ofMany / ofSome).toFixed(2),
    target,
    met: ofMany <= ofSome * flat,
    notes: seen.map(show)
  }
  return [figure]
}

export const guests: Row = {
  key: "guests",
  title: "memory of conductor and taskmanager a connected guest",
  measure: (effort) =>
    withBroker(guests.title, target, (broker) =>
      Effect.map(stages(broker, effort), (seen) => [...figureOf(seen, "conductor"), ...figureOf(seen, "taskmanager")])
    )
}
