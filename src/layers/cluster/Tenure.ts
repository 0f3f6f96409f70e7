/**
 * Whether this process may still act for what it had. One that stood still for longer than its lease (it was stopped,
 * its machine was paused) has been replaced: whatever it had in mind is done by another, and it ends before it does
 * any of it. Every statement to the database asks first, every request that makes or removes a login at the broker, and a
 * clock of its own; what was on the way to the database already goes to sessions that others have ended (Presence.ts).
 *
 * A database that does not answer is no standstill: then the shards are let go by effect's own, and taken again.
 */
import { writeSync } from "node:fs"
import { Context, Duration, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { Statement } from "effect/sql"
import { lease } from "./Lease.ts"

/** How often the clock ticks, and from what gap on a process has stood still. */
const tick = Duration.millis(250)
const standstill = Duration.seconds(1)

export class Tenure extends Context.Service<
  Tenure,
  {
    /** Call before a renewal is asked for; what it gives, once it was granted, with how many shards. */
    readonly renewing: () => (shards: number) => void
    /** Whether the last renewal that was granted was of any shard, and is not too old. */
    readonly held: () => boolean
    /** Does not come back in a process that was replaced. */
    readonly check: () => void
  }
>()("coffer/layers/cluster/Tenure") {}

/** In milliseconds: one clock stands while a machine is paused, the other may be set. */
export interface Moment {
  readonly steady: number
  readonly wall: number
}

const between = (since: Moment, now: Moment) => Math.max(now.steady - since.steady, now.wall - since.wall)

interface Options {
  readonly now: () => Moment
  readonly leave: (reason: string) => void
}

export const make = ({ leave, now }: Options) => {
  let ticked = now()
  let renewed: Moment | null = null
  let shards = 0
  const check = () => {
    const moment = now()
    const still = between(ticked, moment)
    if (still < Duration.toMillis(standstill) || renewed === null) return
    if (between(renewed, moment) < Duration.toMillis(lease)) return
    leave(
      `this taskmanager stood still for ${Math.round(still / 1000)} s, and its lease of ${Duration.format(lease)} has run out: ` +
        "others have what it had. It ends, to be started anew"
    )
  }
  return {
    check,
    held: () => shards > 0 && renewed !== null && between(renewed, now()) < Duration.toMillis(lease),
    renewing: () => {
      // What has run out is not to be renewed as if nothing had been.
      check()
      const asked = now()
      return (granted: number) => {
        renewed = asked
        shards = granted
      }
    },
    onTick: () => {
      check()
      ticked = now()
    }
  }
}

const leave = (reason: string) => {
  writeSync(2, `coffer: ${reason}.\n`)
  // Nothing of it is to be finished, so nothing is closed.
  process.exit(1)
}

const tenure = Layer.effect(
  Tenure,
  Effect.gen(function* () {
    const { check, held, onTick, renewing } = make({
      leave,
      now: () => ({ steady: performance.now(), wall: Date.now() })
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => setInterval(onTick, Duration.toMillis(tick))),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
    return Tenure.of({ check, held, renewing })
  })
)

/** Statements ask first. */
const transformer = Layer.effect(
  Statement.CurrentTransformer,
  Effect.map(
    Tenure,
    ({ check }) =>
      (statement: Statement.Statement<unknown>) =>
        Effect.sync(() => {
          check()
          return statement
        })
  )
)

export const layer = Layer.provideMerge(transformer, tenure)

/** A client whose requests ask first. */
export const requests = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function* () {
    const { check } = yield* Tenure
    return HttpClient.mapRequestEffect(yield* HttpClient.HttpClient, (request) =>
      Effect.sync(() => {
        check()
        return request
      })
    )
  })
)
