/**
 * When a taskmanager that runs is of no use: it takes nothing from the broker, or holds no shard, and has not for a
 * minute. If others fare better it leaves, in good order, so that they have what it had; systemd starts it anew. If they fare
 * no better it stays: with the broker away for everybody, to leave would mend nothing, and to be back at once is best.
 */
import { Clock, Duration, Effect, Layer, Option, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { FabricHealth } from "../fabric/RabbitFabric.ts"
import { Health } from "../Health.ts"
import { lease } from "./Lease.ts"
import * as Report from "./Report.ts"
import { Tenure } from "./Tenure.ts"

/** For how long it is of no use before it leaves; `/health` tells sooner. */
export const patience = Duration.minutes(1)

/** How often it looks at itself. */
const interval = Duration.seconds(5)

/** Others whose last word is older are not asked. */
const heardWithin = Duration.times(Report.interval, 3)

/** How long a stop in good order may take; then it is ended. */
const stopWithin = Duration.seconds(45)

interface Use {
  /** For how long it has taken nothing, and held nothing, in milliseconds. */
  readonly deafFor: number
  readonly emptyFor: number
}

/** What it is of no use by; none while it is of use. */
export const uselessness = ({ deafFor, emptyFor }: Use): Option.Option<"deaf" | "empty"> => {
  const limit = Duration.toMillis(patience)
  if (deafFor > limit) return Option.some("deaf")
  return emptyFor > limit ? Option.some("empty") : Option.none()
}

const reasons = {
  deaf: "it has taken nothing from the broker",
  empty: "it could hold no shard"
} as const

const leave = (reason: string) =>
  Effect.sync(() => {
    console.error(`coffer: ${reason}.`)
    process.exitCode = 1
    setTimeout(() => process.exit(1), Duration.toMillis(stopWithin)).unref()
    process.kill(process.pid, "SIGTERM")
  })

/** For the taskmanager at this address: one look at it, which is true when it leaves; `end` is told why. */
export const make = (address: string, end: (reason: string) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const fabric = yield* FabricHealth
    const tenure = yield* Tenure
    const started = yield* Clock.currentTimeMillis
    let heldAt = started

    const use = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (tenure.held()) heldAt = now
      // One that serves nothing yet is starting.
      const heard = Math.min(now, ...fabric.servers().map(({ lastTaken }) => lastTaken()))
      return { deafFor: now - heard, emptyFor: now - heldAt }
    })

    /** Whether somebody else does what this one does not. */
    const othersDo = (what: "deaf" | "empty") => {
      const within = `${Duration.toSeconds(what === "deaf" ? heardWithin : lease)} seconds`
      return what === "deaf"
        ? sql`
            SELECT 1 FROM taskmanagers WHERE address <> ${address} AND taken > now() - ${within}::interval LIMIT 1`
        : sql`
            SELECT 1 FROM cluster_runners WHERE address <> ${address} AND healthy
              AND last_heartbeat > now() - ${within}::interval LIMIT 1`
    }

    const look = Effect.gen(function* () {
      const useless = uselessness(yield* use)
      if (Option.isNone(useless)) return false
      const others = yield* othersDo(useless.value)
      if (others.length === 0) return false
      yield* end(
        `this taskmanager is of no use: ${reasons[useless.value]} for ${Duration.format(patience)}, and others do. It leaves what it has to them, and ends, to be started anew`
      )
      return true
    }).pipe(
      Effect.withTracerEnabled(false),
      Effect.catchCause((cause) => Effect.as(Effect.logDebug("nobody can be asked", cause), false))
    )
    const holds = Effect.flatMap(use, ({ emptyFor }) =>
      emptyFor > Duration.toMillis(lease)
        ? Effect.fail({ message: `no shard was held for ${Math.round(emptyFor / 1000)} s` })
        : Effect.void
    )
    return { look, holds }
  })

/** For the taskmanager at this address. */
export const layer = (
  address: string
): Layer.Layer<never, never, SqlClient.SqlClient | FabricHealth | Tenure | Health> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { holds, look } = yield* make(address, leave)
      yield* Effect.forkScoped(Effect.repeat(look, { until: (left) => left, schedule: Schedule.spaced(interval) }))
      yield* (yield* Health).register("shards", holds)
    })
  )
