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

/** The first version of the contract that has the method with these arguments: "1.1". Servers of an older one refuse it. */
export const Version = Context.Reference<string>("coffer/services/Contract/Version", { defaultValue: () => "1.0" })

/**
 * How long a caller waits for a sign of life before it gives up, well before `Timeout`; null where only the
 * timeout counts.
 */
export const Monitor = Context.Reference<Duration.Duration | null>("coffer/services/Contract/Monitor", {
  defaultValue: () => null
})

/** What Trove's agents call the work that the method begins; they do nothing without that name. */
export const Notification = Context.Reference<string | null>("coffer/services/Contract/Notification", {
  defaultValue: () => null
})

/**
 * The method's error for a failure that is none of ours, as its encoded form, from the message that came: Trove's
 * agents fail with Python's exceptions.
 */
export const ForeignFailure = Context.Reference<((message: string) => unknown) | null>(
  "coffer/services/Contract/ForeignFailure",
  { defaultValue: () => null }
)

interface Traits {
  readonly version?: string
  readonly notification?: string
}

/** A method that is told and not answered. */
export const cast = <const Tag extends string, Fields extends Schema.Struct.Fields>(
  tag: Tag,
  payload: Fields,
  traits: Traits = {}
) =>
  Rpc.make(tag, { payload: Schema.Struct(payload) })
    .annotate(Kind, "cast")
    .annotate(Version, traits.version ?? "1.0")
    .annotate(Notification, traits.notification ?? null)

/** A method that is answered within `timeout`, or fails as `FabricError`. */
export const call = <
  const Tag extends string,
  Fields extends Schema.Struct.Fields,
  Success extends Schema.Top = Schema.Void,
  Error extends Schema.Top = Schema.Never
>(
  tag: Tag,
  payload: Fields,
  options: Traits & {
    readonly success?: Success
    readonly error?: Error
    readonly timeout: Duration.Input
    readonly monitor?: Duration.Input
  }
) =>
  Rpc.make(tag, {
    payload: Schema.Struct(payload),
    ...(options.success === undefined ? {} : { success: options.success }),
    ...(options.error === undefined ? {} : { error: options.error })
  })
    .annotate(Kind, "call")
    .annotate(Timeout, Duration.fromInputUnsafe(options.timeout))
    .annotate(Monitor, options.monitor === undefined ? null : Duration.fromInputUnsafe(options.monitor))
    .annotate(Version, options.version ?? "1.0")
    .annotate(Notification, options.notification ?? null)

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
