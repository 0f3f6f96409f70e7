/** Handler of the history route. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type Entry, History } from "../../services/History.ts"
import { InstanceRequests } from "../../services/InstanceRequests.ts"
import type { InstanceRecord } from "../../services/Instances.ts"
import { type ShownState, statusOf } from "../../services/Status.ts"
import { Api } from "../Api.ts"
import { answering } from "../Faults.ts"
import { CurrentCaller, scopeOf } from "../Gate.ts"
import { preciseStamp } from "../Wire.ts"
import type { HistoryEntry, WaitsFor } from "./HistoryApi.ts"

export const stampOrNull = (at: number | null) => (at === null ? null : preciseStamp(at))

export const entryView = (entry: Entry, isAdmin: boolean): typeof HistoryEntry.Type => {
  switch (entry.kind) {
    case "transition":
      return { kind: entry.kind, at: preciseStamp(entry.at), from: entry.from, to: entry.to, because: entry.because }
    case "report":
      return { kind: entry.kind, at: preciseStamp(entry.at), text: entry.text }
    case "step":
      return {
        kind: entry.kind,
        operation: entry.operationName,
        operation_id: entry.operation,
        step: entry.step,
        attempt: entry.attempt,
        ...(entry.begun > 1 ? { begun: entry.begun } : {}),
        started_at: preciseStamp(entry.startedAt),
        ended_at: stampOrNull(entry.endedAt),
        outcome: entry.outcome,
        error: entry.error,
        ...(isAdmin ? { detail: entry.detail } : {}),
        waits_for: entry.waitsFor,
        deadline: stampOrNull(entry.deadline)
      }
  }
}

/**
 * The step that runs now says it, also after a failure, while what was called off is taken back; between two steps
 * it is the taskmanager; at rest it is nothing.
 */
const waitsFor = (
  { state, stateSince }: InstanceRecord,
  entries: ReadonlyArray<Entry>
): typeof WaitsFor.Type | null => {
  if (state === "Deleted") return null
  const running = entries.findLast((entry) => entry.kind === "step" && entry.outcome === "running")
  if (running?.kind === "step")
    return {
      what: running.waitsFor ?? `the step ${running.step} to end`,
      operation: running.operationName,
      step: running.step,
      attempt: running.attempt,
      since: preciseStamp(running.startedAt),
      deadline: stampOrNull(running.deadline)
    }
  const resting: ReadonlyArray<ShownState> = ["Active", "RestartRequired", "Stopped", "Failed"]
  if (resting.includes(state)) return null
  return {
    what: "the taskmanager to begin the next step",
    operation: null,
    step: null,
    attempt: null,
    since: preciseStamp(stateSince),
    deadline: null
  }
}

export const HistoryRoutes = HttpApiBuilder.group(
  Api,
  "history",
  Effect.fnUntraced(function* (handlers) {
    const requests = yield* InstanceRequests
    const history = yield* History
    return handlers.handleAll({
      show: ({ params }) =>
        Effect.gen(function* () {
          const caller = yield* CurrentCaller
          const instance = yield* requests.get(scopeOf(caller), params.instance)
          const entries = yield* history.list(instance.desired.id)
          return {
            history: {
              instance_id: instance.desired.id,
              status: statusOf(instance.state),
              waits_for: waitsFor(instance, entries),
              entries: entries.map((entry) => entryView(entry, caller.isAdmin))
            }
          }
        }).pipe(answering)
    })
  })
)
