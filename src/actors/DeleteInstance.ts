/**
 * The delete of an instance, top-down: whatever ran before is called off and has come to its end, then all
 * there is of the instance is taken away.
 */
import { Duration, Effect, Option, Schema } from "effect"
import { Workflow, type WorkflowEngine } from "effect/workflow"
import { kindOf, OperationId } from "../services/Ids.ts"
import { BuildInstance } from "./BuildInstance.ts"
import { calledOffOf } from "./CalledOff.ts"
import { ConfigureInstance } from "./ConfigureInstance.ts"
import { reportOutcome } from "./InstanceMailbox.ts"
import { Lifecycles } from "./Lifecycles.ts"
import { insist, Operation, operationEnded, StepFailure, step } from "./Operation.ts"
import { RebuildInstance } from "./RebuildInstance.ts"
import { ResizeInstance } from "./ResizeInstance.ts"
import { RestartInstance } from "./RestartInstance.ts"
import { StartInstance } from "./StartInstance.ts"
import { StopInstance } from "./StopInstance.ts"
import { TakeBackInstance } from "./TakeBackInstance.ts"
import { teardown } from "./Teardown.ts"
import { UpgradeInstance } from "./UpgradeInstance.ts"
import { operationsOf } from "./Work.ts"

export const DeleteInstance = Workflow.make("DeleteInstance", {
  payload: Schema.Struct({
    ...Operation.fields,
    previous: Schema.NullOr(OperationId),
    earlier: Schema.optionalKey(Schema.Array(OperationId))
  }),
  error: StepFailure,
  idempotencyKey: ({ operation }) => operation
})

/** How long one attempt to take something away may take: the machine that a server is on has to stop its database. */
const partDeadline = Duration.minutes(2)

const hasEnded = (result: Option.Option<Workflow.Result<unknown, unknown>>) =>
  Option.exists(result, (result) => result._tag === "Complete")

/** What can be done with any execution of a workflow. */
interface Executions {
  readonly interrupt: (id: string) => Effect.Effect<void, never, WorkflowEngine.WorkflowEngine>
  readonly poll: (
    id: string
  ) => Effect.Effect<Option.Option<Workflow.Result<unknown, unknown>>, never, WorkflowEngine.WorkflowEngine>
}

const executed = <E, R>(workflow: Executions, id: Effect.Effect<string, E, R>) =>
  Effect.map(id, (id) => ({ interrupt: workflow.interrupt(id), ended: Effect.map(workflow.poll(id), hasEnded) }))

/** The execution of the workflow that runs, or ran, an operation. */
const executionOf = (operation: Operation) => {
  switch (kindOf(operation.operation)) {
    case "build":
      return executed(BuildInstance, BuildInstance.executionId(operation))
    case "restart":
      return executed(RestartInstance, RestartInstance.executionId(operation))
    case "configure":
      return executed(ConfigureInstance, ConfigureInstance.executionId(operation))
    case "upgrade":
      return executed(UpgradeInstance, UpgradeInstance.executionId({ ...operation, version: "" }))
    case "resize":
      return executed(ResizeInstance, ResizeInstance.executionId(operation))
    case "stop":
      return executed(StopInstance, StopInstance.executionId(operation))
    case "start":
      return executed(StartInstance, StartInstance.executionId(operation))
    case "rebuild":
      return executed(RebuildInstance, RebuildInstance.executionId(operation))
    case "takeback":
      return executed(TakeBackInstance, TakeBackInstance.executionId(operation))
    case "delete":
      return executed(DeleteInstance, DeleteInstance.executionId({ ...operation, previous: null }))
  }
}

/** Asks an operation to stop. The step in flight ends first, then what it made is taken back. */
export const interruptOperation = (operation: Operation): Effect.Effect<void, never, WorkflowEngine.WorkflowEngine> =>
  Effect.flatMap(executionOf(operation), ({ interrupt }) => interrupt)

/** Whether the instance still knows of the operation: as the one under way, or as one that was called off. */
const isNamed = Effect.fnUntraced(function* ({ instance, operation }: Operation) {
  const loaded = yield* (yield* Lifecycles).load(instance)
  return Option.exists(loaded, ({ state }) => operationsOf(state).includes(operation))
}, Effect.withTracerEnabled(false))

/** Calls `previous` off, and waits until it has come to its end. */
const endPrevious = Effect.fnUntraced(function* (operation: Operation, previous: OperationId) {
  const before = { ...operation, operation: previous }
  const { ended, interrupt } = yield* executionOf(before)
  yield* interrupt
  // Whoever takes over a delete that has reported its end finds nothing to call off, for that may be forgotten by now.
  const isOver = Effect.flatMap(ended, (ended) =>
    ended ? Effect.succeed(true) : Effect.map(isNamed(operation), (isNamed) => !isNamed)
  )
  yield* Effect.repeat(Effect.delay(isOver, "50 millis"), { until: (isOver) => isOver })
  yield* operationEnded(before)
})

const callOff = (operation: Operation, all: ReadonlyArray<OperationId>) =>
  step(operation, {
    name: "call off what ran before",
    waitsFor: `${all.map(kindOf).join(" and ")} to end its step in flight and take back what it made`,
    deadline: Duration.minutes(3),
    execute: Effect.forEach(all, (previous) => endPrevious(operation, previous), { discard: true })
  })

export const layer = DeleteInstance.toLayer(
  Effect.fnUntraced(function* ({ earlier, previous, ...operation }) {
    yield* Workflow.withCompensation(Effect.void, (_, cause) =>
      Effect.andThen(operationEnded(operation), insist(reportOutcome(operation, cause)))
    )
    const before = calledOffOf({ previous, ...(earlier === undefined ? {} : { earlier }) })
    if (before.length > 0) yield* callOff(operation, before)
    for (const part of teardown(operation, "forget the order")) {
      yield* step(operation, { ...part, deadline: partDeadline, retries: 8 })
    }
    yield* step(operation, { name: "report", execute: reportOutcome(operation, null) })
    yield* operationEnded(operation)
  })
)
