/**
 * What a guest must make inside a new database: databases and users, with their passwords. Kept sealed
 * beside the instance from the request until a build has succeeded or the instance is deleted, and nowhere else: a build
 * that failed may be done anew.
 */
import { Context, type Effect, Schema } from "effect"
import { Database, NewUser } from "./GuestApi.ts"
import type { InstanceId } from "./Ids.ts"

export const Provisioning = Schema.Struct({
  databases: Schema.Array(Database),
  users: Schema.Array(NewUser)
})
export type Provisioning = typeof Provisioning.Type

export class ProvisioningStore extends Context.Service<
  ProvisioningStore,
  {
    /** Empty when there is none, or it was forgotten already. */
    readonly open: (id: InstanceId) => Effect.Effect<Provisioning>
    readonly forget: (id: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/ProvisioningStore") {}
