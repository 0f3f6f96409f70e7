/**
 * The store of configuration groups: what tenants want to be set of their servers, to which instances that is attached,
 * and what of it has reached them. A change of what an instance is to have is written together with the command that
 * brings it there, or not at all.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { InstanceId, Millis, ProjectId } from "../Ids.ts"
import type { Scope } from "../Instances.ts"
import { Values } from "./Parameter.ts"

export interface ConfigurationGroup {
  readonly id: string
  readonly project: ProjectId
  readonly name: string
  readonly description: string | null
  /** Id of the version that it is for. */
  readonly datastoreVersion: string
  readonly values: Values
  /** Grows with each change of the values. */
  readonly revision: number
  readonly created: Millis
  readonly updated: Millis
}

/** What is to be different. `values` are all of them. */
export interface GroupChange {
  readonly name: string | null
  readonly description: string | null
  readonly values: (before: Values) => Values
}

/** A group that the server would not run with: it is not tried again before it has changed. */
export const Refused = Schema.Struct({ configuration: Schema.String, revision: Schema.Int, reason: Schema.String })
export type Refused = typeof Refused.Type

/** What has reached an instance. */
export const Applied = Schema.Struct({
  /** What its guest was told to start the server with. */
  told: Values,
  /** What its server runs with. */
  running: Values,
  refused: Schema.NullOr(Refused)
})
export type Applied = typeof Applied.Type

export const nothingApplied: Applied = { told: {}, running: {}, refused: null }

/** The group with all that is attached to it cannot be removed. */
export type Removal = "removed" | "attached" | "missing"

export class Configurations extends Context.Service<
  Configurations,
  {
    readonly create: (group: ConfigurationGroup) => Effect.Effect<void>
    /** None when unknown or foreign to the scope. */
    readonly get: (scope: Scope, id: string) => Effect.Effect<Option.Option<ConfigurationGroup>>
    /** Groups with an id after `marker`, in the order of ids; at most `limit`. */
    readonly list: (
      scope: Scope,
      page: { readonly limit: number; readonly marker: string | null }
    ) => Effect.Effect<{ readonly items: ReadonlyArray<ConfigurationGroup>; readonly next: string | null }>
    /** How many instances it is attached to. */
    readonly countInstances: (id: string) => Effect.Effect<number>
    /** Instances that it is attached to, in the order of ids, from after `marker`. */
    readonly instances: (
      id: string,
      page: { readonly limit: number; readonly marker: string | null }
    ) => Effect.Effect<{
      readonly items: ReadonlyArray<{ readonly id: InstanceId; readonly name: string }>
      readonly next: string | null
    }>
    /** The change, and a Configure command to each attached instance that has been built, or is; the ids of those. */
    readonly update: (id: string, change: GroupChange) => Effect.Effect<ReadonlyArray<InstanceId>>
    readonly remove: (id: string) => Effect.Effect<Removal>
    /**
     * The group is attached, or with null what was attached is not any more, and a Configure command; false, and nothing
     * written, where the instance is not in service, is to be restarted next, or has a group already. What was refused of the
     * group before is tried again.
     */
    readonly attach: (instance: InstanceId, id: string | null) => Effect.Effect<boolean>
    /** The group that an instance is to have; none where it is to have none. */
    readonly attachedTo: (instance: InstanceId) => Effect.Effect<Option.Option<ConfigurationGroup>>
    readonly applied: (instance: InstanceId) => Effect.Effect<Applied>
    /** Its operations alone write it. */
    readonly setApplied: (instance: InstanceId, applied: Applied) => Effect.Effect<void>
  }
>()("coffer/services/Configurations") {}
