/** What an administrator sees of instances: of all projects, deleted ones as well while the store keeps them. */
import { Context, type Effect, type Option } from "effect"
import type { Millis, ProjectId } from "./Ids.ts"
import type { InstanceRecord } from "./Instances.ts"

/** Whether root is enabled now, since when, and by whom it was enabled or disabled last. */
export interface RootRecord {
  readonly enabled: boolean
  readonly at: Millis
  readonly by: string
}

export interface ManagedInstance {
  /** `state` is "Deleted" where it is, since `stateSince`. */
  readonly record: InstanceRecord
  /** The machine that it was placed on; null where it is on none. */
  readonly host: string | null
  /** Null where root was never enabled. */
  readonly root: RootRecord | null
}

export interface Wanted {
  /** Null: of all. */
  readonly project: ProjectId | null
  /** Null: those that are deleted and those that are not. */
  readonly deleted: boolean | null
}

/** A page by id: `next` is the marker of the following page. */
export interface ManagedPage {
  readonly items: ReadonlyArray<ManagedInstance>
  readonly next: string | null
}

export class AllInstances extends Context.Service<
  AllInstances,
  {
    /** With an id after `marker`, in the order of ids; at most `limit`. */
    readonly list: (
      wanted: Wanted,
      page: { readonly limit: number; readonly marker: string | null }
    ) => Effect.Effect<ManagedPage>
    readonly get: (id: string) => Effect.Effect<Option.Option<ManagedInstance>>
  }
>()("coffer/services/AllInstances") {}
