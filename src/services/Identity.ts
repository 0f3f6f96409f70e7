/** Who is asking: the identity port. Adapters: embedded (loopback), Keystone. */
import { Context, type Effect, type Option, type Redacted, Schema } from "effect"
import type { ProjectId } from "./Ids.ts"

export interface Caller {
  readonly project: ProjectId
  readonly user: string
  readonly isAdmin: boolean
}

/** The token is missing or not known. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {}) {}

/** The caller is known, but not of the project in the path. */
export class WrongProject extends Schema.TaggedError<WrongProject>()("WrongProject", { project: Schema.String }) {}

export class Identity extends Context.Service<
  Identity,
  {
    /** Who presents `token` for the project in the request's path. */
    readonly authenticate: (
      project: ProjectId,
      token: Option.Option<Redacted.Redacted>
    ) => Effect.Effect<Caller, Unauthenticated | WrongProject>
  }
>()("coffer/services/Identity") {}
