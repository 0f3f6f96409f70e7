/**
 * The life of an instance, as a pure and total machine: for every state and every event, what comes
 * next. Reads no clock, draws no id, does no work; the compiler refuses a pair that was forgotten.
 *
 * What there is to do follows from the state alone: see `Work.ts`.
 */
import { Duration } from "effect"
import { kindOf, type Millis, type OperationId, type OperationKind, operationId } from "../services/Ids.ts"
import type { Fault, StateTag } from "../services/Status.ts"
import { type CalledOff, calledOffOf, callingOff, remembered, without } from "./CalledOff.ts"
import type { Again, DeadlinePassed, Event, EventTag, State } from "./Instance.ts"

/** How long each operation may take before it is called off. */
export interface Deadlines {
  readonly build: Duration.Duration
  readonly restart: Duration.Duration
  readonly configure: Duration.Duration
  readonly delete: Duration.Duration
}

/** Trove waits 30 minutes for a build (`usage_timeout`). */
export const defaultDeadlines: Deadlines = {
  build: Duration.minutes(30),
  restart: Duration.minutes(10),
  configure: Duration.minutes(10),
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

const failed = (
  fault: Fault,
  calledOff: CalledOff,
  again: Again,
  because = fault.message,
  configure = false
): Decision => ({
  state: { _tag: "Failed", fault, ...calledOff, again, ...(configure ? { configure } : {}) },
  because
})

/** Of what was called off, one more has come to its end. */
const ended = "what was called off has come to its end"

/** An operation of its own id, with the time that it has. */
const begun = <Kind extends keyof Deadlines & OperationKind>(kind: Kind, { deadlines, fresh, now }: Moment) => ({
  operation: operationId(kind, fresh),
  deadline: now + Duration.toMillis(deadlines[kind])
})

/** Whatever runs is called off. */
const startDelete = (state: State, moment: Moment, because = "delete requested"): Decision => ({
  state: { _tag: "Deleting", ...begun("delete", moment), ...callingOff(state) },
  because
})

/** A build is called off: at its deadline, or by an operator. */
const callOffBuild = (state: In<"Building">, fault: Fault, because: string) =>
  failed(fault, callingOff(state), "build", because)

const callOffDelete = (state: In<"Deleting">, fault: Fault, because: string) =>
  failed(fault, callingOff(state), "delete", because)

/** In service with an operation under way: whatever becomes of that, there is a database. */
type Serving = In<"Restarting" | "Configuring">

/** In words of the history. */
const begunBy = { restart: "restart requested", configure: "the configuration group has changed" } as const

/** What is to be known of an instance in service beside its operation. */
interface Service {
  readonly restartRequired: boolean
  /** The group has changed, and the operation does not bring it for certain. */
  readonly configure?: boolean
}

/** Begins an operation of what is in service. */
const serve = (
  kind: keyof typeof begunBy,
  { configure, restartRequired }: Service,
  moment: Moment,
  because: string = begunBy[kind]
): Decision => {
  const known = { ...(restartRequired ? { restartRequired } : {}), ...(configure === true ? { configure } : {}) }
  const state = { ...begun(kind, moment), ...known }
  return { state: { _tag: kind === "restart" ? "Restarting" : "Configuring", ...state }, because }
}

/** At rest in service again, or on to what was asked for meanwhile: a restart first, which may be called off itself. */
const backInService = (
  state: Serving | In<"Building">,
  because: string,
  moment: Moment,
  restartRequired = "restartRequired" in state && state.restartRequired === true
): Decision => {
  const configure = state.configure === true
  if ("restart" in state && state.restart === true)
    return serve("restart", { restartRequired, configure }, moment, because)
  if (configure) return serve("configure", { restartRequired }, moment, because)
  return { state: { _tag: "Active", ...(restartRequired ? { restartRequired } : {}) }, because }
}

const cancelled = (by: string) => `called off by ${by}`

const overdue = (what: string, { waitedFor }: typeof DeadlinePassed.Type) =>
  `the ${what} passed its deadline${waitedFor === undefined ? "" : `: ${waitedFor}`}`

/** The same state, in which less of what was called off goes on. */
const settled = (
  { earlier: _, ...state }: In<"Deleting"> | In<"Failed">,
  calledOff: CalledOff,
  because: string
): Decision => ({ state: { ...state, ...calledOff }, because })

const endedIn = (state: In<"Deleting"> | In<"Failed">, operation: OperationId, because = ended): Decision => {
  const calledOff = without(state, operation)
  return calledOff === null ? null : settled(state, calledOff, because)
}

/** At rest, news from the guest is the conductor's to keep; the lifecycle does not move. */
const news = { Observed: stay, HeartbeatLost: stay }

/** An operator's commands where they have no meaning. */
const unasked = { Cancel: stay, Retry: stay, TakeBack: stay }

/** The configuration group changes under an operation: that is for when it has ended. */
const remember = (state: Serving | In<"Building">): Decision =>
  state.configure === true ? null : { state: { ...state, configure: true }, because: begunBy.configure }

/** Whether the guest may not have what the instance is to have, once what the state waits for is cut off. */
const isBehind = (state: State) => state._tag === "Configuring" || ("configure" in state && state.configure === true)

/** What is in service, but for the defect, when it was struck by one. A delete that it struck at is asked for again. */
const strike =
  (again: Again) =>
  (state: State, { command, fault }: On<"Defect">): Decision =>
    failed(
      fault,
      callingOff(state),
      command === "Delete" ? "delete" : again,
      fault.message,
      again === "service" && isBehind(state)
    )

/**
 * What every operation of an instance in service has in common. The database is there whatever becomes of it, so one that
 * failed is no ERROR. `what` is a noun for the history, `done` tells its end; `isMade`: what was cut off of it, a restart
 * makes good.
 */
const inService = (what: string, done: string, isMade: boolean) => ({
  ...news,
  ...unasked,
  Create: stay,
  Restart: stay,
  Configure: remember,
  Delete: (state: Serving, _: unknown, moment: Moment) => startDelete(state, moment),
  OperationSucceeded: (state: Serving, { operation, restartRequired }: On<"OperationSucceeded">, moment: Moment) =>
    operation === state.operation ? backInService(state, done, moment, restartRequired === true) : null,
  OperationFailed: (state: Serving, event: On<"OperationFailed">, moment: Moment) =>
    event.operation === state.operation
      ? backInService(
          state,
          `the ${what} failed: ${event.fault.message}`,
          moment,
          event.restartRequired === true || state.restartRequired === true
        )
      : null,
  // What still runs of it finds that nobody waits for it any more, and ends.
  DeadlinePassed: (state: Serving, event: On<"DeadlinePassed">, moment: Moment) =>
    backInService(state, overdue(what, event), moment, isMade || state.restartRequired === true),
  Cancel: (state: Serving, { by, operation }: On<"Cancel">, moment: Moment) =>
    operation === state.operation
      ? backInService(state, `the ${what} was ${cancelled(by)}`, moment, isMade || state.restartRequired === true)
      : null,
  Defect: strike("service")
})

const table: Table = {
  New: {
    ...news,
    ...unasked,
    Create: (_, __, moment) => ({
      state: { _tag: "Building", ...begun("build", moment) },
      because: "create requested"
    }),
    Restart: stay,
    Configure: stay,
    Delete: (state, _, moment) => startDelete(state, moment),
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay,
    Defect: strike("build")
  },
  Building: {
    ...news,
    ...unasked,
    Create: stay,
    Restart: stay,
    Configure: remember,
    Delete: (state, _, moment) => startDelete(state, moment),
    OperationSucceeded: (state, event, moment) =>
      event.operation === state.operation ? backInService(state, "the database is ready", moment) : null,
    OperationFailed: (state, event) =>
      event.operation === state.operation ? failed(event.fault, remembered([]), "build") : null,
    DeadlinePassed: (state, event, { now }) => {
      const message = "The database was not ready in time. What had been made of it is taken back."
      return callOffBuild(state, { message, details: event.detail ?? null, at: now }, overdue("build", event))
    },
    Cancel: (state, { by, operation }, { now }) => {
      const message = "The build was called off by an operator. What had been made of it is taken back."
      return operation === state.operation
        ? callOffBuild(state, { message, details: null, at: now }, cancelled(by))
        : null
    },
    TakeBack: (state, { by }, { now }) => {
      const message = "An operator has taken back what had been made of it."
      return callOffBuild(state, { message, details: null, at: now }, `taken back by ${by}`)
    },
    Defect: strike("build")
  },
  Active: {
    ...news,
    ...unasked,
    Create: stay,
    Restart: ({ restartRequired }, _, moment) =>
      serve("restart", { restartRequired: restartRequired === true }, moment),
    Configure: ({ restartRequired }, _, moment) =>
      serve("configure", { restartRequired: restartRequired === true }, moment),
    Delete: (state, _, moment) => startDelete(state, moment),
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay,
    Defect: strike("service")
  },
  Restarting: inService("restart", "the database was restarted", false),
  Configuring: {
    ...inService("configuration", "the configuration group is with the guest", true),
    Restart: (state) =>
      state.restart === true ? null : { state: { ...state, restart: true }, because: begunBy.restart }
  },
  Deleting: {
    ...news,
    ...unasked,
    Create: stay,
    Restart: stay,
    Configure: stay,
    Delete: stay,
    OperationSucceeded: (state, event, moment) =>
      event.operation === state.operation
        ? { state: { _tag: "Deleted", at: moment.now }, because: "nothing is left of it" }
        : endedIn(state, event.operation),
    OperationFailed: (state, event) =>
      event.operation === state.operation
        ? failed(event.fault, remembered(calledOffOf(state)), "delete")
        : endedIn(state, event.operation),
    DeadlinePassed: (state, event, { now }) => {
      const message = "The delete did not finish in time. Ask for it again; the operator sees what is left."
      return callOffDelete(state, { message, details: event.detail ?? null, at: now }, overdue("delete", event))
    },
    Cancel: (state, { by, operation }, { now }) => {
      const message = "The delete was called off by an operator. Ask for it again."
      return operation === state.operation
        ? callOffDelete(state, { message, details: null, at: now }, cancelled(by))
        : null
    },
    Defect: strike("delete")
  },
  Deleted: {
    ...news,
    ...unasked,
    Create: stay,
    Restart: stay,
    Configure: stay,
    Delete: stay,
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay,
    Defect: stay
  },
  Failed: {
    ...news,
    ...unasked,
    Create: stay,
    Restart: stay,
    Configure: (state) =>
      state.again === "service" && state.configure !== true
        ? { state: { ...state, configure: true }, because: begunBy.configure }
        : null,
    Delete: (state, _, moment) => startDelete(state, moment),
    // What was called off may have come to its end after all.
    OperationSucceeded: (state, { operation }, moment) => {
      if (!calledOffOf(state).includes(operation)) return null
      switch (kindOf(operation)) {
        case "delete":
          return { state: { _tag: "Deleted", at: moment.now }, because: "nothing is left of it" }
        case "build":
          // What a delete has called off may have lost a part to it.
          return state.again === "delete"
            ? endedIn(state, operation)
            : { state: { _tag: "Active" }, because: "the database became ready after all" }
        case "restart":
        case "configure":
          return endedIn(state, operation)
        case "takeback":
          return endedIn(state, operation, "what was left of it is taken back")
      }
    },
    OperationFailed: (state, { fault, operation }) =>
      endedIn(
        state,
        operation,
        kindOf(operation) === "takeback" ? `not all of it could be taken back: ${fault.message}` : ended
      ),
    DeadlinePassed: stay,
    // A build begins when the one before has come to its end; a delete sees to that itself.
    Retry: (state, { by }, moment) => {
      const { again, configure, previous } = state
      const because = `retry requested by ${by}`
      if (again === "delete") return startDelete(state, moment, because)
      if (previous !== null || again === undefined) return null
      if (again === "service" && configure === true)
        return serve("configure", { restartRequired: false }, moment, because)
      return again === "service"
        ? { state: { _tag: "Active" }, because }
        : { state: { _tag: "Building", ...begun("build", moment), anew: true }, because }
    },
    // Of what is in service but for a defect nothing is taken.
    TakeBack: (state, { by }, { fresh }) =>
      state.previous === null && (state.again === "build" || state.again === "delete")
        ? { state: { ...state, previous: operationId("takeback", fresh) }, because: `taken back by ${by}` }
        : null,
    // It is in ERROR already. The delete that it was struck at is what to do again. What cannot even be called off is
    // followed no more, so that there is rest, and commands are heard.
    Defect: (state, { command, fault }) => {
      if (command === "Delete") return failed(fault, remembered(calledOffOf(state)), "delete")
      return command === null && state.previous !== null
        ? settled(state, remembered([]), "what was called off cannot be followed to its end")
        : null
    }
  }
}

/** What `event` does to an instance in `state`. */
export const decide = (state: State, event: Event, moment: Moment): Decision => {
  // The table proves that the pair exists; TypeScript cannot follow two tags into one function's type.
  const row: Record<string, (state: never, event: never, moment: Moment) => Decision> = table[state._tag]
  const handle = row[event._tag]
  return handle === undefined ? null : handle(state as never, event as never, moment)
}

/** The state of an instance whose state cannot be read, but for the operation that it names. */
export const unreadable = (operation: OperationId | null, fault: Fault): State => {
  const kind = operation === null ? null : kindOf(operation)
  const again = kind === "build" || kind === "delete" ? kind : "service"
  return { _tag: "Failed", fault, previous: operation, again }
}
