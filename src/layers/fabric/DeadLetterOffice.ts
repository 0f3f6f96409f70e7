/**
 * The dead letters as an operator sees them, over a connection of their own. They are taken without being
 * acknowledged, and are back in their order when that ends: only what was sent again and taken is gone.
 */
import { createHash } from "node:crypto"
import type { ConfirmChannel, GetMessage } from "amqplib"
import { Effect, Option, type Redacted, type Scope } from "effect"
import { BrokerLost, type Connection, connectAny, lost, type TlsFiles } from "./amqp/Connection.ts"
import { type Outgoing, publishOptions } from "./amqp/Publisher.ts"
import { parseUrl } from "./amqp/Urls.ts"
import { deadLetterHeaders, deadLetterQueue, declareDeadLetters } from "./DeadLetters.ts"
import * as Envelope from "./oslo/Envelope.ts"

export interface DeadLetter {
  /** The same for as long as it is there. */
  readonly id: string
  /** ISO 8601; empty where whoever put it there did not say. */
  readonly at: string
  readonly reason: string
  /** The routing key that it was sent with. */
  readonly topic: string
  /** Null where it cannot be read. */
  readonly method: string | null
  /** Which server could not take it. */
  readonly server: string
  /** In bytes. */
  readonly size: number
  /** As it came. What is in it may be secret where its peers protect nothing. */
  readonly body: string
}

export type Listed = Omit<DeadLetter, "body">

/**
 * What became of one that was to be sent again. It is still there, except when `sent`.
 * - `untaken`: no queue takes it, for nobody serves its topic.
 * - `refused`: its queue is full.
 * - `unknown`: there is none of this id.
 */
export interface Replayed {
  readonly id: string
  readonly outcome: "sent" | "untaken" | "refused" | "unknown"
}

export interface DeadLetterOffice {
  /** The oldest ones, and how many there are. */
  readonly list: (
    limit: number
  ) => Effect.Effect<{ readonly letters: ReadonlyArray<Listed>; readonly total: number }, BrokerLost>
  readonly show: (id: string) => Effect.Effect<Option.Option<DeadLetter>, BrokerLost>
  /** Sends them where they were on their way to, in their order. */
  readonly replay: (which: ReadonlyArray<string> | "all") => Effect.Effect<ReadonlyArray<Replayed>, BrokerLost>
}

export interface Options {
  readonly urls: ReadonlyArray<Redacted.Redacted>
  readonly tls: TlsFiles
  readonly exchange: string
}

/** How long the broker may take for one answer. */
const patience = "10 seconds"

const ask = <A>(question: () => Promise<A>): Effect.Effect<A, BrokerLost> =>
  Effect.tryPromise({ try: question, catch: lost }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new BrokerLost({ reason: "the broker does not answer" }))
    })
  )

const header = ({ properties }: GetMessage, name: string): string => {
  const value: unknown = properties.headers?.[name]
  return typeof value === "string" ? value : ""
}

/** What somebody else put there may have no id; its text is one as well. */
const idOf = ({ content, properties }: GetMessage): string =>
  typeof properties.messageId === "string" && properties.messageId !== ""
    ? properties.messageId
    : createHash("sha256").update(content).digest("hex").slice(0, 32)

const listed = (message: GetMessage): Listed => {
  const request = Envelope.readRequest(message.content)
  return {
    id: idOf(message),
    at: header(message, deadLetterHeaders.at),
    reason: header(message, deadLetterHeaders.reason),
    topic: header(message, deadLetterHeaders.routingKey),
    method: request instanceof Envelope.Unreadable ? null : request.method,
    server: header(message, deadLetterHeaders.server),
    size: message.content.length
  }
}

/** As it was sent: a receiver that has handled it meanwhile knows it by what is in it, and lets it be. */
const again = (message: GetMessage): Outgoing => ({
  exchange: header(message, deadLetterHeaders.exchange),
  routingKey: header(message, deadLetterHeaders.routingKey),
  body: message.content,
  id: idOf(message),
  headers: {},
  mandatory: true
})

/** Publishes one message at a time, and waits for the broker's word. */
const sender = (channel: ConfirmChannel) => {
  let isReturned = false
  let isOpen = true
  channel.on("return", () => {
    isReturned = true
  })
  channel.prependOnceListener("close", () => {
    isOpen = false
  })
  return (message: Outgoing) =>
    ask(
      () =>
        new Promise<Replayed["outcome"]>((resolve, reject) => {
          isReturned = false
          channel.publish(message.exchange, message.routingKey, message.body, publishOptions(message), (error) => {
            if (error === null) resolve(isReturned ? "untaken" : "sent")
            else if (isOpen) resolve("refused")
            else reject(error)
          })
        })
    )
}

/** An exchange that is gone takes nothing, and to publish to it would end the channel. */
const isThere = (connection: Connection, exchange: string) =>
  exchange === ""
    ? Effect.succeed(true)
    : Effect.scoped(
        Effect.gen(function* () {
          const { channel } = yield* connection.channel
          return yield* Effect.isSuccess(ask(() => channel.checkExchange(exchange)))
        })
      )

/** Shows all that are there now, the oldest first, until `visit` has seen enough; those it keeps are gone then. */
const walk = (
  connection: Connection,
  exchange: string,
  visit: (message: GetMessage) => Effect.Effect<{ readonly isEnough: boolean; readonly isGone: boolean }, BrokerLost>
) =>
  Effect.gen(function* () {
    const { channel } = yield* connection.channel
    const { messageCount } = yield* ask(() => declareDeadLetters(channel, exchange))
    // What is buried meanwhile comes after these: a message that is sent again and fails again is not seen twice.
    for (let n = 0; n < messageCount; n++) {
      const message = yield* ask(() => channel.get(deadLetterQueue(exchange)))
      if (message === false) break
      const { isEnough, isGone } = yield* visit(message)
      if (isGone) channel.ack(message)
      if (isEnough) break
    }
    return messageCount
  }).pipe(Effect.scoped)

export const open = Effect.fnUntraced(function* ({
  exchange,
  tls,
  urls
}: Options): Effect.fn.Return<DeadLetterOffice, BrokerLost, Scope.Scope> {
  const brokers = yield* Effect.try({ try: () => urls.flatMap(parseUrl), catch: lost })
  const connection = yield* connectAny({ brokers, tls, name: "coffer dead-letters" })

  const list: DeadLetterOffice["list"] = Effect.fnUntraced(function* (limit) {
    const letters: Array<Listed> = []
    const total = yield* walk(connection, exchange, (message) =>
      Effect.sync(() => {
        if (letters.length < limit) letters.push(listed(message))
        return { isEnough: letters.length >= limit, isGone: false }
      })
    )
    return { letters, total }
  })

  const show: DeadLetterOffice["show"] = Effect.fnUntraced(function* (id) {
    let found = Option.none<DeadLetter>()
    yield* walk(connection, exchange, (message) =>
      Effect.sync(() => {
        if (idOf(message) === id) found = Option.some({ ...listed(message), body: message.content.toString("utf8") })
        return { isEnough: Option.isSome(found), isGone: false }
      })
    )
    return found
  })

  const replay: DeadLetterOffice["replay"] = (which) =>
    Effect.gen(function* () {
      const { channel } = yield* connection.channel
      const publish = sender(channel)
      const wanted = which === "all" ? null : new Set(which)
      const replayed: Array<Replayed> = []
      yield* walk(
        connection,
        exchange,
        Effect.fnUntraced(function* (message) {
          const id = idOf(message)
          if (wanted !== null && !wanted.delete(id)) return { isEnough: wanted.size === 0, isGone: false }
          const letter = again(message)
          const outcome = (yield* isThere(connection, letter.exchange)) ? yield* publish(letter) : "untaken"
          replayed.push({ id, outcome })
          return { isEnough: wanted?.size === 0, isGone: outcome === "sent" }
        })
      )
      for (const id of wanted ?? []) replayed.push({ id, outcome: "unknown" })
      return replayed
    }).pipe(Effect.scoped)

  return { list, show, replay }
})
