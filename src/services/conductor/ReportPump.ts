/**
 * From reports to rows: takes what was admitted in batches, and says that a report is done with when it is written.
 * While the store is away, guests wait. What a guest told is written in the order in which it came.
 */
import { Cause, Deferred, Effect, Metric, Queue, type Scope } from "effect"
import type { ServiceStatus } from "../ConductorApi.ts"
import { Fabric } from "../Fabric.ts"
import type { InstanceId } from "../Ids.ts"
import { type Beat, Observations } from "../Observations.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../TaskmanagerApi.ts"

/** How many reports are taken at once, and so at most in one statement. */
export const maxBatch = 256

/** How often, a second apart, a batch is tried again while the store is away. Guests wait meanwhile. */
const patience = 60

interface ProgressBeat extends Beat {
  /** For the history only: words are told on, not kept as a state. */
  readonly progress: string | null
}

const heartbeats = Metric.counter("coffer_heartbeats", {
  description: "Heartbeats that were newer than the last of their guest, and written",
  incremental: true
})

/** Heartbeats are many, and written together; of anything else there is little, and it is written by itself. */
export type Report =
  | { readonly _tag: "Beat"; readonly beat: ProgressBeat }
  | { readonly _tag: "Other"; readonly instance: InstanceId | null; readonly write: Effect.Effect<void> }

interface Waiting {
  readonly report: Report
  readonly done: Deferred.Deferred<void>
}

/** Heartbeats are gathered into one statement, past what others tell, and not past what their own guest tells. */
const inOrder = (batch: ReadonlyArray<Waiting>): ReadonlyArray<ReadonlyArray<Waiting>> => {
  const groups: Array<ReadonlyArray<Waiting>> = []
  let beats: Array<Waiting> = []
  let guests = new Set<InstanceId>()
  for (const waiting of batch) {
    const { report } = waiting
    if (report._tag === "Beat") {
      beats.push(waiting)
      guests.add(report.beat.instance)
      continue
    }
    if (report.instance !== null && guests.has(report.instance)) {
      groups.push(beats)
      beats = []
      guests = new Set()
    }
    groups.push([waiting])
  }
  return beats.length === 0 ? groups : [...groups, beats]
}

/** Answers how a report is handed over; that is done when the report is. */
export const make: Effect.Effect<(report: Report) => Effect.Effect<void>, never, Observations | Fabric | Scope.Scope> =
  Effect.gen(function* () {
    const observations = yield* Observations
    const taskmanager = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi)
    const reports = yield* Queue.bounded<Waiting>(maxBatch)

    const tell = (instance: InstanceId, status: ServiceStatus, progress: string | null) =>
      taskmanager
        .observed({ instance_id: instance, status, progress })
        .pipe(Effect.catch((error) => Effect.logDebug(`a sweep will tell instead: ${error.message}`)))

    const writeBeats = Effect.fnUntraced(function* (beats: ReadonlyArray<ProgressBeat>) {
      const written = yield* observations.record(beats)
      yield* Metric.update(heartbeats, written.length)
      const guests = new Set(written.map(({ instance }) => instance))
      for (const { instance, progress, status } of beats) {
        if (progress !== null && guests.has(instance)) yield* tell(instance, status, progress)
      }
      const told = new Set(beats.flatMap(({ instance, progress }) => (progress === null ? [] : [instance])))
      for (const { changed, instance, status } of written) {
        if (changed && !told.has(instance)) yield* tell(instance, status, null)
      }
    })

    const write = Effect.fnUntraced(function* (batch: ReadonlyArray<Waiting>) {
      for (const group of inOrder(batch)) {
        const beats = group.flatMap(({ report }) => (report._tag === "Beat" ? [report.beat] : []))
        if (beats.length > 0) yield* writeBeats(beats)
        for (const { report } of group) if (report._tag === "Other") yield* report.write
        // Done with at once: what is tried again later is not told twice.
        for (const { done } of group) yield* Deferred.succeed(done, undefined)
      }
    })

    const isWritten = (batch: ReadonlyArray<Waiting>) =>
      write(batch).pipe(
        Effect.as(true),
        Effect.catchCause((cause) =>
          Cause.hasInterrupts(cause)
            ? Effect.failCause(cause)
            : Effect.as(Effect.logWarning("reports of guests could not be written", cause), false)
        )
      )

    /** What fails alone while others are written is at fault itself, and dropped; while nothing is, the store is away. */
    const insist = Effect.fnUntraced(function* (batch: ReadonlyArray<Waiting>) {
      if (yield* isWritten(batch)) return
      for (let tries = 0; tries < patience; tries++) {
        yield* Effect.sleep("1 second")
        const left = yield* Effect.filter(batch, ({ done }) => Effect.map(Deferred.isDone(done), (isDone) => !isDone))
        const written = yield* Effect.forEach(left, (waiting) => isWritten([waiting]))
        const dropped = written.filter((isWritten) => !isWritten).length
        if (dropped < left.length || left.length === 0) {
          if (dropped > 0) yield* Effect.logError(`${dropped} reports of guests were dropped: the store refuses them`)
          return
        }
      }
      yield* Effect.logError("reports of guests are given up: the store is away; the next ones will tell")
    })

    const pump = Effect.gen(function* () {
      const batch = yield* Queue.takeBetween(reports, 1, maxBatch)
      yield* insist(batch)
      for (const { done } of batch) yield* Deferred.succeed(done, undefined)
    })
    yield* Effect.forkScoped(Effect.forever(pump))

    return Effect.fnUntraced(function* (report: Report) {
      const done = yield* Deferred.make<void>()
      yield* Queue.offer(reports, { report, done })
      yield* Deferred.await(done)
    })
  })
