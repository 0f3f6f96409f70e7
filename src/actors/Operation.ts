/**
 * How an operation is told: a durable workflow of named steps. One helper makes a step; each has a name that
 * operators read, a deadline, a retry policy, a span, and an entry in the instance's history.
 *
 * Steps *ensure*. The one that was in flight when a process died runs again; those before it do not.
 */
import { Cause, Clock, Duration, Effect, Exit, Option, Schedule, Schema } from "effect"
import { Activity } from "effect/workflow"
import { History, leftBehind } from "../services/History.ts"
import { InstanceId, kindOf, OperationId, ProjectId } from "../services/Ids.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { workOf } from "./Work.ts"

/** Which operation of which instance; the payload of every operation's workflow. */
export const Operation = Schema.Struct({ instance: InstanceId, project: ProjectId, operation: OperationId })
export type Operation = typeof Operation.Type

/** A step gave up. `message` is for the tenant, `detail` for the operator; neither holds a secret. */
export class StepFailure extends Schema.TaggedError<StepFailure>()("StepFailure", {
  message: Schema.String,
  detail: Schema.String,
  /** Whether trying again may help. */
  transient: Schema.Boolean
}) {}

interface Step {
  readonly name: string
  /** In words, for whoever asks why it takes so long. */
  readonly waitsFor: string
  /** How long one attempt may take. */
  readonly deadline: Duration.Duration
  /** How often a transient failure is tried again. */
  readonly retries: number
}

/** The pause before a step is tried again: 0.5 s, doubling, at most 30 s. */
const pauseBefore = (attempt: number) =>
  attempt === 1 ? Duration.zero : Duration.min(Duration.millis(500 * 2 ** (attempt - 2)), Duration.seconds(30))

/** Whether the instance waits for this operation still: neither is it over, nor was it called off. */
export const isWanted = Effect.fnUntraced(function* ({ instance, operation }: Operation) {
  const loaded = yield* (yield* Lifecycles).load(instance)
  if (Option.isNone(loaded)) return false
  const work = workOf(loaded.value.state)
  return work._tag !== "Rest" && work._tag !== "Interrupt" && work.operation === operation
}, Effect.withTracerEnabled(false))

const calledOff = new StepFailure({ message: "The operation was called off.", detail: "", transient: false })

/** How often a pause looks whether anybody waits for its end; a shorter one looks when it is over. */
const lookInterval = Duration.seconds(5)

/** The pause before an attempt. It ends with a failure once the operation is called off: nobody wants the attempt. */
const pausing = (operation: Operation, attempt: number): Effect.Effect<void, StepFailure, Lifecycles> => {
  if (attempt === 1) return Effect.void
  // A store that is away for a moment calls nothing off.
  const look = Effect.catchCause(isWanted(operation), () => Effect.succeed(true))
  const pause = Effect.sleep(pauseBefore(attempt))
  if (Duration.isLessThan(pauseBefore(attempt), lookInterval))
    return Effect.flatMap(Effect.andThen(pause, look), (isWanted) => (isWanted ? Effect.void : Effect.fail(calledOff)))
  const untilCalledOff = look.pipe(
    Effect.repeat({ while: (isWanted) => isWanted, schedule: Schedule.spaced(lookInterval) }),
    Effect.andThen(Effect.fail(calledOff))
  )
  return Effect.raceFirst(pause, untilCalledOff)
}

/** A line that could not be written must not decide what becomes of the step that it is about. */
export const noted = <A, E, R>(line: Effect.Effect<A, E, R>) => Effect.ignoreCause(line, { log: "Warn" })

/** How often the end of a line is tried to be written: for half a minute. What follows it needs the store as well. */
const endTries = 15

/** The end of a line: a step that was once told to run must not be told so for ever, for the store was away for a moment. */
export const notedEnd = <A, E, R>(line: Effect.Effect<A, E, R>) =>
  noted(Effect.retry(Effect.sandbox(line), { times: endTries, schedule: Schedule.spaced("2 seconds") }))

/** Whatever of the operation a process that died, or a store that was away for long, has left open in the history is closed. */
export const operationEnded = ({ instance, operation }: Operation) =>
  notedEnd(Effect.flatMap(History, (history) => history.operationEnded(instance, operation)))

/** A bug, or a store that is away for a moment: what the step was about is not lost, it is tried again. */
const dyingIsTransient = <A, R>(effect: Effect.Effect<A, StepFailure, R>) =>
  Effect.catchCause(effect, (cause) =>
    Cause.hasDies(cause) && !Cause.hasInterrupts(cause)
      ? Effect.fail(
          new StepFailure({
            message: "Something inside the service failed.",
            detail: Cause.pretty(cause).slice(0, maxDetail),
            transient: true
          })
        )
      : Effect.failCause(cause)
  )

/** How much of an internal error is kept, in characters. */
const maxDetail = 2000

/** For what must get through whatever happens to the store: five minutes of trying, then it is a defect. */
export const insist = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  effect.pipe(
    Effect.sandbox,
    Effect.retry({ while: (cause) => !Cause.hasInterrupts(cause), times: 150, schedule: Schedule.spaced("2 seconds") }),
    Effect.orDie
  )

/** Runs one attempt under its deadline, with its span and its line in the history. */
const recorded = <A, R>(
  operation: Operation,
  step: Step,
  attempt: number,
  effect: Effect.Effect<A, StepFailure, R>
): Effect.Effect<A, StepFailure, R | History> =>
  Effect.gen(function* () {
    const history = yield* History
    const key = { operation: operation.operation, step: step.name, attempt }
    const now = yield* Clock.currentTimeMillis
    yield* noted(
      history.stepStarted(operation.instance, {
        ...key,
        operationName: kindOf(operation.operation),
        waitsFor: step.waitsFor,
        deadline: now + Duration.toMillis(step.deadline)
      })
    )
    const ended = (outcome: "done" | "failed" | "interrupted", failure: StepFailure | null) =>
      notedEnd(
        history.stepEnded(operation.instance, {
          ...key,
          outcome,
          error: failure?.message ?? null,
          detail: failure?.detail ?? null
        })
      )
    const timely = Effect.timeoutOrElse(dyingIsTransient(effect), {
      duration: step.deadline,
      orElse: () =>
        Effect.fail(
          new StepFailure({
            message: `The step "${step.name}" took longer than ${Duration.format(step.deadline)}.`,
            detail: `waited for ${step.waitsFor}`,
            transient: true
          })
        )
    })
    return yield* Effect.onExit(timely, (exit) => {
      if (Exit.isSuccess(exit)) return ended("done", null)
      const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
      return failure === undefined ? ended("interrupted", null) : ended("failed", failure.error)
    })
  }).pipe(
    Effect.withSpan(step.name, {
      attributes: {
        "coffer.instance": operation.instance,
        "coffer.project": operation.project,
        "coffer.operation": operation.operation,
        "coffer.step": step.name,
        "coffer.attempt": attempt
      }
    })
  )

/** A step of an operation's workflow. Its result is kept: it is not run again once it is done. */
export const step = <R, Success extends Schema.Constraint = typeof Schema.Void>(
  operation: Operation,
  options: Partial<Omit<Step, "name">> & {
    readonly name: string
    readonly success?: Success
    readonly execute: Effect.Effect<Success["Type"], StepFailure, R>
  }
) => {
  const step: Step = {
    name: options.name,
    waitsFor: options.waitsFor ?? options.name,
    deadline: options.deadline ?? Duration.seconds(30),
    retries: options.retries ?? 10
  }
  return Activity.make({
    name: step.name,
    ...(options.success === undefined ? {} : { success: options.success }),
    error: StepFailure,
    execute: Effect.flatMap(Activity.CurrentAttempt, (attempt) =>
      Effect.andThen(pausing(operation, attempt), recorded(operation, step, attempt, options.execute))
    )
  }).pipe(Activity.retry({ times: step.retries, while: (failure) => failure.transient }))
}

/** How long one attempt to take something back may take, and how often it is tried again. */
const takingBack = { deadline: Duration.seconds(60), retries: 5 }

/**
 * Takes something back after a failure: tried again until it is done or its time is over, and then listed. True when it
 * is done. `isDue` is asked all the while, and what is not to be taken back any more is left, without a word.
 */
export const takeBack = <R, R2 = never>(
  operation: Operation,
  options: Partial<Pick<Step, "deadline" | "retries">> & {
    readonly name: string
    readonly execute: Effect.Effect<void, StepFailure, R>
    readonly isDue?: Effect.Effect<boolean, never, R2>
  }
): Effect.Effect<boolean, never, R | R2 | History> =>
  Effect.gen(function* () {
    const history = yield* History
    const { execute, isDue, name, ...bounds } = options
    const step: Step = { ...takingBack, ...bounds, name, waitsFor: name }
    let attempt = 0
    const tried = Effect.suspend(() => {
      attempt++
      return Effect.delay(Effect.as(recorded(operation, step, attempt, execute), true), pauseBefore(attempt))
    }).pipe(Effect.retry({ times: step.retries, while: (failure) => failure.transient }))
    const untilUndue =
      isDue === undefined
        ? Effect.never
        : isDue.pipe(
            Effect.repeat({ while: (isDue) => isDue, schedule: Schedule.spaced(lookInterval) }),
            Effect.as(false)
          )
    return yield* Effect.raceFirst(tried, untilUndue).pipe(
      Effect.catch(({ detail, message }) =>
        Effect.andThen(
          Effect.logError(`${operation.operation}: ${name} failed, something is left behind: ${message} ${detail}`),
          Effect.as(notedEnd(history.report(operation.instance, `${leftBehind}${name} failed: ${message}`)), false)
        )
      )
    )
  })
