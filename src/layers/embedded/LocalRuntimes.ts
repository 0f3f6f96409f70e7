/** What this machine can run databases with, as a port. Adapters: what `Host` finds here; databases that are fake. */
import { Context, type Effect } from "effect"
import type { DatabaseRuntimeShape } from "../../guest/DatabaseRuntime.ts"
import type { DatastoreManager } from "../../guest/DatastoreManager.ts"
import type { DatastoreManagerName } from "../../services/Catalog.ts"
import type { GuestHome } from "./GuestHosts.ts"

export class LocalRuntimes extends Context.Service<
  LocalRuntimes,
  {
    /** Undefined while it does not answer: the engine of containers may come up after us. */
    readonly byKind: (kind: GuestHome["runtime"]) => DatabaseRuntimeShape | undefined
    /** The kind that a new database of this manager gets. */
    readonly choose: (manager: DatastoreManagerName) => GuestHome["runtime"]
    readonly managers: ReadonlyArray<DatastoreManager>
    /** Why nothing can run a new database now, for an operator; null when something can. */
    readonly obstacle: Effect.Effect<string | null>
  }
>()("coffer/layers/embedded/LocalRuntimes") {}
