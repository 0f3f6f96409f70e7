/**
 * What a state asks to be done, and by when: it follows from the state alone, so after a crash the row says it.
 */
import { kindOf, type Millis, type OperationId } from "../services/Ids.ts"
import type { ResizeTarget } from "../services/Resizes.ts"
import { type CalledOff, calledOffOf, remembered } from "./CalledOff.ts"
import type { State } from "./Instance.ts"

/** When the state must be left by itself, or null where the instance is at rest. */
export const deadlineOf = (state: State): Millis | null => ("deadline" in state ? state.deadline : null)

/** The operations that the state waits for: the one under way, and the one that was called off. */
export const operationsOf = (state: State): ReadonlyArray<OperationId> => {
  return [...("operation" in state ? [state.operation] : []), ...calledOffOf(state)]
}

/** What the instance holds quota for beyond what it is: what it is being resized to, or will be. */
export const resizeOf = (state: State): ResizeTarget | null => {
  if (state._tag === "Resizing") return state.to
  return "resize" in state ? (state.resize ?? null) : null
}

/** The work that a state asks for. Each is ensured: asking twice does it once. */
export type Work =
  | { readonly _tag: "Build"; readonly operation: OperationId; readonly anew: boolean }
  | { readonly _tag: "Restart"; readonly operation: OperationId }
  | { readonly _tag: "Configure"; readonly operation: OperationId }
  | { readonly _tag: "Upgrade"; readonly operation: OperationId; readonly version: string }
  | { readonly _tag: "Resize"; readonly operation: OperationId }
  | { readonly _tag: "Stop"; readonly operation: OperationId }
  | { readonly _tag: "Start"; readonly operation: OperationId }
  | { readonly _tag: "Rebuild"; readonly operation: OperationId }
  | ({ readonly _tag: "Delete"; readonly operation: OperationId } & CalledOff)
  | { readonly _tag: "TakeBack"; readonly operation: OperationId }
  | { readonly _tag: "Interrupt"; readonly operation: OperationId }
  | { readonly _tag: "Rest" }

export const workOf = (state: State): Work => {
  switch (state._tag) {
    case "Building":
      return { _tag: "Build", operation: state.operation, anew: state.anew ?? false }
    case "Restarting":
      return { _tag: "Restart", operation: state.operation }
    case "Configuring":
      return { _tag: "Configure", operation: state.operation }
    case "Upgrading":
      return state.calledOff === undefined
        ? { _tag: "Upgrade", operation: state.operation, version: state.version }
        : { _tag: "Interrupt", operation: state.operation }
    case "Resizing":
      return { _tag: state.calledOff === true ? "Interrupt" : "Resize", operation: state.operation }
    case "Stopping":
      return { _tag: "Stop", operation: state.operation }
    case "Starting":
      return { _tag: "Start", operation: state.operation }
    case "Rebuilding":
      return { _tag: "Rebuild", operation: state.operation }
    case "Deleting":
      return { _tag: "Delete", operation: state.operation, ...remembered(calledOffOf(state)) }
    case "Failed":
      if (state.previous === null) return { _tag: "Rest" }
      return { _tag: kindOf(state.previous) === "takeback" ? "TakeBack" : "Interrupt", operation: state.previous }
    case "New":
    case "Active":
    case "Stopped":
    case "Deleted":
      return { _tag: "Rest" }
  }
}

/** Whether an operation is under way, or was called off and has not come to its end. */
export const isMoving = (state: State): boolean => state._tag === "New" || workOf(state)._tag !== "Rest"
