/** Orders of another version in memory: the part of MemoryStore that is the twin of PgUpgradeOrders. */
import { Clock, Effect } from "effect"
import type { Command } from "../../actors/Instance.ts"
import { UpgradeOrders } from "../../services/DatastoreUpgrades.ts"
import type { ShownState } from "../../services/Status.ts"

/** What the rest of the store holds of an instance. */
interface OrderedInstance {
  readonly state: ShownState
  /** The version of its configuration group; null where it has none. */
  readonly groupVersion: string | null
  /** What has changed of it waits for its actor. */
  readonly isChanging: boolean
  readonly post: (command: Command, now: number) => void
}

export const makeMemoryUpgradeOrders = (find: (instance: string) => OrderedInstance | undefined) =>
  UpgradeOrders.of({
    request: Effect.fnUntraced(function* (id, version) {
      const now = yield* Clock.currentTimeMillis
      const found = find(id)
      if (found?.state !== "Active" || found.isChanging) return false
      if (found.groupVersion !== null && found.groupVersion !== version) return false
      found.post({ _tag: "Upgrade", version }, now)
      return true
    })
  })
