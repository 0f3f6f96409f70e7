/**
 * The sending side of the RabbitMQ fabric. A cast is sent when the broker has it safe in a queue; a call waits on
 * this process's queue for replies, which comes back after a lost connection with what was sent to it meanwhile.
 */
import { createHash, randomUUID } from "node:crypto"
import type { ConfirmChannel } from "amqplib"
import { Deferred, Duration, Effect, Latch, Option, Schema, type Tracer } from "effect"
import type { Rpc } from "effect/rpc"
import { FabricError, MessageKey } from "../../services/Fabric.ts"
import { BrokerLost, lost } from "./amqp/Connection.ts"
import type { PublishFailed } from "./amqp/Publisher.ts"
import { clientOf, type Method } from "./ErasedContract.ts"
import * as Envelope from "./oslo/Envelope.ts"
import * as Failure from "./oslo/Failure.ts"
import { declareReplies } from "./oslo/Topology.ts"
import { makeReplies } from "./RabbitReplies.ts"
import { patience, type RabbitWire, withoutStack } from "./RabbitWire.ts"

/** What a context without a user looks like to oslo. */
const nobody = { user: null, project_id: null, roles: [], is_admin: false }

/** Trove's agents do work only for a notification, and say by its name what has ended or failed. */
const contextOf = (method: Method): Readonly<Record<string, unknown>> => {
  const request_id = `req-${randomUUID()}`
  if (method.notification === null) return { ...nobody, request_id }
  const trove_notification = {
    request_id,
    server_type: "guest",
    client_ip: "",
    server_ip: "",
    tenant_id: "",
    notification_classname: `trove.common.notification.${method.notification}`
  }
  return { ...nobody, request_id, trove_notification }
}

const traceHeaders = (span: Option.Option<Tracer.AnySpan>): Readonly<Record<string, string>> =>
  Option.isNone(span)
    ? {}
    : { traceparent: `00-${span.value.traceId}-${span.value.spanId}-${span.value.sampled ? "01" : "00"}` }

/**
 * How long a caller bears silence, as it is told to the server: oslo's servers take whole seconds, and give no signs
 * of life to whoever bears less than two.
 */
const monitorOf = ({ monitor }: Method): Duration.Duration | null =>
  monitor === null ? null : Duration.seconds(Math.max(2, Math.ceil(Duration.toSeconds(monitor))))

/** How long a broker may take to delete the queue for replies, which it would do half an hour later by itself. */
const goodbye = Duration.seconds(2)

const decodeArgs = Schema.decodeUnknownEffect(Schema.Record(Schema.String, Schema.Unknown))

const hexId = () => randomUUID().replaceAll("-", "")

/** The id of a message that is the same each time it is told. */
const idOf = (...told: ReadonlyArray<string>) =>
  createHash("sha256").update(JSON.stringify(told)).digest("hex").slice(0, 32)

const why: Record<PublishFailed["reason"], readonly [FabricError["reason"], string]> = {
  unroutable: ["Unreachable", "nobody serves it"],
  refused: ["Overloaded", "its queue is full"],
  away: ["Unreachable", "the broker is away"],
  malformed: ["Undecodable", "AMQP cannot carry it"]
}

export const makeClient = Effect.fnUntraced(function* (wire: RabbitWire) {
  const { deadlines, names, publisher } = wire
  const replies = makeReplies(deadlines)
  const queue = `reply_${hexId()}`
  /** Open for as long as replies arrive. */
  const listening = yield* Latch.make(false)
  let isListening = false

  const consume = async (channel: ConfirmChannel, gone: () => void) => {
    await declareReplies(channel, names, queue)
    await channel.consume(queue, (message) => (message === null ? gone() : replies.take(message.content)), {
      noAck: true
    })
  }

  const session = Effect.fnUntraced(function* (channel: ConfirmChannel) {
    const deleted = yield* Deferred.make<never, BrokerLost>()
    const gone = () =>
      Deferred.doneUnsafe(deleted, Effect.fail(new BrokerLost({ reason: "the queue for replies was deleted" })))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isListening = false
        listening.closeUnsafe()
      })
    )
    yield* Effect.tryPromise({ try: () => consume(channel, gone), catch: lost })
    isListening = true
    listening.openUnsafe()
    // Of a channel that is lost this is asked in vain, and the queue is there for the next one.
    yield* Effect.onInterrupt(Deferred.await(deleted), () =>
      Effect.ignore(
        Effect.timeout(
          Effect.tryPromise(() => channel.deleteQueue(queue)),
          goodbye
        )
      )
    )
  })
  if (!wire.restricted) yield* Effect.forkScoped(wire.listening.onChannel(session))

  const send = Effect.fnUntraced(function* (topic: string, tag: string, method: Method, payload: unknown) {
    const failure = (reason: FabricError["reason"], detail = "") =>
      new FabricError({ reason, topic, method: tag, detail })
    const undecodable = (error: unknown) => failure("Undecodable", String(error))
    const notSent = ({ reason }: PublishFailed) => failure(...why[reason])

    const refuse = (encoded: unknown) =>
      Effect.flatMap(Effect.mapError(method.decodeError(encoded), undecodable), Effect.fail)

    const args = yield* method.encodePayload(payload).pipe(Effect.flatMap(decodeArgs), Effect.mapError(undecodable))
    if (wire.restricted && method.kind === "call") {
      return yield* failure("Unreachable", "nobody may answer this process, which has no queue for replies")
    }
    const protection = yield* Effect.mapError(wire.protections.of(topic), ({ reason }) =>
      failure("Unreachable", reason)
    )
    const key = yield* MessageKey
    const id = key === null ? hexId() : idOf(topic, tag, key)
    const sealed = yield* protection.sealRequest({ method: tag, args, context: contextOf(method), id })
    const monitor = monitorOf(method)
    const seconds = monitor === null ? null : Duration.toSeconds(monitor)
    const call = method.kind === "cast" ? null : { id: hexId(), replyTo: queue, monitor: seconds }
    const body = Envelope.writeRequest({ ...sealed, version: method.version, id, call })
    if (body.length > Envelope.maxBody) return yield* failure("Undecodable", "it is too long to be sent")
    const headers = traceHeaders(yield* Effect.option(Effect.currentSpan))
    const message = { exchange: names.exchange, routingKey: topic, body, id, headers, mandatory: true }

    if (call === null) {
      return yield* Effect.mapError(publisher.publish(message, Duration.fromInputUnsafe(patience.cast)), notSent)
    }
    const expiration = Duration.toMillis(method.timeout)
    const late = () => failure("Timeout", wire.listening.isConnected() ? "" : "the broker is away")
    if (!isListening) yield* Effect.timeoutOrElse(listening.await, { duration: method.timeout, orElse: late })
    const answer = yield* Effect.mapError(
      replies.await<PublishFailed>(call.id, { timeout: method.timeout, monitor }, (done) =>
        publisher.begin({ ...message, expiration }, method.timeout, done)
      ),
      notSent
    )
    if (answer === "late") return yield* late()
    if (answer === "silent") return yield* failure("Timeout", "the server gives no sign of life")
    const { failure: refusal, result } = yield* Effect.mapError(
      protection.openReply({ method: tag, id, result: answer.result, failure: answer.failure }),
      undecodable
    )
    if (refusal === null) return yield* Effect.mapError(method.decodeSuccess(result), undecodable)
    const meaning = Failure.read(refusal)
    switch (meaning._tag) {
      case "Crashed":
        return yield* failure("Crashed", "see the server's log")
      case "Stopped":
        return yield* failure("Unreachable", "the server stopped")
      case "Disk":
        return yield* failure(meaning.trouble, meaning.message)
      case "Misunderstood":
        return yield* failure("Undecodable", meaning.message)
      case "ContractError":
        return yield* refuse(meaning.encoded)
      case "Foreign": {
        if (method.foreignFailure === null) return yield* failure("Crashed", `${meaning.name}: ${meaning.message}`)
        return yield* refuse(method.foreignFailure(meaning.message))
      }
    }
  })

  return <R extends Rpc.Any>(topic: string, contract: { readonly requests: ReadonlyMap<string, R> }) =>
    clientOf(contract, (tag, method) => (payload) => {
      const sending = send(topic, tag, method, payload)
      if (!wire.isTraced) return sending
      return Effect.withSpan(sending, `${tag} ${topic.split(".")[0]}`, {
        kind: method.kind === "cast" ? "producer" : "client",
        attributes: { "messaging.system": "rabbitmq", "messaging.destination.name": topic },
        ...withoutStack
      })
    })
})
