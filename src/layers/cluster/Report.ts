/**
 * What only a taskmanager itself knows, told to the others and to `coffer cluster status` by one row in the database:
 * how many actors are awake on it, and how much it took from the broker. The same as metrics.
 */
import { Clock, Duration, Effect, Layer, Metric, Schedule } from "effect"
import { Sharding } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { FabricHealth } from "../fabric/RabbitFabric.ts"

/** How often it is told, and of how long the work is counted. */
export const interval = Duration.seconds(10)
export const window = Duration.minutes(1)

/** For how long one that was killed is shown. */
const remembered = Duration.hours(1)

const actors = Metric.gauge("coffer_taskmanager_actors", { description: "Actors and workflows that are awake here" })
const consumed = Metric.gauge("coffer_taskmanager_consumed", {
  description: "Messages taken from the broker in the last minute"
})

const report = (address: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const sharding = yield* Sharding.Sharding
    const fabric = yield* FabricHealth
    const started = yield* Clock.currentTimeMillis
    const taken = () => fabric.servers().reduce((sum, { count }) => sum + count(), 0)
    /** What had been taken in all, at each report of the last minute. */
    const counts = [taken()]
    const tell = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const awake = yield* sharding.activeEntityCount
      const total = taken()
      const work = total - (counts[0] ?? total)
      counts.push(total)
      if (counts.length > Duration.toMillis(window) / Duration.toMillis(interval)) counts.shift()
      yield* Metric.update(actors, awake)
      yield* Metric.update(consumed, work)
      // The one that was silent for the longest: it is deaf when one of its servers is.
      const heard = Math.min(now, ...fabric.servers().map(({ lastTaken }) => lastTaken()))
      // By the database's clock, for all look at it.
      const ago = (at: number) => sql`now() - ${`${now - at} milliseconds`}::interval`
      yield* sql`
        INSERT INTO taskmanagers (address, reported, started, actors, consumed, taken)
        VALUES (${address}, now(), ${ago(started)}, ${awake}, ${work}, ${ago(heard)})
        ON CONFLICT (address) DO UPDATE SET reported = excluded.reported, started = excluded.started,
          actors = excluded.actors, consumed = excluded.consumed, taken = excluded.taken`
      yield* sql`DELETE FROM taskmanagers WHERE reported < now() - ${`${Duration.toSeconds(remembered)} seconds`}::interval`
    }).pipe(
      Effect.withTracerEnabled(false),
      Effect.catchCause((cause) => Effect.logDebug("the next report will tell", cause))
    )
    yield* Effect.forkScoped(Effect.repeat(tell, Schedule.spaced(interval)))
    // One that was told to stop is not missed.
    yield* Effect.addFinalizer(() => Effect.ignore(sql`DELETE FROM taskmanagers WHERE address = ${address}`))
  })

/** For the taskmanager at this address. */
export const layer = (
  address: string
): Layer.Layer<never, never, SqlClient.SqlClient | Sharding.Sharding | FabricHealth> =>
  Layer.effectDiscard(report(address))
