/**
 * Compute: where the guest of an instance lives, as a port. A "server" is whatever hosts one guest agent
 * and its database. Adapters: local (the agent in this process), a Docker host, OpenStack Nova.
 */
import { Context, type Effect, Schema } from "effect"
import type { DatastoreManagerName } from "./Catalog.ts"
import type { InstanceId } from "./Ids.ts"

/** What a guest is told about itself when its server is made; it learns everything else by messages. */
export const ServerSpec = Schema.Struct({
  instanceId: Schema.String,
  manager: Schema.Literals(["postgresql", "mariadb", "mysql"]),
  version: Schema.String,
  image: Schema.String,
  address: Schema.String,
  memoryMb: Schema.Int,
  vcpus: Schema.Int,
  /** GB */
  volumeSize: Schema.Int
})
export type ServerSpec = typeof ServerSpec.Type

/** `message` is fit for a tenant, `detail` for an operator. */
export class ComputeError extends Schema.TaggedError<ComputeError>()("ComputeError", {
  message: Schema.String,
  detail: Schema.String,
  transient: Schema.Boolean
}) {}

export class Compute extends Context.Service<
  Compute,
  {
    /** The port that clients of a datastore expect. */
    readonly portOf: (manager: DatastoreManagerName) => number
    /** The server with its volume exists and its guest agent runs. Named after the instance; ensured. */
    readonly ensure: (spec: ServerSpec) => Effect.Effect<void, ComputeError>
    /** Nothing is left of the server: agent, database, container, volume. Ensured. */
    readonly destroy: (id: InstanceId) => Effect.Effect<void, ComputeError>
  }
>()("coffer/services/Compute") {}
