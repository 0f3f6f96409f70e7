/**
 * The operations of an instance that were called off and have not come to their end: the last of them is the state's
 * `previous`, those before it are `earlier`. A delete calls off what runs, and may be called off itself.
 */
import type { OperationId } from "../services/Ids.ts"
import type { State } from "./Instance.ts"

/** What a state remembers of them. */
export interface CalledOff {
  readonly previous: OperationId | null
  readonly earlier?: ReadonlyArray<OperationId>
}

/** The last one first. */
export const calledOffOf = (state: State | CalledOff): ReadonlyArray<OperationId> => {
  if (!("previous" in state) || state.previous === null) return []
  return [state.previous, ...(state.earlier ?? [])]
}

export const remembered = ([previous, ...earlier]: ReadonlyArray<OperationId>): CalledOff => ({
  previous: previous ?? null,
  ...(earlier.length === 0 ? {} : { earlier })
})

/** When the operation under way is called off as well. */
export const callingOff = (state: State): CalledOff =>
  remembered([...("operation" in state ? [state.operation] : []), ...calledOffOf(state)])

/** When one has come to its end; null where it was none of them. */
export const without = (state: State, ended: OperationId): CalledOff | null => {
  const before = calledOffOf(state)
  return before.includes(ended) ? remembered(before.filter((operation) => operation !== ended)) : null
}
