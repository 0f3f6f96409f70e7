/**
 * What may be said over the fabric: a contract is a named group of Rpcs, each either
 * *cast* (told, never answered) or *called* (answered within its timeout).
 *
 * The Rpcs are effect's own, so an actor's mailbox can take the very same definitions.
 */
import { Context, Duration, type Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"

/** Whether the sender waits for an answer. */
export const Kind = Context.Reference<"call" | "cast">("coffer/services/Contract/Kind", {
  defaultValue: () => "call"
})

/** How long a caller waits for the answer. */
export const Timeout = Context.Reference<Duration.Duration>("coffer/services/Contract/Timeout", {
  defaultValue: () => Duration.seconds(60)
})

/** A method that is told and not answered. */
export const cast = <const Tag extends string, Fields extends Schema.Struct.Fields>(tag: Tag, payload: Fields) =>
  Rpc.make(tag, { payload: Schema.Struct(payload) }).annotate(Kind, "cast")

/** A method that is answered within `timeout`, or fails as `FabricError`. */
export const call = <
  const Tag extends string,
  Fields extends Schema.Struct.Fields,
  Success extends Schema.Top = Schema.Void,
  Error extends Schema.Top = Schema.Never
>(
  tag: Tag,
  payload: Fields,
  options: { readonly success?: Success; readonly error?: Error; readonly timeout: Duration.Input }
) =>
  Rpc.make(tag, {
    payload: Schema.Struct(payload),
    ...(options.success === undefined ? {} : { success: options.success }),
    ...(options.error === undefined ? {} : { error: options.error })
  })
    .annotate(Kind, "call")
    .annotate(Timeout, Duration.fromInputUnsafe(options.timeout))

export type Method = Rpc.AnyWithProps

/** One handler a method: takes the decoded payload, answers the decoded success or error. */
export type Handlers<R extends Rpc.Any> = {
  readonly [Tag in R["_tag"]]: (
    payload: Rpc.Payload<Rpc.ExtractTag<R, Tag>>
  ) => Effect.Effect<Rpc.Success<Rpc.ExtractTag<R, Tag>>, Rpc.Error<Rpc.ExtractTag<R, Tag>>>
}

/** One function a method; a cast succeeds when the server's mailbox has the message. */
export type Client<R extends Rpc.Any, E> = {
  readonly [Tag in R["_tag"]]: (
    payload: Rpc.Payload<Rpc.ExtractTag<R, Tag>>
  ) => Effect.Effect<Rpc.Success<Rpc.ExtractTag<R, Tag>>, Rpc.Error<Rpc.ExtractTag<R, Tag>> | E>
}
