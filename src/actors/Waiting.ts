/** What an operation waits for, as its history tells it: the step in flight, its attempt, and the last error. */
import type { Entry, StepEntry } from "../services/History.ts"
import type { Millis, OperationId } from "../services/Ids.ts"

export interface Waiting {
  readonly step: string
  readonly attempt: number
  /** False between two attempts, and between two steps. */
  readonly isRunning: boolean
  readonly what: string
  readonly since: Millis
  /** When the attempt is given up. */
  readonly deadline: Millis | null
}

/** The steps of one operation, in the order in which they began. */
export const stepsOf = (operation: OperationId, entries: ReadonlyArray<Entry>): ReadonlyArray<StepEntry> =>
  entries.filter((entry) => entry.kind === "step").filter((entry) => entry.operation === operation)

/** Null before its first step has begun. */
export const waitingOf = (operation: OperationId, entries: ReadonlyArray<Entry>): Waiting | null => {
  const steps = stepsOf(operation, entries)
  const running = steps.findLast(({ outcome }) => outcome === "running")
  const last = running ?? steps.at(-1)
  if (last === undefined) return null
  const { attempt, deadline, endedAt, startedAt, step, waitsFor } = last
  if (running !== undefined) {
    return { step, attempt, isRunning: true, what: waitsFor ?? `the step ${step} to end`, since: startedAt, deadline }
  }
  const what = last.outcome === "failed" ? "the next attempt" : "the taskmanager to begin the next step"
  return { step, attempt, isRunning: false, what, since: endedAt ?? startedAt, deadline: null }
}

/** The last step of an operation that failed, whatever came after it. */
export const lastFailure = (operation: OperationId, entries: ReadonlyArray<Entry>): StepEntry | null =>
  stepsOf(operation, entries).findLast(({ outcome }) => outcome === "failed") ?? null

/** For the entry about a deadline that has passed: in words for the tenant, and in detail for the operator. */
export const tellWaiting = (operation: OperationId, entries: ReadonlyArray<Entry>) => {
  const waiting = waitingOf(operation, entries)
  const failure = lastFailure(operation, entries)
  if (waiting === null) return { waitedFor: "it waited for the taskmanager to begin its first step" }
  const attempt = waiting.attempt > 1 ? `, attempt ${waiting.attempt}` : ""
  const step = waiting.isRunning
    ? `in the step "${waiting.step}"${attempt}`
    : `after the step "${waiting.step}"${attempt}`
  const error = failure === null ? "" : `; the last error was: ${failure.error ?? ""}`
  const detail = failure?.detail ?? null
  return { waitedFor: `${step} it waited for ${waiting.what}${error}`, ...(detail === null ? {} : { detail }) }
}
