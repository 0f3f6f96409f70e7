/**
 * What oslo.messaging declares for the servers of a topic and for the replies to a caller, and with which
 * arguments: both sides must declare alike, or the broker refuses the second.
 */
import type { Channel } from "amqplib"

/** `durable` and `quorum` outlive the broker; `transient` is what agents declare that were told nothing else. */
export type QueueKind = "durable" | "quorum" | "transient"

type Declaring = Pick<Channel, "assertExchange" | "assertQueue" | "bindQueue">

/** How long a queue of one process outlives it, in milliseconds (oslo's `rabbit_transient_queues_ttl`). */
const orphanedFor = 1_800_000

export interface Names {
  readonly exchange: string
  readonly queues: QueueKind
}

/** Replies of guests, who may not write to the default exchange: whoever may can write to every queue. */
export const replyExchange = ({ exchange }: Names) => `${exchange}_replies`

export const serverQueue = (topic: string, server: string) => `${topic}.${server}`
const fanoutExchange = (topic: string) => `${topic}_fanout`
export const fanoutQueue = (topic: string, id: string) => `${fanoutExchange(topic)}_${id}`

export const declareExchange = (channel: Declaring, { exchange, queues }: Names) =>
  channel.assertExchange(exchange, "topic", { durable: queues !== "transient", autoDelete: false })

const shared = (queues: QueueKind) => ({
  durable: queues !== "transient",
  ...(queues === "quorum" ? { arguments: { "x-queue-type": "quorum" } } : {})
})

/** A queue of one process: kept for it while it is away, and gone when it does not come back. */
const own = (queues: QueueKind) => ({ durable: queues !== "transient", arguments: { "x-expires": orphanedFor } })

/** Everything that a server of `topic` takes messages from: the topic's queue, its own, and its share of all. */
export const declareServer = async (
  channel: Declaring,
  names: Names,
  { fanoutId, server, topic }: { readonly topic: string; readonly server: string; readonly fanoutId: string }
): Promise<ReadonlyArray<string>> => {
  await declareExchange(channel, names)
  for (const queue of [topic, serverQueue(topic, server)]) {
    await channel.assertQueue(queue, shared(names.queues))
    await channel.bindQueue(queue, names.exchange, queue)
  }
  const fanout = fanoutQueue(topic, fanoutId)
  await channel.assertExchange(fanoutExchange(topic), "fanout", { durable: false, autoDelete: true })
  await channel.assertQueue(fanout, own(names.queues))
  await channel.bindQueue(fanout, fanoutExchange(topic), topic)
  return [topic, serverQueue(topic, server), fanout]
}

/** Where a caller's replies arrive, from everybody and from guests. */
export const declareReplies = async (channel: Declaring, names: Names, queue: string) => {
  await channel.assertQueue(queue, own(names.queues))
  await channel.assertExchange(replyExchange(names), "topic", { durable: true, autoDelete: false })
  await channel.bindQueue(queue, replyExchange(names), queue)
}
