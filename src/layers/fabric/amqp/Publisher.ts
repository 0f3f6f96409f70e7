/**
 * Publishing with the broker's word for it: a message is sent when the broker has confirmed it. What the broker
 * gives back, refuses or does not confirm is told, and a message that a lost connection left open is sent again
 * under the same id, by which its receiver knows a repeat.
 */
import { type ConfirmChannel, IllegalOperationError } from "amqplib"
import { type Duration, Effect, Latch, Schema } from "effect"
import { properties } from "../oslo/Envelope.ts"
import type { Broker } from "./Broker.ts"
import { type BrokerLost, lost } from "./Connection.ts"

/**
 * Why a message was not sent.
 * - `unroutable`: no queue takes it.
 * - `refused`: the queue is full, or too much of ours waits for the broker already.
 * - `away`: no broker took it in time; it may have arrived all the same.
 * - `malformed`: no broker could, for AMQP cannot carry it.
 */
export class PublishFailed extends Schema.TaggedError<PublishFailed>()("PublishFailed", {
  reason: Schema.Literals(["unroutable", "refused", "away", "malformed"])
}) {}

export interface Outgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly body: Buffer
  /** By which a repeat is known. */
  readonly id: string
  readonly headers: Readonly<Record<string, string | number>>
  /** Milliseconds after which nobody wants it any more. */
  readonly expiration?: number
  /** Whether somebody must take it. */
  readonly mandatory: boolean
}

/** How many messages may wait to be written, and as many for the broker's word after that. */
const maxOpen = 4096

export interface Publisher {
  /** Tries for as long as `patience`. */
  readonly publish: (message: Outgoing, patience: Duration.Duration) => Effect.Effect<void, PublishFailed>
  /** Whether there is a channel to publish on. */
  readonly isOpen: () => boolean
}

const failed = (reason: PublishFailed["reason"]) => Effect.fail(new PublishFailed({ reason }))
const unroutable = failed("unroutable")
const refused = failed("refused")
const away = failed("away")
const malformed = failed("malformed")

/** The channel is gone, and with it the answer: to be sent again. */
const again = Effect.succeed(false)
const sent = Effect.succeed(true)

/** As AMQP has it, with a message's id among its properties. */
export const publishOptions = ({ expiration, headers, id, mandatory }: Outgoing) => ({
  ...properties,
  headers,
  mandatory,
  messageId: id,
  ...(expiration === undefined ? {} : { expiration })
})

/** `prepare` declares on each channel what will be published to. */
export const make = Effect.fnUntraced(function* (broker: Broker, prepare: (channel: ConfirmChannel) => Promise<void>) {
  let current: ConfirmChannel | null = null
  /** Open for as long as there is a channel. */
  const ready = yield* Latch.make(false)
  const returned = new Set<string>()
  let waiting = 0
  let unconfirmed = 0

  const forget = (channel: ConfirmChannel) => {
    if (current !== channel) return
    current = null
    ready.closeUnsafe()
  }

  const session = (channel: ConfirmChannel): Effect.Effect<void, BrokerLost> =>
    Effect.gen(function* () {
      yield* Effect.tryPromise({ try: () => prepare(channel), catch: lost })
      channel.on("return", ({ properties }) => {
        if (typeof properties.messageId === "string") returned.add(properties.messageId)
      })
      // Before amqplib's own listener, which tells the messages that are open that they failed.
      channel.prependOnceListener("close", () => forget(channel))
      current = channel
      ready.openUnsafe()
      yield* Effect.never
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          forget(channel)
          returned.clear()
        })
      )
    )
  yield* Effect.forkScoped(broker.onChannel(session))

  /** Whether it was sent, or the channel was lost before that was known. */
  const publishOn = (channel: ConfirmChannel, message: Outgoing) =>
    Effect.callback<boolean, PublishFailed>((resume) => {
      const heard = (error: unknown) => {
        unconfirmed--
        const isReturned = returned.delete(message.id)
        // A refusal of the broker leaves the channel open; a channel that was lost has been forgotten by now.
        if (error !== null) return resume(current === channel ? refused : again)
        resume(isReturned ? unroutable : sent)
      }
      try {
        channel.publish(message.exchange, message.routingKey, message.body, publishOptions(message), heard)
        unconfirmed++
      } catch (error) {
        if (!(error instanceof IllegalOperationError)) return resume(malformed)
        // It is closing, and did not say so yet.
        forget(channel)
        resume(again)
      }
    })

  const persistently = Effect.fnUntraced(function* (message: Outgoing) {
    for (let isSent = false; !isSent; ) {
      yield* ready.await
      yield* broker.flowing
      if (unconfirmed >= maxOpen) return yield* refused
      // It may have gone between the two.
      if (current !== null) isSent = yield* publishOn(current, message)
    }
  })

  const enter = Effect.sync(() => ++waiting <= maxOpen)
  const leave = () =>
    Effect.sync(() => {
      waiting--
    })

  const publish: Publisher["publish"] = (message, patience) =>
    Effect.acquireUseRelease(
      enter,
      (mayWait) =>
        mayWait ? Effect.timeoutOrElse(persistently(message), { duration: patience, orElse: () => away }) : refused,
      leave
    )

  return { publish, isOpen: () => current !== null } satisfies Publisher as Publisher
})
