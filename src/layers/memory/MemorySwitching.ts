/** Commands that stop and start databases, in memory: the part of MemoryStore that is the twin of PgSwitching. */
import { Clock, Effect } from "effect"
import type { Command } from "../../actors/Instance.ts"
import { isInService, type ShownState } from "../../services/Status.ts"
import { Switching } from "../../services/Switching.ts"

/** What the rest of the store holds of an instance. */
interface SwitchedInstance {
  /** As it is shown, with what was asked for. */
  readonly state: ShownState
  readonly post: (command: Command, now: number) => void
}

export const makeMemorySwitching = (find: (instance: string) => SwitchedInstance | undefined) => {
  const request = Effect.fnUntraced(function* (id: string, command: Command, hears: (state: ShownState) => boolean) {
    const now = yield* Clock.currentTimeMillis
    const found = find(id)
    if (found === undefined || !hears(found.state)) return false
    found.post(command, now)
    return true
  })
  return Switching.of({
    requestStop: (id) => request(id, { _tag: "Stop" }, isInService),
    requestStart: (id) => request(id, { _tag: "Start" }, (state) => state === "Stopped")
  })
}
