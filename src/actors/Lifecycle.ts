/**
 * The life of an instance, as a pure and total machine: for every state and every event, what comes
 * next. Reads no clock, draws no id, does no work; the compiler refuses a pair that was forgotten.
 *
 * What there is to do follows from the state alone (`workOf`), so after a crash the row says it.
 */
import { Duration } from "effect"
import { kindOf, type Millis, type OperationId, operationId } from "../services/Ids.ts"
import type { Fault, StateTag } from "../services/Status.ts"
import type { Event, EventTag, State } from "./Instance.ts"

/** How long each operation may take before it is called off. */
export interface Deadlines {
  readonly build: Duration.Duration
  readonly restart: Duration.Duration
  readonly delete: Duration.Duration
}

/** Trove waits 30 minutes for a build (`usage_timeout`). */
export const defaultDeadlines: Deadlines = {
  build: Duration.minutes(30),
  restart: Duration.minutes(10),
  delete: Duration.minutes(10)
}

/** What a decision may need of the world, drawn before it is made. */
export interface Moment {
  readonly now: Millis
  /** Never drawn before; becomes part of the operation's id, should one start. */
  readonly fresh: string
  readonly deadlines: Deadlines
}

/** The next state, and why, in words for the history. `null`: nothing happened. */
export type Decision = { readonly state: State; readonly because: string } | null

type In<S extends StateTag> = Extract<State, { readonly _tag: S }>
type On<E extends EventTag> = Extract<Event, { readonly _tag: E }>
type Table = {
  readonly [S in StateTag]: { readonly [E in EventTag]: (state: In<S>, event: On<E>, moment: Moment) => Decision }
}

const stay = (): Decision => null

const fault = (moment: Moment, message: string): Fault => ({ message, details: null, at: moment.now })

const startDelete = (previous: OperationId | null, moment: Moment): Decision => ({
  state: {
    _tag: "Deleting",
    operation: operationId("delete", moment.fresh),
    deadline: moment.now + Duration.toMillis(moment.deadlines.delete),
    previous
  },
  because: "delete requested"
})

/** At rest, news from the guest is the conductor's to keep; the lifecycle does not move. */
const news = { Observed: stay, HeartbeatLost: stay }

const table: Table = {
  New: {
    ...news,
    Create: (_, __, moment) => ({
      state: {
        _tag: "Building",
        operation: operationId("build", moment.fresh),
        deadline: moment.now + Duration.toMillis(moment.deadlines.build)
      },
      because: "create requested"
    }),
    Restart: stay,
    Delete: (_, __, moment) => startDelete(null, moment),
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay
  },
  Building: {
    ...news,
    Create: stay,
    Restart: stay,
    Delete: (state, _, moment) => startDelete(state.operation, moment),
    OperationSucceeded: (state, event) =>
      event.operation === state.operation ? { state: { _tag: "Active" }, because: "the database is ready" } : null,
    OperationFailed: (state, event) =>
      event.operation === state.operation
        ? { state: { _tag: "Failed", fault: event.fault, previous: null }, because: event.fault.message }
        : null,
    DeadlinePassed: (state, _, moment) => {
      const message = "The database was not ready in time. What had been made of it is taken back."
      return {
        state: { _tag: "Failed", fault: fault(moment, message), previous: state.operation },
        because: "the build passed its deadline"
      }
    }
  },
  Active: {
    ...news,
    Create: stay,
    Restart: (_, __, moment) => ({
      state: {
        _tag: "Restarting",
        operation: operationId("restart", moment.fresh),
        deadline: moment.now + Duration.toMillis(moment.deadlines.restart)
      },
      because: "restart requested"
    }),
    Delete: (_, __, moment) => startDelete(null, moment),
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay
  },
  // The database is there whatever becomes of its restart, so a restart that failed is no ERROR.
  Restarting: {
    ...news,
    Create: stay,
    Restart: stay,
    Delete: (state, _, moment) => startDelete(state.operation, moment),
    OperationSucceeded: (state, event) =>
      event.operation === state.operation ? { state: { _tag: "Active" }, because: "the database was restarted" } : null,
    OperationFailed: (state, event) =>
      event.operation === state.operation
        ? { state: { _tag: "Active" }, because: `the restart failed: ${event.fault.message}` }
        : null,
    // What still runs of it finds that nobody waits for it any more, and ends.
    DeadlinePassed: () => ({ state: { _tag: "Active" }, because: "the restart passed its deadline" })
  },
  Deleting: {
    ...news,
    Create: stay,
    Restart: stay,
    Delete: stay,
    OperationSucceeded: (state, event, moment) =>
      event.operation === state.operation
        ? { state: { _tag: "Deleted", at: moment.now }, because: "nothing is left of it" }
        : null,
    OperationFailed: (state, event) =>
      event.operation === state.operation
        ? { state: { _tag: "Failed", fault: event.fault, previous: null }, because: event.fault.message }
        : null,
    DeadlinePassed: (state, _, moment) => {
      const message = "The delete did not finish in time. Ask for it again; the operator sees what is left."
      return {
        state: { _tag: "Failed", fault: fault(moment, message), previous: state.operation },
        because: "the delete passed its deadline"
      }
    }
  },
  Deleted: {
    ...news,
    Create: stay,
    Restart: stay,
    Delete: stay,
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay
  },
  Failed: {
    ...news,
    Create: stay,
    Restart: stay,
    Delete: (state, _, moment) => startDelete(state.previous, moment),
    // What was called off at its deadline may have come to its end after all.
    OperationSucceeded: (state, event, moment) => {
      if (event.operation !== state.previous) return null
      return kindOf(event.operation) === "delete"
        ? { state: { _tag: "Deleted", at: moment.now }, because: "nothing is left of it" }
        : { state: { _tag: "Active" }, because: "the database became ready after all" }
    },
    OperationFailed: (state, event) =>
      event.operation === state.previous
        ? { state: { ...state, previous: null }, because: "what was called off has come to its end" }
        : null,
    DeadlinePassed: stay
  }
}

/** What `event` does to an instance in `state`. */
export const decide = (state: State, event: Event, moment: Moment): Decision => {
  // The table proves that the pair exists; TypeScript cannot follow two tags into one function's type.
  const row: Record<string, (state: never, event: never, moment: Moment) => Decision> = table[state._tag]
  const handle = row[event._tag]
  return handle === undefined ? null : handle(state as never, event as never, moment)
}

/** When the state must be left by itself, or null where the instance is at rest. */
export const deadlineOf = (state: State): Millis | null => ("deadline" in state ? state.deadline : null)

/** The work that a state asks for. Each is ensured: asking twice does it once. */
export type Work =
  | { readonly _tag: "Build"; readonly operation: OperationId }
  | { readonly _tag: "Restart"; readonly operation: OperationId }
  | { readonly _tag: "Delete"; readonly operation: OperationId; readonly previous: OperationId | null }
  | { readonly _tag: "Interrupt"; readonly operation: OperationId }
  | { readonly _tag: "Rest" }

export const workOf = (state: State): Work => {
  switch (state._tag) {
    case "Building":
      return { _tag: "Build", operation: state.operation }
    case "Restarting":
      return { _tag: "Restart", operation: state.operation }
    case "Deleting":
      return { _tag: "Delete", operation: state.operation, previous: state.previous }
    case "Failed":
      return state.previous === null ? { _tag: "Rest" } : { _tag: "Interrupt", operation: state.previous }
    case "New":
    case "Active":
    case "Deleted":
      return { _tag: "Rest" }
  }
}

/** Whether an operation is under way, or was called off and has not come to its end. */
export const isMoving = (state: State): boolean => state._tag === "New" || workOf(state)._tag !== "Rest"
