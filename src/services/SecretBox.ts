/** Seals secrets that must wait in the store: authenticated encryption, bound to what the secret belongs to. */
import { Context, type Effect, type Redacted, Schema } from "effect"

/** The sealed bytes are not of this key, or belong to something else. */
export class SealBroken extends Schema.TaggedError<SealBroken>()("SealBroken", { owner: Schema.String }) {}

export class SecretBox extends Context.Service<
  SecretBox,
  {
    readonly seal: (owner: string, secret: Redacted.Redacted) => Effect.Effect<Uint8Array>
    readonly open: (owner: string, sealed: Uint8Array) => Effect.Effect<Redacted.Redacted, SealBroken>
  }
>()("coffer/services/SecretBox") {}
