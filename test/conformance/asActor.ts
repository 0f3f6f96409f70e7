/** What an actor does with its store, for suites of stores that only need it done. */
import { Clock, Effect, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { type Commit, Lifecycles } from "../../src/actors/Lifecycles.ts"
import { type InstanceId, operationId } from "../../src/services/Ids.ts"
import { uuid } from "./asApi.ts"

export const load = (id: InstanceId) =>
  Effect.flatMap(Lifecycles, (lifecycles) => Effect.map(lifecycles.load(id), Option.getOrThrow))

/** Goes on to `state`, with all mail handled unless told otherwise. */
export const move = Effect.fnUntraced(function* (id: InstanceId, state: State, more: Partial<Commit> = {}) {
  const { generation, mail } = yield* load(id)
  const handled = mail.map(({ seq }) => seq)
  yield* (yield* Lifecycles).commit(id, { generation, state, transition: null, handled, ...more })
})

type Tag = "Active" | "Restarting" | "Failed" | "Deleted"

/** An operation begun by a move has a minute. */
const stateOf = (tag: Tag, now: number): State => {
  switch (tag) {
    case "Active":
      return { _tag: tag }
    case "Restarting":
      return { _tag: tag, operation: operationId("restart", uuid()), deadline: now + 60_000 }
    case "Failed":
      return { _tag: tag, fault: { message: "It broke.", details: null, at: now }, previous: null, again: "delete" }
    case "Deleted":
      return { _tag: tag, at: now }
  }
}

/** As an actor does: with a line in the history. */
export const moveTo = Effect.fnUntraced(function* (id: InstanceId, tag: Tag) {
  const now = yield* Clock.currentTimeMillis
  yield* move(id, stateOf(tag, now), { transition: { from: "Building", to: tag, because: "test" } })
})

/** The kinds of the commands that wait. */
export const mail = (id: InstanceId) => Effect.map(load(id), ({ mail }) => mail.map(({ command }) => command._tag))
