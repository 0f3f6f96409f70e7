/**
 * The fabric: how the roles speak to each other, as a port. A server takes the messages of one
 * topic; a client calls or casts to it. Adapters: in process, RabbitMQ. Nothing above this file
 * knows which one carries a message.
 *
 * Every payload crosses the fabric in its encoded form, in process too, so that both behave alike.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { Rpc, RpcGroup } from "effect/rpc"
import type { Client, Handlers } from "./Contract.ts"
import { diskTroubles } from "./Disk.ts"

/**
 * A message was not delivered or not answered.
 * - `Unreachable`: nobody serves the topic.
 * - `Timeout`: the answer did not come in time; the effect may have happened.
 * - `Overloaded`: the server's mailbox is full; nothing happened.
 * - `Undecodable`: one side does not speak the contract.
 * - `Crashed`: the server met a bug while it answered.
 * - `DiskFull`, `DiskFailing`: the server cannot keep that it has heard it; nothing happened.
 */
export class FabricError extends Schema.TaggedError<FabricError>()("FabricError", {
  reason: Schema.Literals(["Unreachable", "Timeout", "Overloaded", "Undecodable", "Crashed", ...diskTroubles]),
  topic: Schema.String,
  method: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.method} to ${this.topic}: ${this.reason}${this.detail === "" ? "" : ` (${this.detail})`}`
  }
}

/**
 * Who is proven to have sent the message that is being handled: the id of an instance, `host:<name>`, or null
 * where everybody who can send is trusted. What a message says of somebody else is not to be believed.
 */
export const Sender = Context.Reference<string | null>("coffer/services/Fabric/Sender", { defaultValue: () => null })

/**
 * Names what is told, so that telling it again is the same message: a receiver that had it already lets it be. Null:
 * each message is one of its own.
 */
export const MessageKey = Context.Reference<string | null>("coffer/services/Fabric/MessageKey", {
  defaultValue: () => null
})

export class Fabric extends Context.Service<
  Fabric,
  {
    /**
     * Takes the messages of `topic` until the scope closes. Casts are begun in the order they came,
     * `concurrency` of them at once (1 unless told); each is done with when its handler is. Calls run
     * beside them, so that a question is answered during long work.
     */
    readonly serve: <R extends Rpc.Any>(
      topic: string,
      contract: RpcGroup.RpcGroup<R>,
      handlers: Handlers<R>,
      options?: { readonly concurrency?: number }
    ) => Effect.Effect<void, never, Scope.Scope>

    /** A typed client of whoever serves `topic`. Making one costs nothing and sends nothing. */
    readonly client: <R extends Rpc.Any>(topic: string, contract: RpcGroup.RpcGroup<R>) => Client<R, FabricError>
  }
>()("coffer/services/Fabric") {}
