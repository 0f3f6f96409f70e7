/** Handlers of the routes of operations, of all projects: for whom the policy lets, administrators at first. */
import { Effect, Struct } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type OperationRecord, OperatorRequests } from "../../actors/OperatorRequests.ts"
import { kindOf } from "../../services/Ids.ts"
import { statusOf } from "../../services/Status.ts"
import { Api } from "../Api.ts"
import { answering, badRequest } from "../Faults.ts"
import { CurrentCaller } from "../Gate.ts"
import { entryView, stampOrNull } from "../instances/HistoryRoutes.ts"
import { preciseStamp } from "../Wire.ts"
import type { OperationAction, OperationView } from "./OperationsApi.ts"

const waitsForOf = ({
  operation,
  since,
  standing,
  waiting
}: OperationRecord): (typeof OperationView.Type)["waits_for"] => {
  if (standing !== "running" && standing !== "ending") return null
  const kind = operation === null ? null : kindOf(operation)
  if (waiting === null) {
    const what = "the taskmanager to begin its first step"
    return { what, operation: kind, step: null, attempt: null, since: preciseStamp(since), deadline: null }
  }
  return {
    what: waiting.what,
    operation: kind,
    step: waiting.step,
    attempt: waiting.attempt,
    since: preciseStamp(waiting.since),
    deadline: stampOrNull(waiting.deadline)
  }
}

const operationView = (record: OperationRecord): typeof OperationView.Type => ({
  instance_id: record.instance,
  instance_name: record.name,
  project_id: record.project,
  status: record.state === null ? null : statusOf(record.state._tag),
  standing: record.standing,
  operation: record.operation === null ? null : kindOf(record.operation),
  operation_id: record.operation,
  since: preciseStamp(record.since),
  deadline: stampOrNull(record.deadline),
  waits_for: waitsForOf(record),
  error: record.error,
  detail: record.detail
})

/** The one action that a body names. */
const actionOf = (asked: typeof OperationAction.Type) => {
  const [action, ...others] = Struct.keys(asked)
  return action === undefined || others.length > 0
    ? Effect.fail(badRequest("Validation error: the body must name one action: cancel, compensate or retry"))
    : Effect.succeed(action)
}

export const OperationsRoutes = HttpApiBuilder.group(
  Api,
  "operations",
  Effect.fnUntraced(function* (handlers) {
    const requests = yield* OperatorRequests

    return handlers.handleAll({
      list: () => Effect.map(requests.list, (operations) => ({ operations: operations.map(operationView) })),

      show: ({ params }) =>
        Effect.gen(function* () {
          const story = yield* requests.show(params.instance)
          return {
            operation: {
              ...operationView(story),
              steps: story.steps.map((step) => entryView(step, true)),
              set_aside: story.setAside.map(({ key, posted, reason, setAside }) => ({
                key,
                posted: preciseStamp(posted),
                set_aside: preciseStamp(setAside),
                reason
              }))
            }
          }
        }).pipe(answering),

      act: ({ params, payload }) =>
        Effect.gen(function* () {
          const { user } = yield* CurrentCaller
          yield* requests.ask(params.instance, yield* actionOf(payload), user)
        }).pipe(answering)
    })
  })
)
