/**
 * How messages are protected on the wire between two parties: what the fabric asks of whoever knows the keys.
 * Three forms: none, Trove's secure RPC (secret, and not authenticated), and ours (authenticated, bound to the
 * instance, the direction, the method and a sequence).
 */
import { Context, type Effect, Schema } from "effect"
import type { DiskError } from "../../../services/Disk.ts"

/** A request as it is meant, before it is sealed or after it was opened. */
export interface Request {
  readonly method: string
  readonly args: Readonly<Record<string, unknown>>
  /** Entries of oslo's context, without their prefix. */
  readonly context: Readonly<Record<string, unknown>>
  /** oslo's `_unique_id`. */
  readonly id: string
}

/** A request that was opened, and who is proven to have sent it: see `Sender`. */
export interface Opened extends Request {
  readonly sender: string | null
  /** To be run when it was not handled after all: it is then no repeat when it comes again. */
  readonly unhandled?: Effect.Effect<void>
}

/** The answer to the request `id`: a result, or a failure as oslo writes it. */
export interface Reply {
  readonly method: string
  readonly id: string
  readonly result: unknown
  readonly failure: string | null
}

/** The message is not of this key, altered, or sent again; or nobody knows the key of whom it names. */
export class ProtectionRefused extends Schema.TaggedError<ProtectionRefused>()("ProtectionRefused", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export interface Protection {
  readonly sealRequest: (request: Request) => Effect.Effect<Request>
  /** `DiskError`: its sender is proven, and may be told why it cannot be taken now. */
  readonly openRequest: (sealed: Request) => Effect.Effect<Opened, ProtectionRefused | DiskError>
  readonly sealReply: (reply: Reply) => Effect.Effect<Reply>
  readonly openReply: (sealed: Reply) => Effect.Effect<Reply, ProtectionRefused>
}

/** Which protection the messages of a topic have, for those who send to it and for those who serve it. */
export class Protections extends Context.Service<
  Protections,
  {
    readonly of: (topic: string) => Effect.Effect<Protection, ProtectionRefused>
  }
>()("coffer/layers/fabric/secure/Protections") {}
