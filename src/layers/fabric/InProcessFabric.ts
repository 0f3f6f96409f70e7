/**
 * The fabric inside one process: a bounded mailbox a server, messages in their encoded form, the sender's
 * trace carried along. It delivers to whoever serves the topic now and keeps nothing for later: what must
 * not be lost is a row before it is a message.
 */
import {
  Cause,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberSet,
  Layer,
  Option,
  Queue,
  type Schema,
  Semaphore,
  type Tracer
} from "effect"
import type { Rpc } from "effect/rpc"
import type { Handlers } from "../../services/Contract.ts"
import { Fabric, FabricError } from "../../services/Fabric.ts"
import { type Answer, clientOf, handlerOf, type Method, methodsOf } from "./ErasedContract.ts"

/** How many casts may wait for one server before senders are refused. */
const mailboxCapacity = 1024

interface Message {
  readonly method: string
  readonly payload: unknown
  readonly parent: Tracer.AnySpan | undefined
}

interface Server {
  readonly mailbox: Queue.Queue<Message>
  /** Runs a call beside the casts; its answer is encoded. */
  readonly answer: (message: Message) => Effect.Effect<Fiber.Fiber<Answer>>
}

/** An answer as it is at the other end: what is not of the contract is found out here as well. */
const roundTrip = (method: Method, answer: Answer): Effect.Effect<Answer, Schema.SchemaError> => {
  if (Exit.isSuccess(answer)) {
    return method.encodeSuccess(answer.value).pipe(Effect.flatMap(method.decodeSuccess), Effect.map(Exit.succeed))
  }
  return method.encodeError(Cause.squash(answer.cause)).pipe(Effect.flatMap(method.decodeError), Effect.map(Exit.fail))
}

const make = Effect.sync(() => {
  const servers = new Map<string, Server>()

  const serve: Fabric["Service"]["serve"] = Effect.fnUntraced(function* <R extends Rpc.Any>(
    topic: string,
    contract: { readonly requests: ReadonlyMap<string, R> },
    handlers: Handlers<R>,
    options?: { readonly concurrency?: number }
  ) {
    const known = methodsOf(contract)
    const mailbox = yield* Queue.dropping<Message>(mailboxCapacity)
    const calls = yield* FiberSet.make<Answer>()

    const handle = Effect.fnUntraced(function* (message: Message, method: Method) {
      const handler = handlerOf(handlers, message.method)
      return yield* Effect.orDie(method.decodePayload(message.payload)).pipe(
        Effect.flatMap(handler),
        Effect.withSpan(`${topic.split(".")[0]} ${message.method}`, {
          kind: "server",
          attributes: { "messaging.destination.name": topic, "messaging.operation.name": message.method },
          parent: message.parent
        })
      )
    })

    const consume = Effect.fnUntraced(function* (message: Message) {
      const method = known.get(message.method)
      if (method === undefined) return yield* Effect.logWarning("a message of an unknown method was dropped")
      yield* handle(message, method).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause)
            : Effect.logError(`${message.method} on ${topic} failed`, cause)
        )
      )
    })
    // A fiber for each message in hand, and none for those that may come: a thousand that wait are a thousand too many.
    const hands = yield* Semaphore.make(options?.concurrency ?? 1)
    const casts = yield* FiberSet.make<void>()
    const takeNext = Effect.gen(function* () {
      yield* Semaphore.take(hands, 1)
      const message = yield* Queue.take(mailbox)
      yield* FiberSet.run(casts, Effect.ensuring(consume(message), Semaphore.release(hands, 1)))
    })
    yield* Effect.forkScoped(Effect.forever(takeNext))

    const server: Server = {
      mailbox,
      answer: (message) => {
        const method = known.get(message.method)
        return FiberSet.run(
          calls,
          method === undefined
            ? Effect.succeed(Exit.die(`no method ${message.method}`))
            : // Whoever asked has given up by then, or has gone away before.
              Effect.exit(Effect.timeout(handle(message, method), Duration.times(method.timeout, 2)))
        )
      }
    }
    servers.set(topic, server)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (servers.get(topic) === server) servers.delete(topic)
      })
    )
  })

  const send = Effect.fnUntraced(function* (topic: string, tag: string, method: Method, payload: unknown) {
    const failure = (reason: FabricError["reason"], detail = "") =>
      new FabricError({ reason, topic, method: tag, detail })
    const encoded = yield* Effect.mapError(method.encodePayload(payload), (e) => failure("Undecodable", String(e)))
    const server = servers.get(topic)
    if (server === undefined) return yield* failure("Unreachable", "nobody serves it")
    const span = yield* Effect.option(Effect.currentSpan)
    const message: Message = { method: tag, payload: encoded, parent: Option.getOrUndefined(span) }
    if (method.kind === "cast") {
      const accepted = yield* Queue.offer(server.mailbox, message)
      return accepted ? undefined : yield* failure("Overloaded", `${mailboxCapacity} messages wait`)
    }
    const fiber = yield* server.answer(message)
    const outcome = yield* Effect.timeoutOrElse(Fiber.await(fiber), {
      duration: method.timeout,
      orElse: () => Effect.andThen(Effect.asVoid(Effect.forkDetach(Fiber.interrupt(fiber))), failure("Timeout"))
    })
    if (Exit.isFailure(outcome)) return yield* failure("Unreachable", "the server stopped")
    if (Exit.isFailure(outcome.value) && !Cause.hasFails(outcome.value.cause)) {
      yield* Effect.logError(`${tag} on ${topic} crashed`, outcome.value.cause)
      return yield* failure("Crashed", "see the server's log")
    }
    return yield* roundTrip(method, outcome.value).pipe(
      Effect.mapError((e) => failure("Undecodable", String(e))),
      Effect.flatten
    )
  })

  const client: Fabric["Service"]["client"] = <R extends Rpc.Any>(
    topic: string,
    contract: { readonly requests: ReadonlyMap<string, R> }
  ) => {
    return clientOf(
      contract,
      (tag, method) => (payload) =>
        send(topic, tag, method, payload).pipe(
          Effect.withSpan(`${tag} ${topic.split(".")[0]}`, { kind: method.kind === "cast" ? "producer" : "client" })
        )
    )
  }

  return Fabric.of({ serve, client })
})

export const layer: Layer.Layer<Fabric> = Layer.effect(Fabric, make)
