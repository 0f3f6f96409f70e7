/**
 * How a guest agent that runs in this process comes into the fabric, as a port: each by its own link, so that none
 * can speak for another. Adapters: in process, where all share one fabric; RabbitMQ.
 */
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { Fabric } from "../../services/Fabric.ts"
import type { GuestLink } from "../../services/GuestAccess.ts"
import type { ReplayFloor } from "../fabric/secure/ReplayGuard.ts"

/** The link cannot be used, now or ever; `detail` is for an operator. */
export class GuestLinkError extends Schema.TaggedError<GuestLinkError>()("GuestLinkError", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export class GuestLinks extends Context.Service<
  GuestLinks,
  {
    /**
     * The fabric as this guest has it, until the scope closes. A broker that is away is waited for behind it, and
     * not here: after a reboot a database comes up without one.
     */
    readonly open: (
      link: GuestLink | null,
      instanceId: string,
      floor: ReplayFloor
    ) => Effect.Effect<Fabric["Service"], GuestLinkError, Scope.Scope>
  }
>()("coffer/layers/embedded/GuestLinks") {}

/** Every guest has the fabric of the process. */
export const inProcess: Layer.Layer<GuestLinks, never, Fabric> = Layer.effect(
  GuestLinks,
  Effect.map(Fabric, (fabric) => GuestLinks.of({ open: () => Effect.succeed(fabric) }))
)
