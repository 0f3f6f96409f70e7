/**
 * What an operator may ask of operations, whichever wire the request came by: to see which are under way or stuck, to
 * call one off, to take back what it left, to have it done again. What is asked is a command in the instance's mailbox,
 * refused where the lifecycle would do nothing with it; the actor does the rest.
 */
import { Clock, Context, Effect, Exit, Layer, Option, Schema } from "effect"
import type { Fabric } from "../services/Fabric.ts"
import { type Entry, History, type StepEntry } from "../services/History.ts"
import { InstanceId, type Millis, type OperationId, type ProjectId } from "../services/Ids.ts"
import { InstanceNotFound, Instances } from "../services/Instances.ts"
import { makeWake } from "../services/Waking.ts"
import type { Command, State } from "./Instance.ts"
import { decide } from "./Lifecycle.ts"
import { Lifecycles, type SetAside, type Unsettled } from "./Lifecycles.ts"
import { defaultDeadlines } from "./Transitions.ts"
import { lastFailure, stepsOf, type Waiting, waitingOf } from "./Waiting.ts"
import { deadlineOf } from "./Work.ts"

export const Action = Schema.Literals(["cancel", "compensate", "retry"])
export type Action = typeof Action.Type

/** The state of the instance does not allow it; `why` is for the operator. */
export class OperationRefused extends Schema.TaggedError<OperationRefused>()("OperationRefused", {
  id: Schema.String,
  action: Action,
  why: Schema.String
}) {}

/**
 * How it stands with an operation: `ending`: called off, or taking back, and not at its end yet; `failed`: the instance
 * is in ERROR, and nothing is under way; `unreadable`: its state cannot be read.
 */
export type Standing = "running" | "ending" | "failed" | "at rest" | "unreadable"

export interface OperationRecord {
  readonly instance: InstanceId
  readonly name: string
  readonly project: ProjectId
  readonly standing: Standing
  readonly state: State | null
  /** The one under way, else the last that the history tells of; null where it was none that failed. */
  readonly operation: OperationId | null
  readonly since: Millis
  readonly deadline: Millis | null
  /** Null at rest, and before the first step. */
  readonly waiting: Waiting | null
  /** Of the last attempt of it that failed, else of the fault that the instance is in ERROR for. */
  readonly error: string | null
  readonly detail: string | null
}

export interface OperationStory extends OperationRecord {
  readonly steps: ReadonlyArray<StepEntry>
  readonly setAside: ReadonlyArray<SetAside>
}

/** How many are told of at once, those that are so for longest first. */
export const maxOperations = 100

/** How many histories are read at once. */
const atOnce = 4

/** How often a request is looked at anew because the instance has moved on meanwhile. */
const maxLooks = 5

const standingOf = (state: State | null): Standing => {
  if (state === null) return "unreadable"
  if (state._tag === "Failed") return state.previous === null ? "failed" : "ending"
  if ("calledOff" in state && state.calledOff !== undefined) return "ending"
  return deadlineOf(state) === null ? "at rest" : "running"
}

const operationOf = (state: State | null, entries: ReadonlyArray<Entry>): OperationId | null => {
  if (state !== null && "operation" in state) return state.operation
  if (state?._tag === "Failed" && state.previous !== null) return state.previous
  if (state?._tag === "Failed" && (state.again === "service" || state.again === "stopped")) return null
  const last = entries.findLast((entry) => entry.kind === "step")
  return last?.kind === "step" ? last.operation : null
}

const recordOf = (unsettled: Unsettled, entries: ReadonlyArray<Entry>): OperationRecord => {
  const { instance, name, project, since, state } = unsettled
  const operation = operationOf(state, entries)
  const standing = standingOf(state)
  const isUnderWay = standing === "running" || standing === "ending"
  const failure = operation === null ? null : lastFailure(operation, entries)
  const fault = state?._tag === "Failed" ? state.fault : null
  return {
    instance,
    name,
    project,
    standing,
    state,
    operation,
    since,
    deadline: state === null ? null : deadlineOf(state),
    waiting: isUnderWay && operation !== null ? waitingOf(operation, entries) : null,
    error: failure === null ? (fault?.message ?? null) : failure.error,
    detail: failure === null ? (fault?.details ?? null) : failure.detail
  }
}

/** Null where there is nothing that the command could mean. */
const commandOf = (action: Action, state: State, by: string): Command | null => {
  switch (action) {
    case "cancel":
      return "operation" in state ? { _tag: "Cancel", operation: state.operation, by } : null
    case "compensate":
      return { _tag: "TakeBack", by }
    case "retry":
      return { _tag: "Retry", by }
  }
}

const whyFailed = (action: Action, state: Extract<State, { readonly _tag: "Failed" }>): string => {
  if (state.previous !== null) return "What was called off has not come to its end yet."
  if (action === "cancel") return "It is in ERROR, and nothing of it is under way."
  if (state.again === "service" || state.again === "stopped")
    return "It has a database, which nothing may be taken of; retry brings it back."
  return "It failed under an earlier release, which did not keep at what. Delete it."
}

const whyNot = (action: Action, state: State): string => {
  switch (state._tag) {
    case "New":
      return "It was only just ordered, and its build has not begun."
    case "Building":
      return "Its build is under way: a step that fails tries again by itself."
    case "Restarting":
      return "Its restart is under way, which makes nothing. It can be cancelled."
    case "Configuring":
      return "Its configuration group is being brought to it, which makes nothing. It can be cancelled."
    case "Upgrading":
      return state.calledOff === undefined
        ? "Its upgrade is under way, and goes back by itself where it fails. It can be cancelled."
        : "Its upgrade was called off, and its guest is asked which version serves."
    case "Resizing":
      return state.calledOff === true
        ? "Its resize was called off, and goes back to what was before."
        : "Its resize is under way. It can be cancelled, and goes back to what was before then."
    case "Rebuilding":
      return "Its rebuild is under way, over data that stays. It can be cancelled."
    case "Stopping":
    case "Starting":
      return `Its ${state._tag === "Stopping" ? "stop" : "start"} is under way, which makes nothing. It can be cancelled.`
    case "Stopped":
      return "Its database is stopped, and nothing of it is under way."
    case "Deleting":
      return "Its delete is under way, which takes everything back. It can be cancelled."
    case "Active":
      return "It is in service, and nothing of it is under way."
    case "Deleted":
      return "It is deleted."
    case "Failed":
      return whyFailed(action, state)
  }
}

/** How much of a name is kept, in characters. */
const maxUser = 255

/** Users are named by whoever identifies them; the store keeps no NUL and no half of a character. */
export const nameable = (user: string) => user.slice(0, maxUser).toWellFormed().replaceAll("\0", "")

const isInstanceId = Schema.is(InstanceId)

export class OperatorRequests extends Context.Service<
  OperatorRequests,
  {
    /** Operations under way, called off, or failed: at most `maxOperations`. */
    readonly list: Effect.Effect<ReadonlyArray<OperationRecord>>
    readonly show: (id: string) => Effect.Effect<OperationStory, InstanceNotFound>
    /** Asked for twice before it is taken, it is done once. */
    readonly ask: (id: string, action: Action, by: string) => Effect.Effect<void, InstanceNotFound | OperationRefused>
    /** Trove's reset of the status: calls off what is under way, and is content where nothing is. */
    readonly reset: (id: string, by: string) => Effect.Effect<void, InstanceNotFound>
  }
>()("coffer/actors/OperatorRequests") {
  static readonly layer: Layer.Layer<OperatorRequests, never, Instances | Lifecycles | History | Fabric> = Layer.effect(
    OperatorRequests,
    Effect.gen(function* () {
      const instances = yield* Instances
      const lifecycles = yield* Lifecycles
      const history = yield* History
      const wake = yield* makeWake

      const get = Effect.fnUntraced(function* (id: string) {
        const found = isInstanceId(id) ? yield* instances.get("any", id) : Option.none()
        return Option.isSome(found) ? found.value : yield* new InstanceNotFound({ id })
      })

      const list = Effect.flatMap(lifecycles.unsettled(maxOperations), (unsettled) =>
        Effect.forEach(
          unsettled,
          (one) => Effect.map(history.list(one.instance), (entries) => recordOf(one, entries)),
          { concurrency: atOnce }
        )
      )

      const show = Effect.fn("OperatorRequests.show")(function* (id: string) {
        const { desired, stateSince } = yield* get(id)
        const entries = yield* history.list(desired.id)
        const loaded = yield* Effect.exit(lifecycles.load(desired.id))
        const state = Exit.isSuccess(loaded) ? Option.getOrNull(loaded.value)?.state : null
        const { name, project } = desired
        const record = recordOf(
          { instance: desired.id, name, project, state: state ?? null, since: stateSince },
          entries
        )
        const steps = record.operation === null ? [] : stepsOf(record.operation, entries)
        return { ...record, steps, setAside: yield* lifecycles.setAside(desired.id) }
      })

      const request = Effect.fnUntraced(function* (id: InstanceId, action: Action, by: string) {
        const refused = (why: string) => new OperationRefused({ id, action, why })
        const seen = yield* Effect.exit(lifecycles.load(id))
        if (Exit.isFailure(seen)) return yield* refused("Its state cannot be read now. Look again in a minute.")
        if (Option.isNone(seen.value)) return yield* new InstanceNotFound({ id })
        const { generation, mail, state } = seen.value.value
        // Whatever is handled moves the generation on: what is there under this key waits still.
        const key = `${action}:${generation}`
        if (Option.isSome(yield* lifecycles.posted(id, key))) return
        const moment = { now: yield* Clock.currentTimeMillis, fresh: "to-come", deadlines: defaultDeadlines }
        // What was asked for before comes first.
        const then = mail.reduce((state, { command }) => decide(state, command, moment)?.state ?? state, state)
        const command = commandOf(action, state, by)
        if (command === null || decide(then, command, moment) === null) return yield* refused(whyNot(action, then))
        const line = `asked for by the operator ${by}: ${action}`
        yield* lifecycles.request(id, { generation, key, command, line })
      })

      const ask = Effect.fn("OperatorRequests.ask")(function* (id: string, action: Action, by: string) {
        const { desired } = yield* get(id)
        yield* request(desired.id, action, nameable(by)).pipe(
          Effect.retry({ while: ({ _tag }) => _tag === "StaleGeneration", times: maxLooks }),
          Effect.catchTag("StaleGeneration", () =>
            Effect.fail(new OperationRefused({ id, action, why: "It is moving on just now. Ask again." }))
          )
        )
        yield* wake(desired.id)
      })

      const reset = (id: string, by: string) =>
        Effect.catchTag(ask(id, "cancel", by), "OperationRefused", () => Effect.void)

      return OperatorRequests.of({ list, show, ask, reset })
    })
  )
}
