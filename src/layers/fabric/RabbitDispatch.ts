/**
 * What a server does with one request: opens and decodes it, and lets its handler run. A cast is done with when its
 * handler is, so that nothing is lost with this process. How a call is answered is in `RabbitCalls.ts`.
 */
import { Cause, Effect, Exit } from "effect"
import type { Rpc } from "effect/rpc"
import type { Handlers } from "../../services/Contract.ts"
import { Sender } from "../../services/Fabric.ts"
import { type Contract, handlerOf, type Method, methodsOf } from "./ErasedContract.ts"
import type { RequestMessage } from "./oslo/Envelope.ts"
import * as Failure from "./oslo/Failure.ts"
import { bury, buryUnproven, type Delivery, giveBackPause, parentOf } from "./RabbitDelivery.ts"
import type { RabbitWire } from "./RabbitWire.ts"
import type { Fate } from "./Repeats.ts"
import type { Opened, Protection } from "./secure/Protection.ts"

/** Why a request is not for this server. */
export type Refused =
  | { readonly _tag: "NoSuchMethod" }
  /** Of another version than the one that is served. */
  | { readonly _tag: "OtherVersion"; readonly served: string }
  /** Nobody can say who sent it. */
  | { readonly _tag: "Unproven"; readonly reason: string }

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

const explain = (name: string, topic: string, version: string, refused: Refused): string => {
  switch (refused._tag) {
    case "NoSuchMethod":
      return `${topic} has no method ${name}`
    case "OtherVersion":
      return `${name} is of version ${version}, and ${refused.served} is served`
    case "Unproven":
      return refused.reason
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

  const accept: Dispatch["accept"] = Effect.fnUntraced(function* ({ args, context, method: name, version }, id) {
    const open = Effect.gen(function* () {
      const protection = yield* wire.protections.of(topic)
      return { protection, opened: yield* protection.openRequest({ method: name, args, context, id }) }
    })
    // First of all: whoever is not who it claims to be learns nothing of what is served.
    const proven = yield* Effect.mapError(open, ({ reason }) => ({ _tag: "Unproven", reason }) as const)
    const refuse = (refused: Refused) =>
      Effect.andThen(proven.opened.unhandled ?? Effect.void, Effect.fail<Refused>(refused))
    const method = methods.get(name)
    if (method === undefined) return yield* refuse({ _tag: "NoSuchMethod" })
    if (!Failure.accepts(served, version)) return yield* refuse({ _tag: "OtherVersion", served })
    return { method, ...proven }
  })

  const handle: Dispatch["handle"] = (delivery, { opened }, payload) => {
    const { method: name, sender } = opened
    const parent = parentOf(delivery)
    return Effect.suspend(() => handlerOf(handlers, name)(payload)).pipe(
      Effect.withSpan(`${kind} ${name}`, {
        kind: "server",
        attributes: {
          "messaging.system": "rabbitmq",
          "messaging.destination.name": topic,
          "messaging.operation.name": name
        },
        ...(parent === undefined ? { root: true } : { parent })
      }),
      Effect.provideService(Sender, sender)
    )
  }

  /** Of a handler that gave up without us: something that it waited for was stopped, maybe with this process. */
  const interrupted = (delivery: Delivery): Effect.Effect<Fate> => {
    if (isStopping()) return Effect.succeed("unfinished")
    return delivery.message.fields.redelivered
      ? bury(wire, topic, delivery, "its handler was interrupted, and so it was before")
      : Effect.as(Effect.sleep(giveBackPause), "unfinished")
  }

  /** Runs the handler of what was accepted. */
  const perform = (delivery: Delivery, name: string, accepted: Accepted) =>
    Effect.gen(function* (): Effect.gen.Return<Fate> {
      const { method, opened } = accepted
      const decoding = yield* Effect.result(method.decodePayload(opened.args))
      if (decoding._tag === "Failure") return yield* bury(wire, topic, delivery, String(decoding.failure))
      const exit = yield* Effect.exit(handle(delivery, accepted, decoding.success))
      if (Exit.isSuccess(exit)) return "handled"
      if (Cause.hasInterruptsOnly(exit.cause)) return yield* interrupted(delivery)
      yield* Effect.logError(`${name} on ${topic} failed`, exit.cause)
      return yield* bury(wire, topic, delivery, "its handler failed; the server's log tells more")
    }).pipe(
      Effect.onExit((exit) =>
        Exit.isSuccess(exit) && exit.value === "handled" ? Effect.void : (accepted.opened.unhandled ?? Effect.void)
      )
    )

  const takeCast: Dispatch["takeCast"] = (delivery, request, id) =>
    Effect.gen(function* (): Effect.gen.Return<Fate> {
      const { method: name } = request
      const accepting = yield* Effect.exit(Effect.result(accept(request, id)))
      if (Exit.isFailure(accepting)) {
        // Its sender's key, or what was taken already, cannot be read just now: that is no fault of the message.
        if (!isStopping()) yield* Effect.logError(`a message on ${topic} cannot be opened now`, accepting.cause)
        yield* Effect.sleep(giveBackPause)
        return "unfinished"
      }
      if (accepting.value._tag === "Success") return yield* perform(delivery, name, accepting.value.success)
      const refused = accepting.value.failure
      const reason = explain(name, topic, request.version, refused)
      return yield* refused._tag === "Unproven"
        ? buryUnproven(wire, topic, delivery, reason)
        : bury(wire, topic, delivery, reason)
    })

  return { accept, handle, takeCast }
}
