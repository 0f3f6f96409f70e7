/**
 * The conductor over the store in memory and a fabric in which a test says who sends, with a witness of whom it told
 * what, and the words to play a guest.
 */
import { Cause, Clock, Effect, Layer, Logger, Metric, Option, type Scope } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import { ConductorApi, conductorTopic, type ServiceStatus } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestHostDirectory } from "../../src/services/GuestHostDirectory.ts"
import { History } from "../../src/services/History.ts"
import { InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import * as ProvenFabric from "./ProvenFabric.ts"

let drawn = 0
export const nextId = () => InstanceId.make(`00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`)

/** An instance that has a guest, as far as the store knows. */
export const anInstance = Effect.fnUntraced(function* (state: State = { _tag: "Active" }) {
  const id = nextId()
  const now = yield* Clock.currentTimeMillis
  yield* (yield* Instances).create(
    {
      id,
      project: ProjectId.make(id),
      name: "db",
      flavor: "1",
      ram: 1,
      volumeSize: 1,
      volumeType: null,
      datastoreVersion: "v-1",
      region: "RegionOne",
      access: null,
      created: now,
      updated: now
    },
    { databases: [], users: [] }
  )
  const lifecycles = yield* Lifecycles
  yield* lifecycles.commit(id, { generation: 0, state, transition: null, handled: [] }).pipe(Effect.orDie)
  return id
})

/** What the witness heard in this world. */
export const recorded: Array<string> = []

/** Who was told what: of the taskmanager, of the directory of hosts, and of whoever reads the log. */
const witness = Layer.mergeAll(
  Layer.effectDiscard(
    Effect.gen(function* () {
      recorded.length = 0
      yield* (yield* Fabric).serve(taskmanagerTopic, TaskmanagerApi, {
        wake: () => Effect.void,
        observed: ({ instance_id, progress, status }) =>
          Effect.sync(() => void recorded.push(`${instance_id} is ${progress ?? status}`)),
        silent: ({ instance_id }) => Effect.sync(() => void recorded.push(`${instance_id} is silent`))
      })
    })
  ),
  Layer.succeed(GuestHostDirectory, {
    report: ({ addresses, at, memoryMb, name, zone }) =>
      Effect.sync(() => void recorded.push(`host ${name} of ${zone} has ${addresses}, ${memoryMb} MB at ${at}`)),
    live: () => Effect.succeed([]),
    known: Effect.succeed([]),
    guards: () => Effect.succeed(null),
    zones: () => Effect.succeed([]),
    remove: () => Effect.succeed(0)
  }),
  Logger.layer([
    Logger.make<unknown, void>(({ cause, logLevel, message }) => {
      const failed = cause.reasons.length === 0 ? "" : ` ${Cause.pretty(cause)}`
      if (logLevel === "Warn" || logLevel === "Error") recorded.push(`${logLevel}: ${String(message)}${failed}`)
    })
  ])
)

export const logged = () => recorded.filter((line) => /^(Warn|Error): /.test(line))

const store = MemoryStore.layer
const fabric = ProvenFabric.layer
const world = Layer.effectDiscard(Conductor.serve).pipe(
  Layer.provideMerge(witness),
  Layer.provideMerge(Layer.merge(store, fabric))
)
type World = Layer.Success<typeof world>

export const run = <A, E>(test: Effect.Effect<A, E, World | Scope.Scope>) => Effect.provide(Effect.scoped(test), world)

/** A world in which the conductor's store is what `strange` makes of it. */
export const runWith = <A, E>(
  strange: (observations: Observations["Service"], history: History["Service"]) => Layer.Layer<Observations | History>,
  test: Effect.Effect<A, E, World>
) => {
  const strangeStore = Layer.unwrap(
    Effect.gen(function* () {
      return strange(yield* Observations, yield* History)
    })
  )
  return Effect.provide(
    test,
    Layer.effectDiscard(Conductor.serve).pipe(
      Layer.provide(strangeStore),
      Layer.provideMerge(witness),
      Layer.provideMerge(Layer.merge(store, fabric))
    )
  )
}

/** What guests send to. */
export const conductor = Effect.map(Fabric, (fabric) => fabric.client(conductorTopic, ConductorApi))

export const beat = Effect.fnUntraced(function* (
  instance_id: string,
  service_status: ServiceStatus = "healthy",
  later = 0
) {
  const sent = (yield* Clock.currentTimeMillis) / 1000 + later
  yield* (yield* conductor).heartbeat({ instance_id, payload: { service_status }, sent })
})

export const failure = Effect.fnUntraced(function* (
  instance_id: string | null,
  message: string,
  kind = "InstanceCreate"
) {
  const notification_classname = `trove.common.notification.DBaaS${kind}`
  yield* (yield* conductor).notify_exc_info({
    serialized_notification: { notification_classname, instance_id },
    message
  })
})

/** What is known of a guest. */
export const seen = Effect.fnUntraced(function* (id: InstanceId) {
  return Option.getOrNull(yield* (yield* Observations).get(id))
})

/** What the history says that the guest told. */
export const story = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* (yield* History).list(id)
  return entries.flatMap((entry) => (entry.kind === "report" ? [entry.text] : []))
})

/** How far a counter has come, over all of its attributes that are not named. */
export const counted = (id: string, attributes: Record<string, string>) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics
      .filter((metric) => metric.id === id)
      .filter(({ attributes: has }) => Object.entries(attributes).every(([key, value]) => has?.[key] === value))
      .reduce((sum, { state }) => sum + ("count" in state ? Number(state.count) : 0), 0)
  )
export const refusals = (reason: string) => counted("coffer_reports_refused", { reason })
