/**
 * The conductor: takes what guests report, so that no guest ever touches the store. Heartbeats are written in
 * batches, each message done with after its write; only what changed is told to the taskmanager.
 */
import { Cause, Clock, Deferred, Duration, Effect, Metric, Queue, Schedule, Schema } from "effect"
import { ConductorApi, conductorTopic, type ServiceStatus } from "./ConductorApi.ts"
import { Fabric } from "./Fabric.ts"
import { InstanceId as Id, type InstanceId } from "./Ids.ts"
import { type Beat, Observations } from "./Observations.ts"
import { heartbeatExpiry } from "./Status.ts"
import { TaskmanagerApi, taskmanagerTopic } from "./TaskmanagerApi.ts"

/** How many reports are taken at once, and so at most in one statement. */
const maxBatch = 256

/** How often, a second apart, a batch is tried again while the store is away. Guests wait meanwhile. */
const patience = 60

/** How often guests that have gone silent are looked for. */
const silenceCheck = Duration.seconds(15)

interface ProgressBeat extends Beat {
  /** For the history only: words are told on, not kept as a state. */
  readonly progress: string | null
}

const heartbeats = Metric.counter("coffer_heartbeats", {
  description: "Heartbeats that were newer than the last of their guest, and written",
  incremental: true
})

type Report =
  | { readonly _tag: "Beat"; readonly beat: ProgressBeat; readonly done: Deferred.Deferred<void> }
  | {
      readonly _tag: "Failure"
      readonly instance: InstanceId
      readonly message: string
      readonly done: Deferred.Deferred<void>
    }

const isInstanceId = Schema.is(Id)

/** Serves the conductor's topic until the scope closes. */
export const serve = Effect.gen(function* () {
  const fabric = yield* Fabric
  const observations = yield* Observations
  const taskmanager = fabric.client(taskmanagerTopic, TaskmanagerApi)
  const reports = yield* Queue.bounded<Report>(maxBatch)

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

  /** In the order they came: a guest tells first why it failed, and then that it did. */
  const write = Effect.fnUntraced(function* (batch: ReadonlyArray<Report>) {
    let beats: Array<ProgressBeat> = []
    for (const report of batch) {
      if (report._tag === "Beat") {
        beats.push(report.beat)
        continue
      }
      yield* writeBeats(beats)
      beats = []
      yield* observations.recordFailure(report.instance, report.message)
    }
    yield* writeBeats(beats)
  })

  const isWritten = (batch: ReadonlyArray<Report>) =>
    write(batch).pipe(
      Effect.as(true),
      Effect.catchCause((cause) =>
        Cause.hasInterrupts(cause)
          ? Effect.failCause(cause)
          : Effect.as(Effect.logWarning("reports of guests could not be written", cause), false)
      )
    )

  /** What fails alone while others are written is at fault itself, and dropped; while nothing is, the store is away. */
  const insist = Effect.fnUntraced(function* (batch: ReadonlyArray<Report>) {
    if (yield* isWritten(batch)) return
    for (let tries = 0; tries < patience; tries++) {
      yield* Effect.sleep("1 second")
      const written = yield* Effect.forEach(batch, (report) => isWritten([report]))
      const dropped = written.filter((isWritten) => !isWritten).length
      if (dropped < batch.length) {
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

  /** Hands a report to the pump and waits until it is written. */
  const accept = Effect.fnUntraced(function* (
    make: (instance: InstanceId, done: Deferred.Deferred<void>) => Report,
    instance: string
  ) {
    if (!isInstanceId(instance)) return yield* Effect.logWarning("a report for no valid instance id was dropped")
    const done = yield* Deferred.make<void>()
    yield* Queue.offer(reports, make(instance, done))
    yield* Deferred.await(done)
  })

  yield* fabric.serve(
    conductorTopic,
    ConductorApi,
    {
      heartbeat: ({ instance_id, payload, sent }) =>
        Effect.flatMap(Clock.currentTimeMillis, (receivedAt) =>
          accept(
            (instance, done) => ({
              _tag: "Beat",
              beat: {
                instance,
                status: payload.service_status,
                progress: payload.progress ?? null,
                sent: sent * 1000,
                receivedAt
              },
              done
            }),
            instance_id
          )
        ),
      notify_exc_info: ({ instance_id, message }) =>
        accept((instance, done) => ({ _tag: "Failure", instance, message, done }), instance_id)
    },
    { concurrency: maxBatch }
  )

  const findSilent = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    for (const instance of yield* observations.silentSince(now - heartbeatExpiry)) {
      yield* Effect.ignore(taskmanager.silent({ instance_id: instance }))
    }
  }).pipe(Effect.catchCause((cause) => Effect.logError("silent guests could not be looked for", cause)))
  yield* Effect.forkScoped(Effect.repeat(Effect.delay(findSilent, silenceCheck), Schedule.forever))
})
