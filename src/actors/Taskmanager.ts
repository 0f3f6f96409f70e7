/**
 * The taskmanager: takes the news that the api and the conductor send, and wakes the actors they are for. What
 * the news was about is in the store already, so a sweep makes good whatever got lost on the way.
 */
import { Clock, Context, Duration, Effect, Layer, Schedule } from "effect"
import { Sharding, Singleton } from "effect/cluster"
import { Fabric } from "../services/Fabric.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../services/TaskmanagerApi.ts"
import { InstanceEntity, tell, wake } from "./InstanceMailbox.ts"
import { Lifecycles } from "./Lifecycles.ts"

/** How often the sweep looks for actors that missed their news, and how many it wakes at the most. */
const sweepInterval = Duration.seconds(2)
const maxWoken = 1000

/** How many actors are given news at once: one that is moving from one process to another holds up few others. */
const atOnce = 16

/** How long a deleted instance is remembered, with its history, before every trace of it is removed. */
export const DeletedRetention = Context.Reference<Duration.Duration>("coffer/actors/DeletedRetention", {
  defaultValue: () => Duration.days(7)
})

/** How long a command is remembered once it is handled. */
export const HandledRetention = Context.Reference<Duration.Duration>("coffer/actors/HandledRetention", {
  defaultValue: () => Duration.hours(1)
})

/** How often what is over is removed. */
export const PruneInterval = Context.Reference<Duration.Duration>("coffer/actors/PruneInterval", {
  defaultValue: () => Duration.minutes(10)
})

const serve = Effect.gen(function* () {
  const fabric = yield* Fabric
  const client = yield* InstanceEntity.client
  const sharding = yield* Sharding.Sharding
  yield* fabric.serve(
    taskmanagerTopic,
    TaskmanagerApi,
    {
      wake: ({ instance_id }) => Effect.provideService(wake(instance_id), Sharding.Sharding, sharding),
      observed: ({ instance_id, progress, status }) =>
        tell(client(instance_id).Observed({ status, progress }, { discard: true })),
      silent: ({ instance_id }) => tell(client(instance_id).Silent(undefined, { discard: true }))
    },
    { concurrency: atOnce }
  )
})

/** Wakes every actor with an operation under way, with old mail, or past its deadline. */
const sweep = Effect.gen(function* () {
  const lifecycles = yield* Lifecycles
  const now = yield* Clock.currentTimeMillis
  const missed = yield* lifecycles
    .overdue({
      mailBefore: now - Duration.toMillis(sweepInterval),
      now,
      limit: maxWoken
    })
    .pipe(Effect.withTracerEnabled(false))
  const underWay = yield* Effect.withTracerEnabled(lifecycles.underWay(maxWoken), false)
  yield* Effect.forEach(new Set([...missed, ...underWay]), wake, { concurrency: atOnce, discard: true })
}).pipe(Effect.catchCause((cause) => Effect.logError("the sweep failed", cause)))

/** How many rows are removed at a time. */
const pruneBatch = 1000

/** Removes what is over, a batch at a time. */
const drain = Effect.fnUntraced(function* (removed: (limit: number) => Effect.Effect<number>) {
  let all = 0
  for (let last = pruneBatch; last >= pruneBatch; all += last) last = yield* removed(pruneBatch)
  return all
})

const prune = Effect.gen(function* () {
  const lifecycles = yield* Lifecycles
  const now = yield* Clock.currentTimeMillis
  const handledBefore = now - Duration.toMillis(yield* HandledRetention)
  yield* drain((limit) => lifecycles.pruneMail(handledBefore, limit))
  const deletedBefore = now - Duration.toMillis(yield* DeletedRetention)
  const pruned = yield* drain((limit) => lifecycles.prune(deletedBefore, limit))
  if (pruned > 0) yield* Effect.logInfo(`${pruned} deleted instances were forgotten`)
}).pipe(Effect.catchCause((cause) => Effect.logError("what is over could not be pruned", cause)))

/** One of a fleet's taskmanagers sweeps, and another takes over when it dies. */
export const layer = Layer.mergeAll(
  Layer.effectDiscard(serve),
  Singleton.make("sweep", Effect.repeat(sweep, Schedule.spaced(sweepInterval))),
  Singleton.make(
    "prune",
    Effect.flatMap(PruneInterval, (interval) => Effect.repeat(prune, Schedule.spaced(interval)))
  )
)
