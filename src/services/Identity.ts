/** Who is asking: the identity port. Adapters: loopback, tokens of the configuration, Keystone. */
import { Context, type Effect, type Option, type Redacted, Schema } from "effect"
import type { ProjectId } from "./Ids.ts"

export interface Caller {
  /** The one in the request's path. */
  readonly project: ProjectId
  readonly user: string
  /** What they are in it; what that is good for, the policy says. */
  readonly roles: ReadonlyArray<string>
}

/** The token is missing or not known. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  /** The value of `WWW-Authenticate`: where a token is to be had. */
  challenge: Schema.optionalKey(Schema.String)
}) {}

/** The caller is known, but not of the project in the path. */
export class WrongProject extends Schema.TaggedError<WrongProject>()("WrongProject", {
  /** The caller's own. */
  project: Schema.String
}) {}

/** Nobody can be asked now whether the token is good. */
export class IdentityUnavailable extends Schema.TaggedError<IdentityUnavailable>()("IdentityUnavailable", {}) {}

export class Identity extends Context.Service<
  Identity,
  {
    /** Who presents `token` for the project in the request's path. */
    readonly authenticate: (
      project: ProjectId,
      token: Option.Option<Redacted.Redacted>
    ) => Effect.Effect<Caller, Unauthenticated | WrongProject | IdentityUnavailable>
  }
>()("coffer/services/Identity") {}
