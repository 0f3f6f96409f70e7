/**
 * The part of the machine that is about rebuilds. Whatever becomes of one, the data is there: what fails is in service as
 * before, or stopped as before.
 */
import {
  backInService,
  cancelled,
  type Decision,
  type In,
  inService,
  type Moment,
  type On,
  overdue,
  stopped,
  strike
} from "./Transitions.ts"

const cutOff = (state: In<"Rebuilding">, because: string, moment: Moment): Decision =>
  state.stopped === true ? stopped(because) : backInService(state, because, moment)

export const Rebuilding = {
  ...inService("rebuild", "the database was rebuilt", false),
  OperationFailed: (state: In<"Rebuilding">, event: On<"OperationFailed">, moment: Moment) => {
    if (event.operation !== state.operation) return null
    const because = `the rebuild failed: ${event.fault.message}`
    return state.stopped === true && event.serves !== true
      ? stopped(because)
      : backInService(state, because, moment, event.restartRequired === true)
  },
  DeadlinePassed: (state: In<"Rebuilding">, event: On<"DeadlinePassed">, moment: Moment) =>
    cutOff(state, overdue("rebuild", event), moment),
  Cancel: (state: In<"Rebuilding">, { by, operation }: On<"Cancel">, moment: Moment) =>
    operation === state.operation ? cutOff(state, `the rebuild was ${cancelled(by)}`, moment) : null,
  Defect: (state: In<"Rebuilding">, event: On<"Defect">) =>
    strike(state.stopped === true ? "stopped" : "service")(state, event)
}
