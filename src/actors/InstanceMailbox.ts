/**
 * How an operation speaks to its instance: its outcome is written to the durable mailbox, and the actor is
 * woken to read it. Losing the wake-up costs a moment; a sweep finds the letter.
 */
import { Cause, Clock, Duration, Effect, Option, Schema } from "effect"
import { Entity } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { ServiceStatus } from "../services/ConductorApi.ts"
import type { Command } from "./Instance.ts"
import { Lifecycles } from "./Lifecycles.ts"
import type { Operation, StepFailure } from "./Operation.ts"

/** The actor's volatile mailbox: news that something durable is waiting. */
export const InstanceEntity = Entity.make("Instance", [
  Rpc.make("Wake"),
  Rpc.make("Observed", { payload: { status: ServiceStatus, progress: Schema.NullOr(Schema.String) } }),
  Rpc.make("Silent")
])

/** How long news waits for an actor that is moving from one process to another; a sweep brings it again. */
const newsPatience = Duration.seconds(1)

/** Gives the actor news; whatever hinders it only delays, and holds up no other. */
export const tell = <E, R>(news: Effect.Effect<void, E, R>): Effect.Effect<void, never, R> =>
  Effect.ignoreCause(Effect.timeout(news, newsPatience), { log: "Debug" })

/** Wakes the actor of an instance. */
export const wake = Effect.fn("Instance.wake")(function* (instance: string) {
  const client = yield* InstanceEntity.client
  yield* tell(client(instance).Wake(undefined, { discard: true }))
})

/** What there is to say of the end of an operation. */
interface Outcome {
  readonly restartRequired?: boolean
  readonly version?: string
  /** Of a stop, a start or a rebuild that failed: whether the database serves all the same. */
  readonly serves?: boolean
}

const outcomeOf = (
  { operation }: Operation,
  cause: Cause.Cause<StepFailure | unknown> | null,
  at: number,
  outcome: Outcome
): Command => {
  const restart = outcome.restartRequired === true ? { restartRequired: true } : {}
  const version = outcome.version === undefined ? {} : { version: outcome.version }
  if (cause === null) return { _tag: "OperationSucceeded", operation, ...restart, ...version }
  const failure = cause.reasons.find((reason) => reason._tag === "Fail")?.error
  const fault = Schema.is(TenantFault)(failure)
    ? { message: storable(failure.message), details: failure.detail === "" ? null : storable(failure.detail), at }
    : { message: "An internal error stopped the operation.", details: storable(Cause.pretty(cause)), at }
  const serves = outcome.serves === true ? { serves: true } : {}
  return { _tag: "OperationFailed", operation, fault, ...restart, ...serves }
}

/** How much of a fault's text is kept, in characters. */
const maxFault = 4000

/** Faults quote what servers printed, and the store keeps no NUL and no half of a character. */
export const storable = (text: string) => text.slice(0, maxFault).toWellFormed().replaceAll("\0", "")

const TenantFault = Schema.Struct({ message: Schema.String, detail: Schema.String })

/** An operation has one outcome, under one key. */
const outcomeKey = ({ operation }: Operation) => `outcome:${operation}`

/** Tells the actor how the operation ended; `null` means well. The first outcome that was told stands. */
export const reportOutcome = Effect.fnUntraced(function* (
  operation: Operation,
  cause: Cause.Cause<unknown> | null,
  outcome: Outcome = {}
) {
  const lifecycles = yield* Lifecycles
  const now = yield* Clock.currentTimeMillis
  yield* lifecycles.post(operation.instance, outcomeKey(operation), outcomeOf(operation, cause, now, outcome))
  yield* wake(operation.instance)
})

/** Whether the actor was told that the operation ended well: from then on there is nothing to take back. */
export const hasSucceeded = Effect.fnUntraced(function* (operation: Operation) {
  const lifecycles = yield* Lifecycles
  const posted = yield* lifecycles.posted(operation.instance, outcomeKey(operation))
  return Option.exists(posted, ({ _tag }) => _tag === "OperationSucceeded")
})
