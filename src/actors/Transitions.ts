/**
 * What decisions are made of: the moment that they are made in, and the transitions that several states have in common.
 * Which state has which stands in Lifecycle.ts.
 */
import { Duration } from "effect"
import { type Millis, type OperationId, type OperationKind, operationId } from "../services/Ids.ts"
import type { ResizeTarget } from "../services/Resizes.ts"
import type { Fault, StateTag } from "../services/Status.ts"
import { type CalledOff, callingOff, without } from "./CalledOff.ts"
import type { Again, DeadlinePassed, Event, EventTag, State } from "./Instance.ts"

/** How long each operation may take before it is called off. */
export interface Deadlines {
  readonly build: Duration.Duration
  readonly restart: Duration.Duration
  readonly configure: Duration.Duration
  /** As long again is what is called off given to go back to what it was. */
  readonly resize: Duration.Duration
  readonly stop: Duration.Duration
  readonly start: Duration.Duration
  readonly upgrade: Duration.Duration
  readonly rebuild: Duration.Duration
  readonly delete: Duration.Duration
}

/** Trove waits 30 minutes for a build (`usage_timeout`). */
export const defaultDeadlines: Deadlines = {
  build: Duration.minutes(30),
  restart: Duration.minutes(10),
  configure: Duration.minutes(10),
  resize: Duration.minutes(20),
  stop: Duration.minutes(10),
  start: Duration.minutes(10),
  // The data is copied, and an image may have to be fetched.
  upgrade: Duration.hours(2),
  // An image may have to be fetched for it, too.
  rebuild: Duration.minutes(30),
  delete: Duration.minutes(10)
}

/** What a decision may need of the world, drawn before it is made. */
export interface Moment {
  readonly now: Millis
  /** Never drawn before; becomes part of the operation's id, should one start. */
  readonly fresh: string
  readonly deadlines: Deadlines
}

/**
 * The next state, and why, in words for the history. `version`: the one that serves from now on; `resized`: what the
 * instance is from now on. `null`: nothing happened.
 */
export type Decision = {
  readonly state: State
  readonly because: string
  readonly version?: string
  readonly resized?: ResizeTarget
} | null

export type In<S extends StateTag> = Extract<State, { readonly _tag: S }>
export type On<E extends EventTag> = Extract<Event, { readonly _tag: E }>

export const stay = (): Decision => null

export const failed = (
  fault: Fault,
  calledOff: CalledOff,
  again: Again,
  because = fault.message,
  configure = false,
  resize?: ResizeTarget
): Decision => ({
  state: {
    _tag: "Failed",
    fault,
    ...calledOff,
    again,
    ...(configure ? { configure } : {}),
    ...(resize === undefined ? {} : { resize })
  },
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
  failed(fault, callingOff(state), "build", because, isBehind(state))

export const callOffDelete = (state: In<"Deleting">, fault: Fault, because: string) =>
  failed(fault, callingOff(state), "delete", because)

/** In service with an operation under way, or about to be: whatever becomes of that, there is a database. */
type Serving = In<"Restarting" | "Configuring" | "Resizing" | "Stopping" | "Starting" | "Upgrading" | "Rebuilding">

/** In words of the history. */
export const begunBy = {
  restart: "restart requested",
  configure: "the configuration group has changed",
  stop: "stop requested",
  start: "start requested",
  rebuild: "rebuild requested"
} as const

const servingAs = {
  restart: "Restarting",
  configure: "Configuring",
  stop: "Stopping",
  start: "Starting",
  rebuild: "Rebuilding"
} as const

/** What is to be known of an instance in service beside its operation. */
interface Service {
  readonly restartRequired: boolean
  /** The group has changed, and the operation does not bring it for certain. */
  readonly configure?: boolean
  /** Its database does not run, and is not to where this fails; a rebuild knows of it. */
  readonly stopped?: boolean
}

const knownOf = ({ configure, restartRequired, stopped }: Service) => ({
  ...(stopped === true ? { stopped } : {}),
  ...(restartRequired ? { restartRequired } : {}),
  ...(configure === true ? { configure } : {})
})

/** In words of the history. */
const told = (target: ResizeTarget) =>
  target._tag === "Flavor" ? `flavor ${target.flavor}` : `a volume of ${target.size} GB`

export const startResize = (
  to: ResizeTarget,
  service: Service,
  moment: Moment,
  because = `resize to ${told(to)} requested`
): Decision => ({ state: { _tag: "Resizing", ...begun("resize", moment), to, ...knownOf(service) }, because })

/** It goes back to what it was, and has the time for that. */
const callOffResize = (state: In<"Resizing">, moment: Moment, because: string): Decision => ({
  state: { ...state, deadline: begun("resize", moment).deadline, calledOff: true },
  because
})

/** Begins an operation of what is in service. */
export const serve = (
  kind: keyof typeof begunBy,
  service: Service,
  moment: Moment,
  because: string = begunBy[kind]
): Decision => {
  return { state: { _tag: servingAs[kind], ...begun(kind, moment), ...knownOf(service) }, because }
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
    return serve(state.rebuild === true ? "rebuild" : "restart", { restartRequired, configure }, moment, because)
  if ("stop" in state && state.stop === true) return serve("stop", { restartRequired, configure }, moment, because)
  if ("resize" in state && state.resize !== undefined)
    return startResize(state.resize, { restartRequired, configure }, moment, because)
  if (configure) return serve("configure", { restartRequired }, moment, because)
  return { state: { _tag: "Active", ...(restartRequired ? { restartRequired } : {}) }, because }
}

/** Back in service, by a start of what may have been stopped. */
export const bringBack = (state: In<"Stopping">, because: string, moment: Moment): Decision =>
  serve("start", { restartRequired: false, configure: state.configure === true }, moment, because)

/** At rest, with a database that does not run. */
export const stopped = (because: string): Decision => ({ state: { _tag: "Stopped" }, because })

/** In service again after a failure, on to what has changed meanwhile. */
export const inServiceAfterAll = ({ configure }: In<"Failed">, because: string, moment: Moment): Decision =>
  configure === true
    ? serve("configure", { restartRequired: false }, moment, because)
    : { state: { _tag: "Active" }, because }

export const cancelled = (by: string) => `called off by ${by}`

export const overdue = (what: string, { waitedFor }: typeof DeadlinePassed.Type) =>
  `the ${what} passed its deadline${waitedFor === undefined ? "" : `: ${waitedFor}`}`

/** The same state, in which less of what was called off goes on. */
export const settled = (
  { earlier: _, ...state }: In<"Deleting"> | In<"Failed">,
  calledOff: CalledOff,
  because: string
): Decision => {
  // A resize that has come to its end holds nothing any more.
  if (state._tag === "Failed" && calledOff.previous === null) {
    const { resize: _, ...rest } = state
    return { state: { ...rest, ...calledOff }, because }
  }
  return { state: { ...state, ...calledOff }, because }
}

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
      (again === "service" || again === "build") && isBehind(state),
      state._tag === "Resizing" ? state.to : undefined
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
  Resize: stay,
  Rebuild: stay,
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

/**
 * A resize. What of it is made already is taken back before the instance is at rest, for the record says what the
 * server is: so who calls it off waits for its end, which may be that it has succeeded after all.
 */
export const resizing = {
  ...inService("resize", "the instance was resized", false),
  OperationSucceeded: (state: In<"Resizing">, event: On<"OperationSucceeded">, moment: Moment) => {
    if (event.operation !== state.operation) return null
    const decision = backInService(state, `the instance has ${told(state.to)}`, moment, event.restartRequired === true)
    return decision === null ? null : { ...decision, resized: state.to }
  },
  DeadlinePassed: (state: In<"Resizing">, event: On<"DeadlinePassed">, moment: Moment) =>
    state.calledOff === true
      ? backInService(
          state,
          `what was made of the resize could not be taken back in time`,
          moment,
          // Its database may run with what it was to have.
          state.to._tag === "Flavor" || isRestartRequired(state)
        )
      : callOffResize(state, moment, overdue("resize", event)),
  Cancel: (state: In<"Resizing">, { by, operation }: On<"Cancel">, moment: Moment) =>
    operation === state.operation && state.calledOff !== true
      ? callOffResize(state, moment, `the resize was ${cancelled(by)}`)
      : null
}
