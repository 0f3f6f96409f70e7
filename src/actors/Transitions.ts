/**
 * What decisions are made of: the moment that they are made in, and the transitions that several states have in common.
 * Which state has which stands in Lifecycle.ts.
 */
import { Duration } from "effect"
import { type Millis, type OperationId, type OperationKind, operationId } from "../services/Ids.ts"
import type { Fault, StateTag } from "../services/Status.ts"
import { type CalledOff, callingOff, without } from "./CalledOff.ts"
import type { Again, DeadlinePassed, Event, EventTag, State } from "./Instance.ts"

/** How long each operation may take before it is called off. */
export interface Deadlines {
  readonly build: Duration.Duration
  readonly restart: Duration.Duration
  readonly configure: Duration.Duration
  readonly stop: Duration.Duration
  readonly start: Duration.Duration
  readonly upgrade: Duration.Duration
  readonly delete: Duration.Duration
}

/** Trove waits 30 minutes for a build (`usage_timeout`). */
export const defaultDeadlines: Deadlines = {
  build: Duration.minutes(30),
  restart: Duration.minutes(10),
  configure: Duration.minutes(10),
  stop: Duration.minutes(10),
  start: Duration.minutes(10),
  // The data is copied, and an image may have to be fetched.
  upgrade: Duration.hours(2),
  delete: Duration.minutes(10)
}

/** What a decision may need of the world, drawn before it is made. */
export interface Moment {
  readonly now: Millis
  /** Never drawn before; becomes part of the operation's id, should one start. */
  readonly fresh: string
  readonly deadlines: Deadlines
}

/** The next state, and why, in words for the history. `version`: the one that serves from now on. `null`: nothing happened. */
export type Decision = { readonly state: State; readonly because: string; readonly version?: string } | null

export type In<S extends StateTag> = Extract<State, { readonly _tag: S }>
export type On<E extends EventTag> = Extract<Event, { readonly _tag: E }>

export const stay = (): Decision => null

export const failed = (
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
export const ended = "what was called off has come to its end"

/** An operation of its own id, with the time that it has. */
export const begun = <Kind extends keyof Deadlines & OperationKind>(kind: Kind, { deadlines, fresh, now }: Moment) => ({
  operation: operationId(kind, fresh),
  deadline: now + Duration.toMillis(deadlines[kind])
})

/** Whatever runs is called off. */
export const startDelete = (state: State, moment: Moment, because = "delete requested"): Decision => ({
  state: { _tag: "Deleting", ...begun("delete", moment), ...callingOff(state) },
  because
})

/** A build is called off: at its deadline, or by an operator. */
export const callOffBuild = (state: In<"Building">, fault: Fault, because: string) =>
  failed(fault, callingOff(state), "build", because)

export const callOffDelete = (state: In<"Deleting">, fault: Fault, because: string) =>
  failed(fault, callingOff(state), "delete", because)

/** In service with an operation under way, or about to be: whatever becomes of that, there is a database. */
type Serving = In<"Restarting" | "Configuring" | "Stopping" | "Starting" | "Upgrading">

/** In words of the history. */
export const begunBy = {
  restart: "restart requested",
  configure: "the configuration group has changed",
  stop: "stop requested",
  start: "start requested"
} as const

const servingAs = { restart: "Restarting", configure: "Configuring", stop: "Stopping", start: "Starting" } as const

/** What is to be known of an instance in service beside its operation. */
interface Service {
  readonly restartRequired: boolean
  /** The group has changed, and the operation does not bring it for certain. */
  readonly configure?: boolean
}

/** Begins an operation of what is in service. */
export const serve = (
  kind: keyof typeof begunBy,
  { configure, restartRequired }: Service,
  moment: Moment,
  because: string = begunBy[kind]
): Decision => {
  const known = { ...(restartRequired ? { restartRequired } : {}), ...(configure === true ? { configure } : {}) }
  return { state: { _tag: servingAs[kind], ...begun(kind, moment), ...known }, because }
}

const isRestartRequired = (state: State) => "restartRequired" in state && state.restartRequired === true

/** At rest in service again, or on to what was asked for meanwhile: a restart or a stop first, which may be called off itself. */
export const backInService = (
  state: Serving | In<"Building">,
  because: string,
  moment: Moment,
  restartRequired = isRestartRequired(state)
): Decision => {
  const configure = state.configure === true
  if ("restart" in state && state.restart === true)
    return serve("restart", { restartRequired, configure }, moment, because)
  if ("stop" in state && state.stop === true) return serve("stop", { restartRequired, configure }, moment, because)
  if (configure) return serve("configure", { restartRequired }, moment, because)
  return { state: { _tag: "Active", ...(restartRequired ? { restartRequired } : {}) }, because }
}

/** Back in service, by a start of what may have been stopped. */
export const bringBack = (state: In<"Stopping">, because: string, moment: Moment): Decision =>
  serve("start", { restartRequired: false, configure: state.configure === true }, moment, because)

/** At rest, with a database that does not run. */
export const stopped = (because: string): Decision => ({ state: { _tag: "Stopped" }, because })

export const cancelled = (by: string) => `called off by ${by}`

export const overdue = (what: string, { waitedFor }: typeof DeadlinePassed.Type) =>
  `the ${what} passed its deadline${waitedFor === undefined ? "" : `: ${waitedFor}`}`

/** The same state, in which less of what was called off goes on. */
export const settled = (
  { earlier: _, ...state }: In<"Deleting"> | In<"Failed">,
  calledOff: CalledOff,
  because: string
): Decision => ({ state: { ...state, ...calledOff }, because })

export const endedIn = (state: In<"Deleting"> | In<"Failed">, operation: OperationId, because = ended): Decision => {
  const calledOff = without(state, operation)
  return calledOff === null ? null : settled(state, calledOff, because)
}

/** At rest, news from the guest is the conductor's to keep; the lifecycle does not move. */
export const news = { Observed: stay, HeartbeatLost: stay }

/** An operator's commands where they have no meaning. */
export const unasked = { Cancel: stay, Retry: stay, TakeBack: stay }

/** The configuration group changes under an operation: that is for when it has ended. */
export const remember = (state: Serving | In<"Building">): Decision =>
  state.configure === true ? null : { state: { ...state, configure: true }, because: begunBy.configure }

/** Whether the guest may not have what the instance is to have, once what the state waits for is cut off. */
const isBehind = (state: State) => state._tag === "Configuring" || ("configure" in state && state.configure === true)

/** What is in service, but for the defect, when it was struck by one. A delete that it struck at is asked for again. */
export const strike =
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
export const inService = (what: string, done: string, isMade: boolean) => ({
  ...news,
  ...unasked,
  Create: stay,
  Restart: stay,
  Stop: stay,
  Start: stay,
  Upgrade: stay,
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
          event.restartRequired === true || isRestartRequired(state)
        )
      : null,
  // What still runs of it finds that nobody waits for it any more, and ends.
  DeadlinePassed: (state: Serving, event: On<"DeadlinePassed">, moment: Moment) =>
    backInService(state, overdue(what, event), moment, isMade || isRestartRequired(state)),
  Cancel: (state: Serving, { by, operation }: On<"Cancel">, moment: Moment) =>
    operation === state.operation
      ? backInService(state, `the ${what} was ${cancelled(by)}`, moment, isMade || isRestartRequired(state))
      : null,
  Defect: strike("service")
})
