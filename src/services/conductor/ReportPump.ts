/**
 * From reports to rows: takes what was admitted in batches, and says that a report is done with when it is written.
 * While the store is away, guests wait. What a guest told is written in the order in which it came.
 */
import { Cause, Deferred, Duration, Effect, Metric, Option, Queue, type Scope } from "effect"
import type { ServiceStatus } from "../ConductorApi.ts"
import { Fabric } from "../Fabric.ts"
import { InstanceId } from "../Ids.ts"
import { type Beat, Observations } from "../Observations.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../TaskmanagerApi.ts"

/** How many reports are taken at once, and so at most in one statement. */
export const maxBatch = 512

/** How many may be in hand: one batch is gathered while another is written. */
export const reportsInHand = 2 * maxBatch

/** How often a batch is tried again while the store is away. Guests wait meanwhile, and the broker keeps the rest. */
const tryAgain = Duration.seconds(1)

/** How many tries go by between two words of it in the log. */
const triesBetweenWords = 60

/** An instance that there never is. */
const nobody = InstanceId.make("00000000-0000-0000-0000-000000000000")

/** How many changes are told to the taskmanager at a time. */
const tellConcurrency = 16

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

/** What the taskmanager is told. */
interface Change {
  readonly instance: InstanceId
  readonly status: ServiceStatus
  readonly progress: string | null
}

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

/** Answers how a report is handed over; that is done when the report is. `storeAway` is run while nothing is written. */
export const make = (
  storeAway: Effect.Effect<void>
): Effect.Effect<(report: Report) => Effect.Effect<void>, never, Observations | Fabric | Scope.Scope> =>
  Effect.gen(function* () {
    const observations = yield* Observations
    const taskmanager = (yield* Fabric).client(taskmanagerTopic, TaskmanagerApi)
    const reports = yield* Queue.bounded<Waiting>(maxBatch)

    const tell = ({ instance, progress, status }: Change) =>
      taskmanager
        .observed({ instance_id: instance, status, progress })
        .pipe(Effect.catch((error) => Effect.logDebug(`a sweep will tell instead: ${error.message}`)))

    /** Answers what the taskmanager is to be told. */
    const writeBeats = Effect.fnUntraced(function* (beats: ReadonlyArray<ProgressBeat>) {
      const written = yield* observations.record(beats)
      yield* Metric.update(heartbeats, written.length)
      const guests = new Set(written.map(({ instance }) => instance))
      const progressed = beats.filter(({ instance, progress }) => progress !== null && guests.has(instance))
      const told = new Set(progressed.map(({ instance }) => instance))
      const changed = written
        .filter(({ changed, instance }) => changed && !told.has(instance))
        .map(({ instance, status }) => ({ instance, status, progress: null }))
      return [...progressed, ...changed]
    })

    /** Of one guest in the order in which it told; of the others at the same time. */
    const tellAll = (changes: ReadonlyArray<Change>) =>
      Effect.forEach(
        Map.groupBy(changes, ({ instance }) => instance).values(),
        (ofOne) => Effect.forEach(ofOne, tell, { discard: true }),
        { concurrency: tellConcurrency, discard: true }
      )

    const write = Effect.fnUntraced(function* (batch: ReadonlyArray<Waiting>) {
      const changes: Array<Change> = []
      // What is written is told, though what comes after it could not be written.
      return yield* Effect.gen(function* () {
        for (const group of inOrder(batch)) {
          const beats = group.flatMap(({ report }) => (report._tag === "Beat" ? [report.beat] : []))
          if (beats.length > 0) changes.push(...(yield* writeBeats(beats)))
          for (const { report } of group) if (report._tag === "Other") yield* report.write
          // Done with at once: what is tried again later is not told twice.
          for (const { done } of group) Deferred.doneUnsafe(done, Effect.void)
        }
      }).pipe(Effect.ensuring(Effect.suspend(() => tellAll(changes))))
    })

    const isWritten = (batch: ReadonlyArray<Waiting>, level: "Warn" | "Debug") =>
      write(batch).pipe(
        Effect.as(true),
        Effect.catchCause((cause) =>
          Cause.hasInterrupts(cause)
            ? Effect.failCause(cause)
            : Effect.as(Effect.logWithLevel(level)("reports of guests could not be written", cause), false)
        )
      )

    const notDone = (batch: ReadonlyArray<Waiting>) =>
      Effect.filter(batch, ({ done }) => Effect.map(Deferred.isDone(done), (isDone) => !isDone))

    const newcomers = (most: number) =>
      Effect.gen(function* () {
        const taken: Array<Waiting> = []
        while (taken.length < most) {
          const next = yield* Queue.poll(reports)
          if (Option.isNone(next)) break
          taken.push(next.value)
        }
        return taken
      })

    /** A write that changes nothing: whether the store takes any. */
    const takesWrites = observations.takeNote(nobody, "none", null).pipe(
      Effect.as(true),
      Effect.catchDefect(() => Effect.succeed(false))
    )

    /**
     * While nothing is written, the store is away. It may come back in the middle of a round, so that what failed
     * before that says nothing: what fails again in a round that began after something was written is at fault. What
     * comes meanwhile is tried as well, so that one report at fault is told from a store that is away.
     */
    const insist = Effect.fnUntraced(function* (batch: ReadonlyArray<Waiting>) {
      if (yield* isWritten(batch, "Warn")) return
      let left = yield* notDone(batch)
      let isBack = false
      for (let tries = 1; left.length > 0; tries++) {
        yield* Effect.sleep(tryAgain)
        const suspects = left
        left = [...left, ...(yield* newcomers(maxBatch - left.length))]
        const failed = yield* Effect.filter(left, (waiting) =>
          Effect.map(isWritten([waiting], "Debug"), (isIt) => !isIt)
        )
        const someWritten = failed.length < left.length
        const isUp = someWritten || (yield* takesWrites)
        if (!isUp) yield* storeAway
        if (isBack && isUp) {
          const dropped = failed.filter((waiting) => suspects.includes(waiting))
          for (const { done } of dropped) yield* Deferred.succeed(done, undefined)
          if (dropped.length > 0) {
            yield* Effect.logError(`${dropped.length} reports of guests were dropped: the store refuses them`)
          }
        }
        isBack = someWritten
        left = yield* notDone(failed)
        if (left.length > 0 && tries % triesBetweenWords === 0) {
          yield* Effect.logWarning(`${left.length} reports of guests could not be written yet; they are tried again`)
          isBack = isUp
        }
      }
    })

    const pump = Effect.gen(function* () {
      const batch = yield* Queue.takeBetween(reports, 1, maxBatch)
      yield* insist(batch)
    })
    yield* Effect.forkScoped(Effect.forever(pump, { disableYield: true }))

    return (report: Report) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<void>()
        return Effect.andThen(Queue.offer(reports, { report, done }), Deferred.await(done))
      })
  })
