/**
 * Where messages go that nobody could take: a bounded queue of the broker's, with the reason beside each, until an
 * operator looks at them. The oldest give way.
 */
import type { Channel } from "amqplib"

export const deadLetterQueue = (exchange: string) => `${exchange}.dead-letters`

/** How many are kept, and how many bytes of them: anybody who can send can send what nobody can take. */
export const maxDeadLetters = 10_000
const maxBytes = 256 << 20

export const declareDeadLetters = (channel: Channel, exchange: string) =>
  channel.assertQueue(deadLetterQueue(exchange), {
    durable: true,
    arguments: { "x-max-length": maxDeadLetters, "x-max-length-bytes": maxBytes, "x-overflow": "drop-head" }
  })

/** What stands beside a dead letter, in its headers. Its id is the message's. */
export const deadLetterHeaders = {
  reason: "x-coffer-reason",
  /** Where it was on its way to. */
  exchange: "x-coffer-exchange",
  routingKey: "x-coffer-routing-key",
  /** Which server had it, and when: ISO 8601. */
  server: "x-coffer-server",
  at: "x-coffer-at"
} as const
