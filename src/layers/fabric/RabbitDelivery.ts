/** A message in hand, and what can become of it: acknowledged, given back, refused, or buried with the dead letters. */
import { randomUUID } from "node:crypto"
import type { ConsumeMessage } from "amqplib"
import { Clock, Duration, Effect, Metric, Option, type Tracer } from "effect"
import { Headers, HttpTraceContext } from "effect/http"
import type { Settlements } from "./amqp/Settlements.ts"
import { deadLetterHeaders, deadLetterQueue } from "./DeadLetters.ts"
import { maxBody } from "./oslo/Envelope.ts"
import { patience, type RabbitWire } from "./RabbitWire.ts"
import type { Fate } from "./Repeats.ts"

const deadLetters = Metric.counter("coffer_dead_letters", {
  description: "Messages that nobody could take, by topic",
  incremental: true
})

export interface Delivery {
  readonly message: ConsumeMessage
  /** Of the channel on which it came. */
  readonly settlements: Settlements
}

export const deliver = (settlements: Settlements, message: ConsumeMessage): Delivery => {
  settlements.begin(message)
  return { settlements, message }
}

export const ack = ({ message, settlements }: Delivery) => settlements.ack(message)
export const giveBack = ({ message, settlements }: Delivery) => settlements.nack(message, true)
const refuse = ({ message, settlements }: Delivery) => settlements.nack(message, false)

/** Tells the broker what became of it; of what was buried it need not know more than that it is not to come again. */
export const settle = (delivery: Delivery, fate: Fate) => (fate === "unfinished" ? giveBack(delivery) : ack(delivery))

/** The span of the sender, if it sent one along. */
export const parentOf = ({ message }: Delivery): Tracer.AnySpan | undefined => {
  const traceparent: unknown = message.properties.headers?.["traceparent"]
  if (typeof traceparent !== "string") return undefined
  return Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromInput({ traceparent })))
}

/** How much of a reason is kept, and logged, in characters. */
const maxReason = 500

/** How much is kept of a message that is too long to be read. */
const maxKept = 4096

/** How many messages a second, whose senders nobody knows, are worth keeping. */
const maxUnproven = 20

/** What was buried of each server in this second. */
const windows = new WeakMap<RabbitWire, { second: number; unproven: number; dropped: number }>()

/** The pause before a message is given back that the next one cannot take either. */
export const giveBackPause = Duration.seconds(1)

/**
 * Puts a message that nobody can take to the dead letters; where it cannot, it is to be given back. A guest, who has
 * no dead letters, refuses it.
 */
export const bury = Effect.fnUntraced(function* (
  wire: RabbitWire,
  topic: string,
  delivery: Delivery,
  reason: string
): Effect.fn.Return<Fate> {
  const { content, fields } = delivery.message
  const why = reason.slice(0, maxReason)
  yield* Metric.update(Metric.withAttributes(deadLetters, { topic: topic.split(".", 1)[0] ?? topic }), 1)
  yield* Effect.logWarning(`a message on ${topic} cannot be taken: ${why}`)
  if (wire.restricted) {
    refuse(delivery)
    return "buried"
  }
  const at = new Date(yield* Clock.currentTimeMillis).toISOString()
  const buried = wire.publisher.publish(
    {
      exchange: "",
      routingKey: deadLetterQueue(wire.names.exchange),
      body: content.length > maxBody ? content.subarray(0, maxKept) : content,
      id: randomUUID(),
      mandatory: true,
      headers: {
        [deadLetterHeaders.reason]: why,
        [deadLetterHeaders.exchange]: fields.exchange,
        [deadLetterHeaders.routingKey]: fields.routingKey,
        [deadLetterHeaders.server]: wire.server,
        [deadLetterHeaders.at]: at
      }
    },
    Duration.fromInputUnsafe(patience.reply)
  )
  return yield* Effect.matchEffect(buried, {
    onSuccess: () => Effect.succeed<Fate>("buried"),
    onFailure: ({ reason: failure }) => {
      if (failure === "unroutable") wire.declareDeadLetters()
      return Effect.logError(`a message on ${topic} could not be put to the dead letters, and is given back`).pipe(
        Effect.andThen(Effect.sleep(giveBackPause)),
        Effect.as<Fate>("unfinished")
      )
    }
  })
})

/** The same for what nobody is proven to have sent: of a flood of it only so much is kept. */
export const buryUnproven = Effect.fnUntraced(function* (
  wire: RabbitWire,
  topic: string,
  delivery: Delivery,
  reason: string
): Effect.fn.Return<Fate> {
  const second = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const known = windows.get(wire)
  const window = known === undefined || known.second !== second ? { second, unproven: 0, dropped: 0 } : known
  windows.set(wire, window)
  if (known !== undefined && known !== window && known.dropped > 0) {
    yield* Effect.logWarning(`${known.dropped} messages of unproven senders were dropped within a second`)
  }
  if (window.unproven < maxUnproven) {
    window.unproven++
    return yield* bury(wire, topic, delivery, reason)
  }
  window.dropped++
  yield* Metric.update(Metric.withAttributes(deadLetters, { topic: "dropped" }), 1)
  return "buried"
})
