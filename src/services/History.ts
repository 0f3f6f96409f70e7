/**
 * The history of an instance: every transition of its life and every step of its operations, so that it can
 * always say why it is where it is. Written by its actor and by the steps that the actor started.
 */
import { Context, type Effect } from "effect"
import type { InstanceId, Millis, OperationId } from "./Ids.ts"

export interface TransitionEntry {
  readonly kind: "transition"
  readonly at: Millis
  readonly from: string
  readonly to: string
  readonly because: string
}

export interface StepEntry {
  readonly kind: "step"
  readonly operation: OperationId
  /** "build", "delete" */
  readonly operationName: string
  readonly step: string
  readonly attempt: number
  /** How often this attempt was begun: more than once where a taskmanager left in the middle, and another took it up. */
  readonly begun: number
  readonly startedAt: Millis
  readonly endedAt: Millis | null
  readonly outcome: "running" | "done" | "failed" | "interrupted"
  /** For the tenant. */
  readonly error: string | null
  /** For the operator only. */
  readonly detail: string | null
  /** What the step waits for while it runs, in words. */
  readonly waitsFor: string | null
  /** When the step is given up. */
  readonly deadline: Millis | null
}

/** What the guest reported of itself: health changes, progress of long work. */
export interface ReportEntry {
  readonly kind: "report"
  readonly at: Millis
  readonly text: string
}

export type Entry = TransitionEntry | StepEntry | ReportEntry

/** What makes a line about a step one line: the same attempt of the same step. */
export const stepKey = (step: Pick<StepEntry, "operation" | "step" | "attempt">) =>
  `${step.operation}/${step.step}/${step.attempt}`

/** How many entries are kept and told of one instance; older ones are pruned. */
export const maxEntries = 500

/** How many of them may be the guest's reports: a guest that tells much pushes out its own words, and nothing else. */
export const maxReports = 200

/** How a report begins that is in the guest's words. */
export const guestSays = "the guest: "

/** How a report begins that tells of something that could not be taken back. */
export const leftBehind = "left behind: "

export type StepStart = Pick<StepEntry, "operation" | "operationName" | "step" | "attempt" | "waitsFor" | "deadline">

export class History extends Context.Service<
  History,
  {
    readonly report: (id: InstanceId, text: string) => Effect.Effect<void>
    /**
     * Opens a step's entry; its key closes it. The same step and attempt begun again is one entry, which counts that; it
     * is open again, with its new deadline, unless it was done or had failed.
     */
    readonly stepStarted: (id: InstanceId, step: StepStart) => Effect.Effect<void>
    /** The same for a wait, which is opened each time that its workflow is read: that is no new beginning, and not counted. */
    readonly waitStarted: (id: InstanceId, step: StepStart) => Effect.Effect<void>
    /** Closes the entry if it is open still. */
    readonly stepEnded: (
      id: InstanceId,
      step: Pick<StepEntry, "operation" | "step" | "attempt" | "outcome" | "error" | "detail">
    ) => Effect.Effect<void>
    /** Closes, as interrupted, what is open still of an operation that ends: a process may have died in the middle. */
    readonly operationEnded: (id: InstanceId, operation: OperationId) => Effect.Effect<void>
    /** Oldest first; what only a newer release knows is not told. */
    readonly list: (id: InstanceId) => Effect.Effect<ReadonlyArray<Entry>>
  }
>()("coffer/services/History") {}
