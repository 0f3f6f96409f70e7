/**
 * What a server does with one request: opens and decodes it, and lets its handler run. A cast is done with when its
 * handler is, so that nothing is lost with this process. How a call is answered is in `RabbitCalls.ts`.
 */
import { Cause, Effect, Exit, Option } from "effect"
import type { Rpc } from "effect/rpc"
import type { Handlers } from "../../services/Contract.ts"
import { type DiskError, makeTellOnce } from "../../services/Disk.ts"
import { Sender } from "../../services/Fabric.ts"
import { type Contract, handlerOf, type Method, methodsOf } from "./ErasedContract.ts"
import type { RequestMessage } from "./oslo/Envelope.ts"
import * as Failure from "./oslo/Failure.ts"
import { bury, buryUnproven, type Delivery, giveBackPause, parentOf } from "./RabbitDelivery.ts"
import { type RabbitWire, withoutStack } from "./RabbitWire.ts"
import type { Fate } from "./Repeats.ts"
import type { Opened, Protection } from "./secure/Protection.ts"

/** Why a request is not for this server, or not now. */
export type Refused =
  | { readonly _tag: "NoSuchMethod" }
  /** Of another version than the one that is served. */
  | { readonly _tag: "OtherVersion"; readonly served: string }
  /** Nobody can say who sent it. */
  | { readonly _tag: "Unproven"; readonly reason: string }
  /** It is for this server, which cannot keep that it has heard it. `protection` is its sender's, who may be told. */
  | { readonly _tag: "NotNow"; readonly error: DiskError; readonly protection: Protection }

export interface Accepted {
  readonly method: Method
  readonly protection: Protection
  readonly opened: Opened
}

export interface Dispatch {
  /** Whether the request is for this server, and of whom. */
  readonly accept: (request: RequestMessage, id: string) => Effect.Effect<Accepted, Refused>
  /** Lets the handler of a request run. */
  readonly handle: (delivery: Delivery, accepted: Accepted, payload: unknown) => Effect.Effect<unknown, unknown>
  readonly takeCast: (delivery: Delivery, request: RequestMessage, id: string) => Effect.Effect<Fate>
}

const handled = Effect.succeed<Fate>("handled")

const explain = (name: string, topic: string, version: string, refused: Refused): string => {
  switch (refused._tag) {
    case "NoSuchMethod":
      return `${topic} has no method ${name}`
    case "OtherVersion":
      return `${name} is of version ${version}, and ${refused.served} is served`
    case "Unproven":
      return refused.reason
    case "NotNow":
      return refused.error.message
  }
}

export const makeDispatch = <R extends Rpc.Any>(
  wire: RabbitWire,
  topic: string,
  contract: Contract,
  handlers: Handlers<R>,
  isStopping: () => boolean
): Dispatch => {
  const methods = methodsOf(contract)
  const served = Failure.newest(Array.from(methods.values(), (method) => method.version))
  const kind = topic.split(".", 1)[0] ?? topic

  const onDisk = makeTellOnce(`nothing is taken that is sent to ${topic}`)

  const accept: Dispatch["accept"] = ({ args, context, method: name, version }, id) =>
    wire.protections.of(topic).pipe(
      // First of all: whoever is not who it claims to be learns nothing of what is served.
      Effect.mapError(({ reason }): Refused => ({ _tag: "Unproven", reason })),
      Effect.flatMap((protection) =>
        onDisk(protection.openRequest({ method: name, args, context, id })).pipe(
          Effect.mapBoth({
            onSuccess: (opened) => ({ protection, opened }),
            onFailure: (error): Refused =>
              error._tag === "DiskError"
                ? { _tag: "NotNow", error, protection }
                : { _tag: "Unproven", reason: error.reason }
          })
        )
      ),
      Effect.flatMap((proven) => {
        const refuse = (refused: Refused) =>
          Effect.andThen(proven.opened.unhandled ?? Effect.void, Effect.fail<Refused>(refused))
        const method = methods.get(name)
        if (method === undefined) return refuse({ _tag: "NoSuchMethod" })
        if (!Failure.accepts(served, version)) return refuse({ _tag: "OtherVersion", served })
        return Effect.succeed({ method, ...proven })
      })
    )

  const traced = (delivery: Delivery, name: string, handling: Effect.Effect<unknown, unknown>) => {
    const parent = parentOf(delivery)
    return Effect.withSpan(handling, `${kind} ${name}`, {
      kind: "server",
      attributes: {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": topic,
        "messaging.operation.name": name
      },
      ...(parent === undefined ? { root: true } : { parent }),
      ...withoutStack
    })
  }

  const handle: Dispatch["handle"] = (delivery, { opened }, payload) => {
    const { method: name, sender } = opened
    const handling = Effect.suspend(() => handlerOf(handlers, name)(payload))
    const heard = sender === null ? handling : Effect.provideService(handling, Sender, sender)
    return wire.isTraced ? traced(delivery, name, heard) : heard
  }

  /** Of a handler that gave up without us: something that it waited for was stopped, maybe with this process. */
  const interrupted = (delivery: Delivery): Effect.Effect<Fate> => {
    if (isStopping()) return Effect.succeed("unfinished")
    return delivery.message.fields.redelivered
      ? bury(wire, topic, delivery, "its handler was interrupted, and so it was before")
      : Effect.as(Effect.sleep(giveBackPause), "unfinished")
  }

  const notHandled = (delivery: Delivery, name: string, cause: Cause.Cause<unknown>) =>
    Cause.hasInterruptsOnly(cause)
      ? interrupted(delivery)
      : Effect.logError(`${name} on ${topic} failed`, cause).pipe(
          Effect.andThen(bury(wire, topic, delivery, "its handler failed; the server's log tells more"))
        )

  /** Runs the handler of what was accepted. */
  const perform = (delivery: Delivery, accepted: Accepted) => {
    const { method, opened } = accepted
    const { unhandled } = opened
    const performed = Effect.matchEffect(method.decodePayload(opened.args), {
      onFailure: (error) => bury(wire, topic, delivery, String(error)),
      onSuccess: (payload) =>
        Effect.matchCauseEffect(handle(delivery, accepted, payload), {
          onFailure: (cause) => notHandled(delivery, opened.method, cause),
          onSuccess: () => handled
        })
    })
    if (unhandled === undefined) return performed
    return Effect.onExit(performed, (exit) =>
      Exit.isSuccess(exit) && exit.value === "handled" ? Effect.void : unhandled
    )
  }

  /** Not in a circle: it comes again at once, and a disk is seldom well within a moment. */
  const giveBackLater: Effect.Effect<Fate> = Effect.as(Effect.sleep(giveBackPause), "unfinished")

  const refuse = (delivery: Delivery, { method, version }: RequestMessage, refused: Refused) => {
    if (refused._tag === "NotNow") return giveBackLater
    const reason = explain(method, topic, version, refused)
    return refused._tag === "Unproven"
      ? buryUnproven(wire, topic, delivery, reason)
      : bury(wire, topic, delivery, reason)
  }

  /** Its sender's key, or what was taken already, cannot be read just now: that is no fault of the message. */
  const notNow = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>): Effect.fn.Return<Fate> {
    if (!isStopping()) yield* Effect.logError(`a message on ${topic} cannot be opened now`, cause)
    return yield* giveBackLater
  })

  const takeCast: Dispatch["takeCast"] = (delivery, request, id) =>
    Effect.matchCauseEffect(accept(request, id), {
      onFailure: (cause) => {
        const refused = Cause.findErrorOption(cause)
        return Option.isSome(refused) ? refuse(delivery, request, refused.value) : notNow(cause)
      },
      onSuccess: (accepted) => perform(delivery, accepted)
    })

  return { accept, handle, takeCast }
}
