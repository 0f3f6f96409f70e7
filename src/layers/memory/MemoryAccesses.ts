/** Who may reach instances, in memory: the part of MemoryStore that is the twin of PgAccesses. */
import { Clock, Effect } from "effect"
import type { Command } from "../../actors/Instance.ts"
import { Accesses } from "../../services/Accesses.ts"
import type { Access } from "../../services/Instances.ts"
import type { StateTag } from "../../services/Status.ts"

/** What the rest of the store holds of an instance. */
export interface ReachedInstance {
  readonly tag: StateTag
  readonly deleteRequested: boolean
  readonly access: Access | null
  readonly setAccess: (access: Access, now: number) => void
  readonly post: (command: Command, now: number) => void
}

export const makeMemoryAccesses = (find: (instance: string) => ReachedInstance | undefined) => {
  const reached = new Map<string, ReadonlyArray<string>>()
  return Accesses.of({
    request: Effect.fnUntraced(function* (instance, access) {
      const now = yield* Clock.currentTimeMillis
      const found = find(instance)
      if (found === undefined || found.tag === "Deleted") return
      found.setAccess(access, now)
      if (found.tag !== "New" && found.tag !== "Deleting" && !found.deleteRequested)
        found.post({ _tag: "Configure" }, now)
    }),
    wanted: (instance) => Effect.sync(() => find(instance)?.access ?? null),
    told: (instance) => Effect.sync(() => reached.get(instance) ?? []),
    setTold: (instance, networks) =>
      Effect.sync(() => {
        if (find(instance) !== undefined) reached.set(instance, networks)
      })
  })
}
