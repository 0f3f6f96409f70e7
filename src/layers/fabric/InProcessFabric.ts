/**
 * The fabric inside one process: a bounded mailbox a server, messages in their encoded form, the sender's
 * trace carried along. It delivers to whoever serves the topic now and keeps nothing for later: what must
 * not be lost is a row before it is a message.
 */
import {
  Cause,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberSet,
  Layer,
  Option,
  Queue,
  Schema,
  type Tracer
} from "effect"
import type { Rpc } from "effect/rpc"
import { type Client, type Handlers, Kind, Timeout } from "../../services/Contract.ts"
import { Fabric, FabricError } from "../../services/Fabric.ts"

/** How many casts may wait for one server before senders are refused. */
const mailboxCapacity = 1024

interface Message {
  readonly method: string
  readonly payload: unknown
  readonly parent: Tracer.AnySpan | undefined
}

type Answer = Exit.Exit<unknown, unknown>

interface Server {
  readonly mailbox: Queue.Queue<Message>
  /** Runs a call beside the casts; its answer is encoded. */
  readonly answer: (message: Message) => Effect.Effect<Fiber.Fiber<Answer>>
}

/** A method with its types erased: what travels is encoded, what is handled was decoded. */
interface Method {
  readonly kind: "call" | "cast"
  readonly timeout: Duration.Duration
  readonly encodePayload: (payload: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly decodePayload: (payload: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly encodeAnswer: (exit: Answer) => Effect.Effect<unknown, Schema.SchemaError>
  readonly decodeAnswer: (exit: unknown) => Effect.Effect<Answer, Schema.SchemaError>
}

const erase = (rpc: Rpc.AnyWithProps): Method => {
  // Contracts are made of schemas that need no services; the erased Rpc type cannot say so.
  const payload = Schema.toCodecJson(rpc.payloadSchema) as unknown as Schema.Codec<unknown>
  const exit = Schema.toCodecJson(
    Schema.Exit(rpc.successSchema, rpc.errorSchema, Schema.Defect())
  ) as unknown as Schema.Codec<Answer, unknown>
  return {
    kind: Context.get(rpc.annotations, Kind),
    timeout: Context.get(rpc.annotations, Timeout),
    encodePayload: Schema.encodeEffect(payload),
    decodePayload: Schema.decodeUnknownEffect(payload),
    encodeAnswer: Schema.encodeEffect(exit),
    decodeAnswer: Schema.decodeUnknownEffect(exit)
  }
}

const methodsOf = (contract: { readonly requests: ReadonlyMap<string, Rpc.Any> }): ReadonlyMap<string, Method> => {
  const methods = new Map<string, Method>()
  for (const [tag, rpc] of contract.requests) methods.set(tag, erase(rpc as Rpc.AnyWithProps))
  return methods
}

const make = Effect.sync(() => {
  const servers = new Map<string, Server>()
  const contracts = new WeakMap<object, ReadonlyMap<string, Method>>()

  const methods = (contract: { readonly requests: ReadonlyMap<string, Rpc.Any> }) => {
    const known = contracts.get(contract)
    if (known !== undefined) return known
    const made = methodsOf(contract)
    contracts.set(contract, made)
    return made
  }

  const serve: Fabric["Service"]["serve"] = Effect.fnUntraced(function* <R extends Rpc.Any>(
    topic: string,
    contract: { readonly requests: ReadonlyMap<string, R> },
    handlers: Handlers<R>,
    options?: { readonly concurrency?: number }
  ) {
    const known = methods(contract)
    const mailbox = yield* Queue.dropping<Message>(mailboxCapacity)
    const calls = yield* FiberSet.make<Answer>()

    const handle = Effect.fnUntraced(function* (message: Message, method: Method) {
      const handler = (handlers as Record<string, ((payload: unknown) => Effect.Effect<unknown, unknown>) | undefined>)[
        message.method
      ]
      if (handler === undefined) return yield* Effect.die(`no handler for ${message.method}`)
      return yield* Effect.orDie(method.decodePayload(message.payload)).pipe(
        Effect.flatMap(handler),
        Effect.withSpan(`${topic.split(".")[0]} ${message.method}`, {
          kind: "server",
          attributes: { "messaging.destination.name": topic, "messaging.operation.name": message.method },
          parent: message.parent
        })
      )
    })

    const consume = Effect.gen(function* () {
      const message = yield* Queue.take(mailbox)
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
    for (let n = 0; n < (options?.concurrency ?? 1); n++) yield* Effect.forkScoped(Effect.forever(consume))

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
    return yield* method.encodeAnswer(outcome.value).pipe(
      Effect.flatMap(method.decodeAnswer),
      Effect.mapError((e) => failure("Undecodable", String(e))),
      Effect.flatten
    )
  })

  const client: Fabric["Service"]["client"] = <R extends Rpc.Any>(
    topic: string,
    contract: { readonly requests: ReadonlyMap<string, R> }
  ) => {
    const functions: Record<string, (payload: unknown) => Effect.Effect<unknown, unknown>> = {}
    for (const [tag, method] of methods(contract)) {
      functions[tag] = (payload) =>
        send(topic, tag, method, payload).pipe(
          Effect.withSpan(`${tag} ${topic.split(".")[0]}`, { kind: method.kind === "cast" ? "producer" : "client" })
        )
    }
    // One function was made for each method of the contract; the mapped type says what each takes and gives.
    return functions as Client<R, FabricError>
  }

  return Fabric.of({ serve, client })
})

export const layer: Layer.Layer<Fabric> = Layer.effect(Fabric, make)
