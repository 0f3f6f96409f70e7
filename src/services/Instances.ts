/**
 * The api's side of the store: what a tenant wants, written together with the quota and with the command
 * that asks for it, in one transaction. Of what actors and the conductor write it only reads.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { InstanceId, Millis, ProjectId } from "./Ids.ts"
import type { Provisioning } from "./Provisioning.ts"
import type { Fault, Observation, ShownState } from "./Status.ts"
import type { Locality } from "./Zones.ts"

export const Access = Schema.Struct({
  is_public: Schema.optionalKey(Schema.Boolean),
  allowed_cidrs: Schema.optionalKey(Schema.Array(Schema.String))
})
export type Access = typeof Access.Type

/** What the tenant wants of one instance. */
export interface Desired {
  readonly id: InstanceId
  readonly project: ProjectId
  readonly name: string
  readonly flavor: string
  /** MB that the flavor had when it was ordered, for the quota. */
  readonly ram: number
  /** GB */
  readonly volumeSize: number
  readonly volumeType: string | null
  readonly datastoreVersion: string
  readonly region: string
  readonly access: Access | null
  /** The availability zone that it is to live in; absent where any will do. */
  readonly zone?: string
  /** Absent where none was asked for. */
  readonly locality?: Locality
  readonly created: Millis
  readonly updated: Millis
}

/** One instance as the API shows it: wanted, where in its life, last seen as. */
export interface InstanceRecord {
  readonly desired: Desired
  readonly state: ShownState
  readonly fault: Fault | null
  readonly stateSince: Millis
  readonly observed: Observation | null
  readonly address: string | null
  /** The configuration group that it is to have. */
  readonly configuration: AttachedGroup | null
}

/** One instance as lists show it: without what they do not show, for that has to be looked up, and lists are what clients poll. */
export interface ListedInstance extends Pick<InstanceRecord, "state" | "observed" | "address"> {
  readonly desired: Omit<Desired, "ram" | "volumeType" | "zone" | "locality" | "updated">
}

export interface AttachedGroup {
  readonly id: string
  readonly name: string
  /** Why the server does not run with it; null where it does, or will. */
  readonly notApplied: string | null
}

export class InstanceNotFound extends Schema.TaggedError<InstanceNotFound>()("InstanceNotFound", {
  id: Schema.String
}) {}

export const Resource = Schema.Literals(["instances", "ram", "volumes", "backups"])
export type Resource = typeof Resource.Type

export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {
  resources: Schema.Array(Resource)
}) {}

/** A page by id: `next` is the marker of the following page. */
export interface Page {
  readonly items: ReadonlyArray<InstanceRecord>
  readonly next: InstanceId | null
}

export interface ListedPage {
  readonly items: ReadonlyArray<ListedInstance>
  readonly next: InstanceId | null
  /** How far the catalog had come when this was read (`Catalog.since`); 0 where nothing was found that it could name. */
  readonly offer: number
}

/** Which page: instances with an id after `marker`, in the order of ids; at most `limit`. */
export interface PageWanted {
  readonly limit: number
  readonly marker: string | null
}

/** Whose instances are meant: one project's, or anybody's for an administrator who names an id. */
export type Scope = { readonly project: ProjectId } | "any"

export class Instances extends Context.Service<
  Instances,
  {
    /**
     * Instance, quota hold (checked against the project's limits), sealed provisioning, its configuration group and the
     * Create command, or none of them.
     */
    readonly create: (
      desired: Desired,
      provisioning: Provisioning,
      configuration?: string | null
    ) => Effect.Effect<void, QuotaExceeded>
    /** The Delete command; the quota is released with it. Asking again changes nothing. */
    readonly requestDelete: (id: InstanceId) => Effect.Effect<void>
    /** The Restart command, where the instance is in service and no restart is under way; false, and nothing written, anywhere else. */
    readonly requestRestart: (id: InstanceId) => Effect.Effect<boolean>
    readonly rename: (id: InstanceId, name: string) => Effect.Effect<void>
    /** None when unknown, foreign to the scope, or deleted. */
    readonly get: (scope: Scope, id: string) => Effect.Effect<Option.Option<InstanceRecord>>
    /** A project's, as a list shows them. */
    readonly list: (project: ProjectId, page: PageWanted) => Effect.Effect<ListedPage>
    /** The same with all that is shown of each. */
    readonly listDetail: (project: ProjectId, page: PageWanted) => Effect.Effect<Page>
    /** Root was enabled or disabled by a request. */
    readonly setRootEnabled: (id: InstanceId, enabled: boolean, by: string) => Effect.Effect<void>
    /** `never` when it has not been enabled since the instance was made. */
    readonly rootEnabled: (id: InstanceId) => Effect.Effect<"enabled" | "disabled" | "never">
  }
>()("coffer/services/Instances") {}
