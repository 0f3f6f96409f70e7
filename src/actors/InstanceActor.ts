/**
 * The actor: one for each instance, alive on one process, asleep when nothing happens. It reads its durable
 * mailbox, lets the lifecycle decide, commits the decision, and asks for the work of the state it is in.
 *
 * What is true of the instance stands in its row; the actor keeps nothing in memory that it would miss.
 */
import { Clock, Context, Duration, Effect, Exit, Metric, Option } from "effect"
import { Entity } from "effect/cluster"
import { SecureRandom } from "effect/crypto"
import { DurableDeferred } from "effect/workflow"
import type { ServiceStatus } from "../services/ConductorApi.ts"
import { guestSays, History } from "../services/History.ts"
import { InstanceId, kindOf, type OperationId } from "../services/Ids.ts"
import { Observations } from "../services/Observations.ts"
import { isReady } from "../services/Status.ts"
import { BuildInstance, GuestVerdict } from "./BuildInstance.ts"
import { calledOffOf, remembered } from "./CalledOff.ts"
import { ConfigureInstance } from "./ConfigureInstance.ts"
import { DeleteInstance, interruptOperation } from "./DeleteInstance.ts"
import * as Failing from "./Failing.ts"
import type { Event, Signal, State } from "./Instance.ts"
import { InstanceEntity } from "./InstanceMailbox.ts"
import { decide } from "./Lifecycle.ts"
import { Lifecycles, Unreadable } from "./Lifecycles.ts"
import { type Operation, StepFailure } from "./Operation.ts"
import { RebuildInstance } from "./RebuildInstance.ts"
import { ResizeInstance } from "./ResizeInstance.ts"
import { RestartInstance } from "./RestartInstance.ts"
import { StartInstance } from "./StartInstance.ts"
import { StopInstance } from "./StopInstance.ts"
import { TakeBackInstance } from "./TakeBackInstance.ts"
import { type Deadlines, defaultDeadlines } from "./Transitions.ts"
import { UpgradeInstance } from "./UpgradeInstance.ts"
import { tellWaiting } from "./Waiting.ts"
import { workOf } from "./Work.ts"

/** How long operations may take; tests and operators change it. */
export const OperationDeadlines = Context.Reference<Deadlines>("coffer/actors/OperationDeadlines", {
  defaultValue: () => defaultDeadlines
})

/** How long an actor stays in memory after its last message. */
const idleTime = Duration.seconds(30)

/** How long to wait for the reason after a guest has said that it failed, in milliseconds: Trove's agents tell it last. */
const reasonGrace = 5_000

/**
 * Tells a build what its guest was seen to be, as often as asked; the first verdict stands. A failure is the reason
 * of a build that failed, and no verdict: Trove's agents tell one as well when a database or a user could not be
 * made, and become healthy all the same. What counts is the guest's final word.
 */
const settleBuild = Effect.fnUntraced(function* (operation: Operation) {
  const observed = yield* (yield* Observations).get(operation.instance)
  if (Option.isNone(observed)) return
  const { failure, heartbeatAt, status } = observed.value
  const silentFor = (yield* Clock.currentTimeMillis) - heartbeatAt
  const failed = status === "failed to spawn" && (failure !== null || silentFor > reasonGrace)
  const verdict = isReady(observed.value)
    ? Exit.void
    : failed
      ? Exit.fail(
          new StepFailure({
            message: failure ?? "The database could not be started.",
            detail: "reported by the guest agent",
            transient: false
          })
        )
      : null
  if (verdict === null) return
  const executionId = yield* BuildInstance.executionId(operation)
  // Who is still on its way to the wait is told later, by a sweep: what is known may be of the guest of a build before,
  // which is cleared away first. And a verdict that is read before it is delivered stops, when it is delivered, the build
  // in the middle of its next step for good (effect 4.1).
  if (!Option.exists(yield* BuildInstance.poll(executionId), ({ _tag }) => _tag === "Suspended")) return
  const token = DurableDeferred.tokenFromExecutionId(GuestVerdict, { workflow: BuildInstance, executionId })
  yield* DurableDeferred.done(GuestVerdict, { token, exit: verdict })
})

/** Sees to it that what the state asks for is being done. Asking again is harmless. */
const ensureWork = Effect.fnUntraced(function* (instance: InstanceId, state: State) {
  const work = workOf(state)
  if (work._tag === "Rest") return
  const desired = yield* (yield* Lifecycles).desired(instance)
  if (Option.isNone(desired)) return
  const operation = { instance, project: desired.value.project, operation: work.operation }
  switch (work._tag) {
    case "Build":
      yield* BuildInstance.execute(
        { ...operation, ...(work.anew ? { anew: true } : {}) },
        { discard: true, detached: true }
      )
      return yield* settleBuild(operation)
    case "Restart":
      return yield* Effect.asVoid(RestartInstance.execute(operation, { discard: true, detached: true }))
    case "Configure":
      return yield* Effect.asVoid(ConfigureInstance.execute(operation, { discard: true, detached: true }))
    case "Resize":
      return yield* Effect.asVoid(ResizeInstance.execute(operation, { discard: true, detached: true }))
    case "Stop":
      return yield* Effect.asVoid(StopInstance.execute(operation, { discard: true, detached: true }))
    case "Start":
      return yield* Effect.asVoid(StartInstance.execute(operation, { discard: true, detached: true }))
    case "Rebuild":
      return yield* Effect.asVoid(RebuildInstance.execute(operation, { discard: true, detached: true }))
    case "Upgrade":
      return yield* Effect.asVoid(
        UpgradeInstance.execute({ ...operation, version: work.version }, { discard: true, detached: true })
      )
    case "Delete":
      return yield* Effect.asVoid(
        DeleteInstance.execute({ ...operation, ...remembered(calledOffOf(work)) }, { discard: true, detached: true })
      )
    case "TakeBack":
      return yield* Effect.asVoid(TakeBackInstance.execute(operation, { discard: true, detached: true }))
    case "Interrupt":
      return yield* interruptOperation(operation)
  }
})

/** Operations that were called off because their deadline had passed, by kind. */
export const overdueOperations = Metric.counter("coffer_operations_overdue", {
  description: "Operations that were called off because their deadline had passed, by kind",
  incremental: true
})

/** What an operation waited for when its deadline passed; a history that cannot be read keeps nothing from ending. */
const waitedFor = Effect.fnUntraced(
  function* (instance: InstanceId, operation: OperationId) {
    return tellWaiting(operation, yield* (yield* History).list(instance))
  },
  Effect.catchCause((cause) => Effect.as(Effect.logWarning("the history could not be read", cause), {}))
)

/** Where a turn is: the command that it handles, until that is committed. */
interface Progress {
  at: Failing.AtCommand | null
}

/** One turn: everything that waits in the mailbox, in order, then the signal that brought it about. */
const turn = Effect.fn("Instance.turn")(function* (
  instance: InstanceId,
  signal: Signal | null,
  progress: Progress,
  failing: ReturnType<typeof Failing.make>
) {
  const lifecycles = yield* Lifecycles
  const deadlines = yield* OperationDeadlines
  const random = yield* SecureRandom.SecureRandom
  const loaded = yield* lifecycles.load(instance)
  if (Option.isNone(loaded) || !(yield* failing.mayBegin(loaded.value))) return
  let { generation, state } = loaded.value
  yield* Effect.annotateCurrentSpan({ "coffer.instance": instance })

  const settle = Effect.fnUntraced(function* (event: Event, handled: ReadonlyArray<number>) {
    const moment = { now: yield* Clock.currentTimeMillis, fresh: yield* random.uuidV4(), deadlines }
    const decision = decide(state, event, moment)
    if (decision === null && handled.length === 0) return
    const next = decision?.state ?? state
    yield* lifecycles.commit(instance, {
      generation,
      state: next,
      transition: decision === null ? null : { from: state._tag, to: next._tag, because: decision.because },
      handled,
      ...(decision?.version === undefined ? {} : { version: decision.version }),
      ...(decision?.resized === undefined ? {} : { resized: decision.resized })
    })
    progress.at = null
    if (decision !== null) {
      yield* Effect.logInfo(`${state._tag} → ${next._tag}: ${decision.because}`)
    }
    generation++
    state = next
    yield* ensureWork(instance, state)
  })

  // The work of a state is asked for before the next event is heard: what a delete calls off has begun.
  yield* ensureWork(instance, state)

  for (const { command, seq } of loaded.value.mail) {
    progress.at = { seq, tag: command._tag }
    yield* settle(command, [seq])
  }
  const now = yield* Clock.currentTimeMillis
  if ("deadline" in state && state.deadline < now) {
    const { operation } = state
    yield* settle({ _tag: "DeadlinePassed", ...(yield* waitedFor(instance, operation)) }, [])
    yield* Metric.update(Metric.withAttributes(overdueOperations, { kind: kindOf(operation) }), 1)
  }
  if (signal !== null) yield* settle(signal, [])
  const { unreadable } = loaded.value
  if (unreadable === null) return yield* failing.succeeded
  const { key, reason, seq } = unreadable
  progress.at = { seq, tag: key.startsWith("delete:") ? "Delete" : "unreadable" }
  return yield* Effect.die(new Unreadable({ what: `the command ${key}`, reason }))
})

/** Words for the history when the guest is seen to change, or tells how far it has come. */
const newsOf = (status: ServiceStatus, progress: string | null) => `${guestSays}${progress ?? status}`

export const layer = InstanceEntity.toLayer(
  Effect.gen(function* () {
    const address = yield* Entity.CurrentAddress
    const instance = InstanceId.make(address.entityId)
    const history = yield* History
    const failing = Failing.make(instance)
    // A refused commit means that another process has taken over: it will do what there is to do.
    const take = Effect.fnUntraced(function* (signal: Signal | null) {
      if (yield* failing.isPaused) return
      const progress: Progress = { at: null }
      yield* turn(instance, signal, progress, failing).pipe(
        Effect.catchTag("StaleGeneration", () => Effect.logWarning("this actor has moved elsewhere")),
        Effect.catchCause((cause) => failing.failed(cause, progress.at))
      )
    }, Effect.annotateLogs({ instance }))
    return InstanceEntity.of({
      Wake: () => take(null),
      Observed: ({ payload: { progress, status } }) =>
        Effect.andThen(history.report(instance, newsOf(status, progress)), take({ _tag: "Observed", status })),
      Silent: () =>
        Effect.andThen(
          history.report(instance, "the guest has gone silent: no heartbeat came in time"),
          take({ _tag: "HeartbeatLost" })
        )
    })
  }),
  { maxIdleTime: idleTime, disableFatalDefects: true }
)
