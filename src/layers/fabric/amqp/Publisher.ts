/**
 * Publishing with the broker's word for it: a message is sent when the broker has confirmed it. What the broker
 * gives back, refuses or does not confirm is told, and a message that a lost connection left open is sent again
 * under the same id, by which its receiver knows a repeat.
 */
import { type ConfirmChannel, IllegalOperationError } from "amqplib"
import { Duration, Effect, Exit, Schema } from "effect"
import type { Deadlines } from "../Deadlines.ts"
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

export type Outcome = Exit.Exit<void, PublishFailed>

export interface Publisher {
  /** Tries for as long as `patience`. */
  readonly publish: (message: Outgoing, patience: Duration.Duration) => Effect.Effect<void, PublishFailed>
  /** The same for those who have no fiber to wait with: `done` is told once. What is answered gives up waiting. */
  readonly begin: (message: Outgoing, patience: Duration.Duration, done: (outcome: Outcome) => void) => () => void
  /** Whether there is a channel to publish on. */
  readonly isOpen: () => boolean
}

const failed = (reason: PublishFailed["reason"]): Outcome => Exit.fail(new PublishFailed({ reason }))
const unroutable = failed("unroutable")
const refused = failed("refused")
const away = failed("away")
const malformed = failed("malformed")

/** A message of which it is not known yet what becomes of it. */
interface Open {
  readonly message: Outgoing
  readonly done: (outcome: Outcome) => void
  readonly callOff: () => void
}

/** As AMQP has it, with a message's id among its properties. */
export const publishOptions = ({ expiration, headers, id, mandatory }: Outgoing) => ({
  ...properties,
  headers,
  mandatory,
  messageId: id,
  ...(expiration === undefined ? {} : { expiration })
})

/** `prepare` declares on each channel what will be published to. */
export const make = Effect.fnUntraced(function* (
  broker: Broker,
  deadlines: Deadlines,
  prepare: (channel: ConfirmChannel) => Promise<void>
) {
  let current: ConfirmChannel | null = null
  const open = new Set<Open>()
  /** Those that wait for a channel to be written to. */
  const waiting = new Set<Open>()
  const returned = new Set<string>()
  let unconfirmed = 0

  const forget = (channel: ConfirmChannel) => {
    if (current === channel) current = null
  }

  /** False where it was over before. */
  const close = (publishing: Open) => {
    waiting.delete(publishing)
    publishing.callOff()
    return open.delete(publishing)
  }
  const end = (publishing: Open, outcome: Outcome) => {
    if (close(publishing)) publishing.done(outcome)
  }

  const write = (publishing: Open): void => {
    const channel = current
    if (channel === null || !broker.isFlowing()) {
      waiting.add(publishing)
      return
    }
    if (unconfirmed >= maxOpen) {
      end(publishing, refused)
      return
    }
    const { message } = publishing
    const heard = (error: unknown) => {
      unconfirmed--
      const isReturned = returned.delete(message.id)
      if (error === null) return end(publishing, isReturned ? unroutable : Exit.void)
      // A refusal of the broker leaves the channel open; a channel that was lost has been forgotten by now.
      if (current === channel) return end(publishing, refused)
      if (open.has(publishing)) write(publishing)
    }
    try {
      channel.publish(message.exchange, message.routingKey, message.body, publishOptions(message), heard)
      unconfirmed++
    } catch (error) {
      if (error instanceof IllegalOperationError) {
        // It is closing, and did not say so yet.
        forget(channel)
        waiting.add(publishing)
      } else {
        end(publishing, malformed)
      }
    }
  }

  const writeWaiting = Effect.sync(() => {
    const all = Array.from(waiting)
    waiting.clear()
    for (const publishing of all) write(publishing)
  })

  const session = (channel: ConfirmChannel): Effect.Effect<void, BrokerLost> =>
    Effect.gen(function* () {
      yield* Effect.tryPromise({ try: () => prepare(channel), catch: lost })
      channel.on("return", ({ properties }) => {
        if (typeof properties.messageId === "string") returned.add(properties.messageId)
      })
      // Before amqplib's own listener, which tells the messages that are open that they failed.
      channel.prependOnceListener("close", () => forget(channel))
      current = channel
      for (;;) {
        yield* broker.flowing
        yield* writeWaiting
        yield* broker.stopped
      }
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          forget(channel)
          returned.clear()
        })
      )
    )
  yield* Effect.forkScoped(broker.onChannel(session))

  const begin: Publisher["begin"] = (message, patience, done) => {
    if (open.size >= maxOpen) {
      done(refused)
      return () => {}
    }
    const callOff = deadlines.after(Duration.toMillis(patience), () => end(publishing, away))
    const publishing: Open = { message, done, callOff }
    open.add(publishing)
    write(publishing)
    return () => {
      close(publishing)
    }
  }

  const publish: Publisher["publish"] = (message, patience) =>
    Effect.callback((resume) => {
      const giveUp = begin(message, patience, resume)
      return Effect.sync(giveUp)
    })

  return { publish, begin, isOpen: () => current !== null } satisfies Publisher as Publisher
})
