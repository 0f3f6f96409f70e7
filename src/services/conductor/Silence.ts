/**
 * Finds guests that have gone silent, and tells the taskmanager. Nobody is heard while the broker or the store is
 * away, so that silence says nothing of a guest then, nor for as long afterwards as a guest may be silent.
 */
import { Clock, Duration, Effect, Schedule, type Scope } from "effect"
import { Fabric } from "../Fabric.ts"
import type { InstanceId } from "../Ids.ts"
import { Observations } from "../Observations.ts"
import { heartbeatExpiry } from "../Status.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../TaskmanagerApi.ts"

/** How often guests that have gone silent are looked for. */
export const silenceCheck = Duration.seconds(15)

/** How many are told of at each look. The taskmanager's queue is bounded, and has other things to carry. */
export const maxSilent = 500

/** How many are told of at a time. */
const concurrency = 16

/** When nobody at all is heard for longer, in milliseconds, all are taken to have been kept from it. */
const gap = heartbeatExpiry / 2

export interface Silence {
  /** A guest was heard. */
  readonly heard: Effect.Effect<void>
  /** What guests tell cannot be written now. */
  readonly storeAway: Effect.Effect<void>
  /** Looks for silent guests until the scope closes. */
  readonly watch: Effect.Effect<void, never, Scope.Scope>
}

export const make: Effect.Effect<Silence, never, Observations | Fabric> = Effect.gen(function* () {
  const observations = yield* Observations
  const taskmanager = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi)

  /** Since when every guest could be heard, as far as is known. */
  let wellSince = yield* Clock.currentTimeMillis
  let lastHeard = wellSince
  let isBrokerAway = false

  const heard = Effect.map(Clock.currentTimeMillis, (now) => {
    if (now - lastHeard > gap) wellSince = now
    lastHeard = now
  })
  const storeAway = Effect.map(Clock.currentTimeMillis, (now) => {
    wellSince = now
  })

  /** Answers whom nobody was told of. After one that did not get through, the others are not tried. */
  const tell = Effect.fnUntraced(function* (silent: ReadonlyArray<InstanceId>) {
    let stopped = false
    let isAway = false
    const untold = yield* Effect.filter(
      silent,
      (instance) =>
        Effect.suspend(() =>
          stopped ? Effect.succeed(true) : Effect.as(taskmanager.silent({ instance_id: instance }), false)
        ).pipe(
          Effect.catch(({ reason }) =>
            Effect.sync(() => {
              stopped = true
              isAway ||= reason !== "Overloaded"
              return true
            })
          )
        ),
      { concurrency }
    )
    return { untold, isAway }
  })

  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (!isBrokerAway && now - wellSince < heartbeatExpiry) return
    // One is enough to see whether the broker is back.
    const silent = yield* observations.silentSince(now - heartbeatExpiry, isBrokerAway ? 1 : maxSilent)
    if (silent.length === 0) return
    const { isAway, untold } = yield* tell(silent)
    if (isAway || isBrokerAway) wellSince = yield* Clock.currentTimeMillis
    isBrokerAway = isAway
    if (untold.length === 0) return
    yield* observations.unmarkSilent(untold)
    yield* Effect.logWarning(`the taskmanager could not be told of ${untold.length} silent guests; it will be later`)
  }).pipe(
    Effect.catchDefect((defect) =>
      Effect.andThen(storeAway, Effect.logError("silent guests could not be looked for", defect))
    )
  )

  return {
    heard,
    storeAway,
    watch: Effect.asVoid(Effect.forkScoped(Effect.repeat(Effect.delay(look, silenceCheck), Schedule.forever)))
  }
})
