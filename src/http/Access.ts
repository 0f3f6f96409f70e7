/** What each route asks of its caller, as an annotation of its endpoint; the gate enforces it, before any handler. */
import { Context } from "effect"
import type { PolicyName } from "../services/policy/Policies.ts"

export type Access =
  /** The policy of that name. */
  | { readonly _tag: "Policy"; readonly name: PolicyName }
  /** An administrator: not for a policy to say. */
  | { readonly _tag: "Administrator" }
  /** Anybody of the project in the path. */
  | { readonly _tag: "Member" }
  /** The policy of what the body asks for, which its handler asks. */
  | { readonly _tag: "ByBody" }

export class Requires extends Context.Service<Requires, Access>()("coffer/http/Requires") {}

export const policy = (name: PolicyName): Access => ({ _tag: "Policy", name })
export const administrator: Access = { _tag: "Administrator" }
export const member: Access = { _tag: "Member" }
export const byBody: Access = { _tag: "ByBody" }
