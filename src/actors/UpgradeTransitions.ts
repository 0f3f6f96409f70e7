/**
 * The part of the machine that is about upgrades. Which version serves in the end is the guest's to tell: an upgrade that is
 * called off, or takes too long, is over when that is known.
 */
import { Duration } from "effect"
import type { OperationId } from "../services/Ids.ts"
import { callingOff } from "./CalledOff.ts"
import {
  backInService,
  begun,
  cancelled,
  type Decision,
  endedIn,
  failed,
  type In,
  inService,
  type Moment,
  type On,
  overdue,
  serve
} from "./Transitions.ts"

/** How long the guest may take to tell which version serves, once the upgrade is called off. */
const tellingWithin = Duration.minutes(10)

export const newServes = "the new version serves"
export const oldServes = "the version of before serves"

export const startUpgrade = (version: string, moment: Moment): Decision => ({
  state: { _tag: "Upgrading", ...begun("upgrade", moment), version },
  because: "upgrade requested"
})

const callOff = (state: In<"Upgrading">, calledOff: string, { now }: Moment): Decision => ({
  state: { ...state, calledOff, deadline: now + Duration.toMillis(tellingWithin) },
  because: calledOff
})

const withVersion = (decision: Decision, version: string | undefined): Decision =>
  decision === null || version === undefined ? decision : { ...decision, version }

export const Upgrading = {
  ...inService("upgrade", newServes, false),
  OperationSucceeded: (state: In<"Upgrading">, { operation, version }: On<"OperationSucceeded">, moment: Moment) =>
    operation === state.operation ? withVersion(backInService(state, newServes, moment), version) : null,
  OperationFailed: (state: In<"Upgrading">, { fault, operation }: On<"OperationFailed">, moment: Moment) => {
    if (operation !== state.operation) return null
    const why = state.calledOff ?? `the upgrade failed: ${fault.message}`
    return backInService(state, `${why}; ${oldServes}`, moment)
  },
  DeadlinePassed: (state: In<"Upgrading">, event: On<"DeadlinePassed">, moment: Moment) => {
    if (state.calledOff === undefined) return callOff(state, overdue("upgrade", event), moment)
    const message = "Which version serves is not known: the guest does not tell how the upgrade ended."
    const fault = { message, details: event.detail ?? null, at: moment.now }
    return failed(fault, callingOff(state), "service", message, state.configure === true)
  },
  Cancel: (state: In<"Upgrading">, { by, operation }: On<"Cancel">, moment: Moment) =>
    operation === state.operation && state.calledOff === undefined
      ? callOff(state, `the upgrade was ${cancelled(by)}`, moment)
      : null
}

/** A guest that nobody has heard for long has told it: what was in ERROR for that alone is in service. */
export const toldAfterAll = (
  state: In<"Failed">,
  operation: OperationId,
  because: string,
  moment: Moment,
  version?: string
): Decision => {
  if (state.previous !== operation || state.again !== "service" || state.earlier !== undefined)
    return withVersion(endedIn(state, operation, because), version)
  const decision: Decision =
    state.configure === true
      ? serve("configure", { restartRequired: false }, moment, because)
      : { state: { _tag: "Active" }, because }
  return withVersion(decision, version)
}
