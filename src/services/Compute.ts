/**
 * Compute: where the guest of an instance lives, as a port. A "server" is whatever hosts one guest agent
 * and its database. Adapters: this machine (the agents in this process), many machines that are asked over the
 * fabric, a program of the operator.
 */
import { Context, Effect, Schema } from "effect"
import type { DatastoreManagerName } from "./Catalog.ts"
import { AgentKind, type GuestLink } from "./GuestAccess.ts"
import type { InstanceId } from "./Ids.ts"

/** What a guest is told about itself when its server is made; it learns everything else by messages. */
export const ServerSpec = Schema.Struct({
  instanceId: Schema.String,
  manager: Schema.Literals(["postgresql", "mariadb", "mysql"]),
  version: Schema.String,
  image: Schema.String,
  /** The guest host that it lives on. Until there were many, there was one. */
  host: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("local"))),
  /** Which software operates it. Until there were two, it was ours. */
  agent: AgentKind.pipe(Schema.withDecodingDefaultKey(Effect.succeed("coffer" as const))),
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
    /** Whether a server could listen there now, as the host itself sees it. */
    readonly isFree: (host: string, address: string, port: number) => Effect.Effect<boolean, ComputeError>
    /**
     * The server with its volume exists on the host that the spec names, and its guest agent runs, with this way
     * into the fabric. Named after the instance; ensured.
     */
    readonly ensure: (spec: ServerSpec, link: GuestLink | null) => Effect.Effect<void, ComputeError>
    /** Nothing is left of the server on that host: agent, database, container, volume. Ensured. */
    readonly destroy: (id: InstanceId, host: string) => Effect.Effect<void, ComputeError>
  }
>()("coffer/services/Compute") {}
