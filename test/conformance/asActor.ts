/** What an actor does with its store, for suites of stores that only need it done. */
import { Effect, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { type Commit, Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { InstanceId } from "../../src/services/Ids.ts"

export const load = (id: InstanceId) =>
  Effect.flatMap(Lifecycles, (lifecycles) => Effect.map(lifecycles.load(id), Option.getOrThrow))

/** Goes on to `state`, with all mail handled unless told otherwise. */
export const move = Effect.fnUntraced(function* (id: InstanceId, state: State, more: Partial<Commit> = {}) {
  const { generation, mail } = yield* load(id)
  const handled = mail.map(({ seq }) => seq)
  yield* (yield* Lifecycles).commit(id, { generation, state, transition: null, handled, ...more })
})

/** The kinds of the commands that wait. */
export const mail = (id: InstanceId) => Effect.map(load(id), ({ mail }) => mail.map(({ command }) => command._tag))
