/**
 * What an instance costs the service while it sleeps, and while its actor is awake. One process goes through all
 * stages, so that what is compared differs by the instances alone. Real guests are not in it.
 */
import { Effect, Schema } from "effect"
import * as Child from "../Child.ts"
import * as Load from "../Load.ts"
import { type Figure, median, megabytes, type Row } from "../Row.ts"
import * as Store from "../Store.ts"

/** What counts as nothing: a hundredth of what an actor in memory costs. */
const nothing = 160
const warmInstances = 20

const Memory = Schema.Struct({ heap: Schema.Number, rss: Schema.Number })
const Awake = Schema.Struct({ awake: Schema.Int })
type Stages = Record<"empty" | "sleeping" | "resident", typeof Memory.Type>

const stages = Effect.fnUntraced(function* (count: number) {
  const store = yield* Store.open
  yield* store.insertActive("warm", warmInstances)
  const service = yield* Child.start("service", { url: store.url }, ["--expose-gc"])
  const { port } = yield* service.ask("listening", Child.Listening)
  const load = yield* Load.start
  const poll = load({
    port,
    connections: 4,
    requests: 500,
    method: "GET",
    paths: ["/v1.0/warm/instances"],
    body: null,
    expect: 200
  })
  /** Long enough for the sweep and the metrics to have met the rows several times. */
  const live = Effect.andThen(poll, Effect.sleep("11 seconds"))
  for (let n = 0; n < 5; n++) yield* Effect.andThen(poll, service.ask("wakeAll", Awake))
  yield* live
  const empty = yield* service.ask("memory", Memory)
  yield* store.insertActive("bench", count)
  yield* live
  const sleeping = yield* service.ask("memory", Memory)
  yield* service.ask("wakeAll", Awake)
  const { awake } = yield* service.ask("awake", Awake)
  const resident = yield* service.ask("memory", Memory)
  if (awake < count) return yield* Effect.die(`${count} actors were woken, ${awake} are awake`)
  return { empty, sleeping, resident } satisfies Stages
}, Effect.scoped)

export const memory: Row = {
  key: "memory",
  title: "memory of sleeping and of resident instances",
  measure: Effect.fnUntraced(function* ({ quick }) {
    const count = quick ? 1000 : 10_000
    const seen: Stages[] = []
    for (let round = 0; round < (quick ? 1 : 3); round++) seen.push(yield* stages(count))
    const of = (stage: keyof Stages, kind: "heap" | "rss") => median(seen.map((stages) => stages[stage][kind]))
    const each = (stage: keyof Stages, kind: "heap" | "rss") =>
      median(seen.map((stages) => (stages[stage][kind] - stages.empty[kind]) / count))
    const figure = (stage: "sleeping" | "resident"): Figure => ({
      name: `memory of ${count} ${stage} instances, beside none`,
      ours: `${megabytes(of(stage, "heap"))} heap, ${megabytes(of(stage, "rss"))} RSS`,
      limit: `${megabytes(of("empty", "heap"))} heap, ${megabytes(of("empty", "rss"))} RSS (empty service)`,
      ratio: (of(stage, "heap") / of("empty", "heap")).toFixed(2),
      target: stage === "sleeping" ? `< ${nothing} bytes of heap each` : "",
      met: stage === "sleeping" ? each(stage, "heap") < nothing : null,
      notes: [`${each(stage, "heap").toFixed(0)} bytes of heap and ${each(stage, "rss").toFixed(0)} of RSS an instance`]
    })
    return [figure("sleeping"), figure("resident")]
  })
}
