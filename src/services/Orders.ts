/**
 * The numbers of orders to the world outside, as a port. An order says what a server is to be, and carries a number that
 * is drawn just before it is given: whoever carries orders out refuses one that is older than the last it has heard for
 * the same server. So what somebody still has in hand who was replaced meanwhile undoes nothing.
 */
import { Context, type Effect } from "effect"

export class Orders extends Context.Service<
  Orders,
  {
    /** Larger than all that were drawn before, whoever drew them. */
    readonly next: Effect.Effect<number>
  }
>()("coffer/services/Orders") {}
