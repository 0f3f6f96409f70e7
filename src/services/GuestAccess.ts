/**
 * A guest's way into the fabric, as a port: a login to the broker and a key that are its own, given at build and
 * taken away at delete. Inside one process there is none, for no guest needs one.
 */
import { Context, type Effect, Schema } from "effect"
import type { InstanceId } from "./Ids.ts"

/** Which software operates the database: our agent, or Trove's. */
export const AgentKind = Schema.Literals(["coffer", "trove"])
export type AgentKind = typeof AgentKind.Type

/** What one guest needs to speak with the rest, and nobody else may have. */
export const GuestLink = Schema.Struct({
  /** Brokers, with the guest's own user and password. */
  urls: Schema.Array(Schema.RedactedFromValue(Schema.String)),
  controlExchange: Schema.String,
  /** Whether it makes its queues itself, as Trove's agents do, and all guests that share a login. */
  declares: Schema.Boolean,
  /** How its messages are protected: as Trove does it, or as we do. */
  protocol: AgentKind,
  /** 32 letters and digits. */
  key: Schema.RedactedFromValue(Schema.String)
})
export type GuestLink = typeof GuestLink.Type

/** The broker or the store did not do as it was asked; asking again may help. */
export class GuestAccessError extends Schema.TaggedError<GuestAccessError>()("GuestAccessError", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export class GuestAccess extends Context.Service<
  GuestAccess,
  {
    /** The link of this guest, the same each time; null where guests need none. Ensured. */
    readonly grant: (id: InstanceId, agent: AgentKind) => Effect.Effect<GuestLink | null, GuestAccessError>
    /** Nothing is left of it: login, connections, queues, key. Ensured. */
    readonly revoke: (id: InstanceId) => Effect.Effect<void, GuestAccessError>
  }
>()("coffer/services/GuestAccess") {}
