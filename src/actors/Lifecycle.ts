import { kindOf, type OperationId, operationId } from "../services/Ids.ts"
import { type Fault, isServing, type StateTag } from "../services/Status.ts"
import { calledOffOf, remembered } from "./CalledOff.ts"
import type { Event, EventTag, State } from "./Instance.ts"
import { Rebuilding } from "./RebuildTransitions.ts"
import {
  backInService,
  begun,
  begunBy,
  bringBack,
  callOffBuild,
  callOffDelete,
  cancelled,
  type Decision,
  ended,
  endedIn,
  failed,
  type In,
  inService,
  inServiceAfterAll,
  type Moment,
  news,
  type On,
  overdue,
  remember,
  resizing,
  serve,
  settled,
  startDelete,
  startResize,
  stay,
  stopped,
  strike,
  unasked
} from "./Transitions.ts"
import { newServes, oldServes, startUpgrade, toldAfterAll, Upgrading } from "./UpgradeTransitions.ts"

/** One of them follows what is under way, and no two. */
const isFollowed = ({ resize, restart, stop }: In<"Configuring">) =>
  restart === true || stop === true || resize !== undefined

/** A database that is there, or may be yet, for a build that was called off may end well. */
const mayServe = ({ again, previous }: In<"Failed">) => again === "service" || (again === "build" && previous !== null)

type Table = {
  readonly [S in StateTag]: { readonly [E in EventTag]: (state: In<S>, event: On<E>, moment: Moment) => Decision }
}

const table: Table = {
  New: {
    ...news,
    ...unasked,
    Create: (_, __, moment) => ({
      state: { _tag: "Building", ...begun("build", moment) },
      because: "create requested"
    }),
    Restart: stay,
    Stop: stay,
    Start: stay,
    Configure: stay,
    Upgrade: stay,
    Resize: stay,
    Rebuild: stay,
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
    Stop: stay,
    Start: stay,
    Configure: remember,
    Upgrade: stay,
    Resize: stay,
    Rebuild: stay,
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
    Stop: ({ restartRequired }, _, moment) => serve("stop", { restartRequired: restartRequired === true }, moment),
    Start: stay,
    Configure: ({ restartRequired }, _, moment) =>
      serve("configure", { restartRequired: restartRequired === true }, moment),
    Upgrade: (_, { version }, moment) => startUpgrade(version, moment),
    Resize: ({ restartRequired }, { to }, moment) =>
      startResize(to, { restartRequired: restartRequired === true }, moment),
    Rebuild: ({ restartRequired }, _, moment) =>
      serve("rebuild", { restartRequired: restartRequired === true }, moment),
    Delete: (state, _, moment) => startDelete(state, moment),
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay,
    Defect: strike("service")
  },
  Restarting: inService("restart", "the database was restarted", false),
  Configuring: {
    ...inService("configuration", "the configuration group is with the guest", true),
    Restart: (state) => (isFollowed(state) ? null : { state: { ...state, restart: true }, because: begunBy.restart }),
    Stop: (state) => (isFollowed(state) ? null : { state: { ...state, stop: true }, because: begunBy.stop }),
    Rebuild: (state) =>
      isFollowed(state) ? null : { state: { ...state, restart: true, rebuild: true }, because: begunBy.rebuild },
    Resize: (state, { to }) =>
      isFollowed(state) ? null : { state: { ...state, resize: to }, because: "resize requested" }
  },
  // What was cut off of a stop may have stopped the database: a start makes that good.
  Stopping: {
    ...inService("stop", "", false),
    OperationSucceeded: (state, { operation }) =>
      operation === state.operation ? stopped("the database was stopped") : null,
    OperationFailed: (state, event, moment) => {
      if (event.operation !== state.operation) return null
      const because = `the stop failed: ${event.fault.message}`
      return event.serves === true ? backInService(state, because, moment) : bringBack(state, because, moment)
    },
    DeadlinePassed: (state, event, moment) => bringBack(state, overdue("stop", event), moment),
    Cancel: (state, { by, operation }, moment) =>
      operation === state.operation ? bringBack(state, `the stop was ${cancelled(by)}`, moment) : null
  },
  Stopped: {
    ...news,
    // As of a start that was called off. Stopped once more, what is stopped already stays as it is.
    Observed: (_, observed, moment) =>
      isServing(observed)
        ? serve("stop", { restartRequired: false }, moment, "its database runs, and is to be stopped")
        : null,
    ...unasked,
    Create: stay,
    // So Trove's clients bring back what was stopped.
    Restart: (_, __, moment) => serve("start", { restartRequired: false }, moment, begunBy.restart),
    Stop: stay,
    Start: (_, __, moment) => serve("start", { restartRequired: false }, moment),
    // Its start brings what it is to have by then, and who may reach it.
    Configure: stay,
    Upgrade: stay,
    Resize: stay,
    // As by a restart.
    Rebuild: (_, __, moment) => serve("rebuild", { restartRequired: false, stopped: true }, moment),
    Delete: (state, _, moment) => startDelete(state, moment),
    OperationSucceeded: stay,
    OperationFailed: stay,
    DeadlinePassed: stay,
    Defect: strike("stopped")
  },
  Starting: {
    ...inService("start", "the database was started", false),
    OperationFailed: (state, event, moment) => {
      if (event.operation !== state.operation) return null
      const because = `the start failed: ${event.fault.message}`
      return event.serves === true
        ? backInService(state, because, moment, event.restartRequired === true)
        : stopped(because)
    },
    DeadlinePassed: (_, event) => stopped(overdue("start", event)),
    Cancel: (state, { by, operation }) =>
      operation === state.operation ? stopped(`the start was ${cancelled(by)}`) : null,
    Defect: strike("stopped")
  },
  Upgrading,
  Resizing: resizing,
  Rebuilding,
  Deleting: {
    ...news,
    ...unasked,
    Create: stay,
    Restart: stay,
    Stop: stay,
    Start: stay,
    Configure: stay,
    Upgrade: stay,
    Resize: stay,
    Rebuild: stay,
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
    Stop: stay,
    Start: stay,
    Configure: stay,
    Upgrade: stay,
    Resize: stay,
    Rebuild: stay,
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
    Stop: stay,
    Start: stay,
    Configure: (state) =>
      mayServe(state) && state.configure !== true
        ? { state: { ...state, configure: true }, because: begunBy.configure }
        : null,
    Upgrade: stay,
    Resize: stay,
    // It clears the fault, as a retry does.
    Rebuild: ({ again, configure, previous }, _, moment) =>
      previous === null && (again === "service" || again === "stopped")
        ? serve(
            "rebuild",
            { restartRequired: false, configure: configure === true, stopped: again === "stopped" },
            moment
          )
        : null,
    Delete: (state, _, moment) => startDelete(state, moment),
    // What was called off may have come to its end after all.
    OperationSucceeded: (state, { operation, version }, moment) => {
      if (!calledOffOf(state).includes(operation)) return null
      switch (kindOf(operation)) {
        case "delete":
          return { state: { _tag: "Deleted", at: moment.now }, because: "nothing is left of it" }
        case "build":
          // What a delete has called off may have lost a part to it.
          return state.again === "delete"
            ? endedIn(state, operation)
            : inServiceAfterAll(state, "the database became ready after all", moment)
        case "restart":
        case "configure":
        case "stop":
        case "start":
        case "rebuild":
          return endedIn(state, operation)
        case "upgrade":
          return toldAfterAll(state, operation, newServes, moment, version)
        case "resize": {
          const decision = endedIn(state, operation)
          return decision === null || state.resize === undefined ? decision : { ...decision, resized: state.resize }
        }
        case "takeback":
          return endedIn(state, operation, "what was left of it is taken back")
      }
    },
    OperationFailed: (state, { fault, operation }, moment) => {
      if (kindOf(operation) === "upgrade") return toldAfterAll(state, operation, oldServes, moment)
      const because = kindOf(operation) === "takeback" ? `not all of it could be taken back: ${fault.message}` : ended
      return endedIn(state, operation, because)
    },
    DeadlinePassed: stay,
    // A build begins when the one before has come to its end; a delete sees to that itself.
    Retry: (state, { by }, moment) => {
      const { again, previous } = state
      const because = `retry requested by ${by}`
      if (again === "delete") return startDelete(state, moment, because)
      if (previous !== null || again === undefined) return null
      if (again === "stopped") return stopped(because)
      return again === "service"
        ? inServiceAfterAll(state, because, moment)
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
