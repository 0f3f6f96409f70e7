/** Addresses of instances: each owns one from its build until its delete. */
import { Context, type Effect, Schema } from "effect"
import type { InstanceId } from "./Ids.ts"

/** Every address of the range is taken, or cannot be listened on. */
export class NoAddressLeft extends Schema.TaggedError<NoAddressLeft>()("NoAddressLeft", { range: Schema.String }) {}

export class Addresses extends Context.Service<
  Addresses,
  {
    /** The address that the instance owns, allocated if it has none yet. */
    readonly ensure: (id: InstanceId, port: number) => Effect.Effect<string, NoAddressLeft>
    readonly release: (id: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/Addresses") {}
