/**
 * A turn that fails again and again stays with its instance: it is tried again after longer and longer pauses, and
 * then the instance is given up: the command that it failed at is set aside with the reason, and the instance goes to
 * ERROR. A store or a cluster that is away is no fault of the instance, and counts for nothing.
 *
 * The count is in the store, so that whoever takes over goes on with it. A turn that goes well writes nothing. One that
 * ends its process cannot be counted afterwards: where mail waits for so long that this may have happened, or a turn has
 * failed already, it is counted before it begins, and counted out when it went well.
 */
import { Cause, Clock, Duration, Effect, Exit, Metric, Option, Predicate } from "effect"
import { SecureRandom } from "effect/crypto"
import { History } from "../services/History.ts"
import type { InstanceId } from "../services/Ids.ts"
import type { Fault } from "../services/Status.ts"
import { Upgrades } from "../services/Upgrades.ts"
import { storable } from "./InstanceMailbox.ts"
import { decide, unreadable } from "./Lifecycle.ts"
import { type Commit, Lifecycles, type Loaded, Unreadable } from "./Lifecycles.ts"
import { defaultDeadlines } from "./Transitions.ts"

/** How often a turn may fail in a row. With the pauses between them that is a minute. */
export const maxFailures = 6

/** The pause after a failure: 2 s, doubling, at most 5 minutes. */
const pauseAfter = (failures: number) => Duration.min(Duration.seconds(2 ** failures), Duration.minutes(5))

export const failedTurns = Metric.counter("coffer_turns_failed", {
  description: "Turns of actors that failed for a fault of their own instance",
  incremental: true
})
export const givenUp = Metric.counter("coffer_instances_given_up", {
  description: "Instances that went to ERROR because their actor's turn failed again and again",
  incremental: true
})

export const leftTurns = Metric.counter("coffer_turns_left", {
  description: "Turns of actors that met what a newer release has written, and left it to that one",
  incremental: true
})

/** The command that a turn was at: which row, and what it asks for. */
export interface AtCommand {
  readonly seq: number
  readonly tag: string
}

/** What says nothing of the instance: its actor moved, or a process of the cluster has no time or is gone. */
const clusters = new Set(["EntityNotAssignedToRunner", "RunnerNotRegistered", "RunnerUnavailable", "MailboxFull"])

/** A process of an older release does not know the workflow: its message waits in the tables for one that does. */
const unknownThere = /^Entity type '.*' not registered$/

/** How deep the cause of an error is looked for in the causes of others. */
const maxDepth = 8

const isAway = (error: unknown, depth = 0): boolean => {
  if (!Predicate.isObject(error) || depth > maxDepth) return false
  const { _tag: tag, cause, isRetryable, message } = error
  if (typeof message === "string" && unknownThere.test(message)) return true
  return isRetryable === true || (typeof tag === "string" && clusters.has(tag)) || isAway(cause, depth + 1)
}

/** Whether the store or the cluster is away, or only busy. */
export const isOutage = (cause: Cause.Cause<unknown>): boolean =>
  Cause.hasInterrupts(cause) ||
  cause.reasons.some(
    (reason) => (reason._tag === "Die" && isAway(reason.defect)) || (reason._tag === "Fail" && isAway(reason.error))
  )

/**
 * Whether it is something that cannot be read while the tables are of a newer release than this process: that one has
 * written it, and will read it.
 */
const isOfNewer = (cause: Cause.Cause<unknown>): Effect.Effect<boolean, never, Upgrades> =>
  cause.reasons.some((reason) => reason._tag === "Die" && reason.defect instanceof Unreadable)
    ? Effect.flatMap(Upgrades, ({ isUnderWay }) => isUnderWay)
    : Effect.succeed(false)

/** What there is to commit so that the instance is in ERROR; null where there is nothing to do. */
const endOf = Effect.fnUntraced(function* (loaded: Loaded, fault: Fault, at: AtCommand | null) {
  const fresh = yield* (yield* SecureRandom.SecureRandom).uuidV4()
  const moment = { now: fault.at, fresh, deadlines: defaultDeadlines }
  const { generation, state } = loaded
  const decision = decide(state, { _tag: "Defect", fault, command: at?.tag ?? null }, moment)
  const setAside = at === null ? [] : [{ seq: at.seq, reason: fault.details ?? fault.message }]
  if (decision === null && setAside.length === 0) return null
  const next = decision?.state ?? state
  const transition = decision === null ? null : { from: state._tag, to: next._tag, because: decision.because }
  const commit: Commit = { generation, state: next, transition, handled: [], setAside }
  return commit
})

const giveUp = Effect.fn("Instance.giveUp")(function* (
  instance: InstanceId,
  cause: Cause.Cause<unknown>,
  at: AtCommand | null
) {
  const lifecycles = yield* Lifecycles
  const fault: Fault = {
    message: "An internal error stopped the work on this instance again and again. An operator has to look at it.",
    details: storable(Cause.pretty(cause)),
    at: yield* Clock.currentTimeMillis
  }
  const loaded = yield* Effect.exit(lifecycles.load(instance))
  if (Exit.isSuccess(loaded)) {
    if (Option.isNone(loaded.value)) return false
    const commit = yield* endOf(loaded.value.value, fault, at)
    if (commit !== null) yield* lifecycles.commit(instance, commit)
    return commit !== null
  }
  if (isOutage(loaded.cause) || (yield* isOfNewer(loaded.cause))) return false
  const salvaged = yield* lifecycles.salvage(instance)
  if (Option.isNone(salvaged)) return false
  const { generation, operation, tag } = salvaged.value
  const state = unreadable(operation, fault)
  const transition = { from: tag, to: state._tag, because: fault.message }
  yield* lifecycles.commit(instance, { generation, state, transition, handled: [] })
  return true
})

/** For so long no mail waits unless something went wrong: a taskmanager was away, or it ended at this very mail. */
const suspicious = Duration.seconds(30)

const unseenEnd = Cause.die(new Error("each taskmanager that worked on it ended in the middle of that"))

/** The pause before it is looked again whether what a newer release has written can be read. */
const leavePause = Duration.toMillis(Duration.seconds(10))

/** How often the log tells that it cannot. */
const leaveNotice = Duration.toMillis(Duration.minutes(5))

/** How it goes with the turns of one actor. */
export const make = (instance: InstanceId) => {
  /** What the store counts, as far as is known here. */
  let known = 0
  let notBefore = 0
  /** Whether this turn is among them before it has failed. */
  let isCounted = false
  /** When the log tells again that something is left to a newer release. */
  let nextNotice = 0

  const forget = Effect.fnUntraced(function* () {
    if (known > 0) yield* (yield* Lifecycles).setFailures(instance, 0)
    known = 0
    notBefore = 0
    isCounted = false
  })

  const end = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>, at: AtCommand | null) {
    const times = known
    if (!(yield* giveUp(instance, cause, at))) return
    yield* Effect.logError(`the instance is in ERROR: its turn failed ${times} times in a row`)
    yield* Metric.update(givenUp, 1)
    yield* forget()
  })

  const failed = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>, at: AtCommand | null) {
    if (!isCounted) known = yield* (yield* Lifecycles).noteFailure(instance)
    isCounted = false
    const pause = pauseAfter(known)
    notBefore = (yield* Clock.currentTimeMillis) + Duration.toMillis(pause)
    if (known <= maxFailures) {
      const line = `an internal error stopped the work on this instance (${known} of ${maxFailures})`
      yield* (yield* History).report(instance, line)
    }
    yield* Metric.update(failedTurns, 1)
    const next = `failed ${known} times in a row; it is tried again after ${Duration.format(pause)}`
    yield* Effect.logError(`the actor's turn ${next}`, cause)
    if (known >= maxFailures) yield* end(cause, at)
  })

  /** What was counted before it began did not fail for a fault of the instance. */
  const countOut = Effect.suspend(() => {
    if (!isCounted) return Effect.void
    isCounted = false
    known--
    return Effect.flatMap(Lifecycles, (lifecycles) => lifecycles.setFailures(instance, known))
  })

  /** Nothing is counted, overwritten or set aside: whoever is of the newer release goes on with it. */
  const leave = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
    yield* countOut
    const now = yield* Clock.currentTimeMillis
    notBefore = now + leavePause
    yield* Metric.update(leftTurns, 1)
    if (now < nextNotice) return
    nextNotice = now + leaveNotice
    yield* Effect.logWarning("the tables are of a newer release, and what this one cannot read waits for it", cause)
  })

  return {
    /** Whether it is to wait for its next turn. */
    isPaused: Effect.map(Clock.currentTimeMillis, (now) => now < notBefore),
    /** Whether a turn on what was read may begin; false where it is to wait, or was given up. */
    mayBegin: Effect.fnUntraced(function* ({ failures, mail, unreadable, waitsSince }: Loaded) {
      known = failures.count
      isCounted = false
      const now = yield* Clock.currentTimeMillis
      if (known > 0 && now < failures.at + Duration.toMillis(pauseAfter(known))) return false
      const [first] = mail
      // What a newer release has written is counted by nobody, before a turn or after it.
      if (first === undefined && unreadable !== null && (yield* (yield* Upgrades).isUnderWay)) return true
      if (known >= maxFailures) {
        const at = first === undefined ? unreadable : { seq: first.seq, tag: first.command._tag }
        yield* end(unseenEnd, at === null ? null : { tag: "unreadable", ...at })
        if (known === 0) return false
      }
      if (known > 0 || (waitsSince !== null && now - waitsSince > Duration.toMillis(suspicious))) {
        known = yield* (yield* Lifecycles).noteFailure(instance)
        isCounted = true
      }
      return true
    }),
    succeeded: Effect.suspend(forget),
    /** Counts it, where it is the instance's. */
    failed: (cause: Cause.Cause<unknown>, at: AtCommand | null) =>
      isOutage(cause)
        ? Effect.andThen(
            Effect.logError("the actor's turn failed; a sweep will try again", cause),
            Effect.ignoreCause(countOut, { log: "Debug" })
          )
        : Effect.flatMap(isOfNewer(cause), (isLeft) => (isLeft ? leave(cause) : failed(cause, at))).pipe(
            Effect.catchCause((other) =>
              Effect.logError("the actor's turn failed; a sweep will try again", cause, other)
            )
          )
  }
}
