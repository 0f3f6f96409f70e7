/** The store of who may reach instances: what is wanted, written with the command that brings it there, and what has. */
import { Context, type Effect } from "effect"
import type { InstanceId } from "./Ids.ts"
import type { Access } from "./Instances.ts"

export class Accesses extends Context.Service<
  Accesses,
  {
    /**
     * What is wanted takes the place of what was, and a Configure command; one that has not begun to be built needs none, and
     * one that is going hears none. Nothing is written of one that is gone.
     */
    readonly request: (instance: InstanceId, access: Access) => Effect.Effect<void>
    readonly wanted: (instance: InstanceId) => Effect.Effect<Access | null>
    /** The networks that its guest was told last, and enforces; none: everybody comes in. */
    readonly told: (instance: InstanceId) => Effect.Effect<ReadonlyArray<string>>
    /** Its operations alone write it. */
    readonly setTold: (instance: InstanceId, networks: ReadonlyArray<string>) => Effect.Effect<void>
  }
>()("coffer/services/Accesses") {}
