/** The broker by bare amqplib, for the limits; and the queues that a row's messages lie in. */
import { type ChannelModel, connect } from "amqplib"
import { declareExchange, type Names } from "../../src/layers/fabric/oslo/Topology.ts"

export const names: Names = { exchange: "trove", queues: "durable" }

/** As our own connections: without Nagle's algorithm. */
export const dial = (url: string): Promise<ChannelModel> => connect(url, { noDelay: true })

/** Of the other queue that gets every message of the topic: both sides of a row take the very same messages. */
const copyOf = (topic: string) => `${topic}.copy`

/** Declares the topic's queue, and its copy if there is to be one, which is gone otherwise. */
export const openTopic = async (url: string, topic: string, { copied }: { readonly copied: boolean }) => {
  const connection = await dial(url)
  const channel = await connection.createChannel()
  await declareExchange(channel, names)
  const queues = copied ? [topic, copyOf(topic)] : [topic]
  if (!copied) await channel.deleteQueue(copyOf(topic))
  for (const queue of queues) {
    await channel.assertQueue(queue, { durable: true })
    await channel.bindQueue(queue, names.exchange, topic)
  }
  /** How many messages nobody has acknowledged, once their consumers are gone. */
  const left = async () => {
    const counts = queues.map(async (queue) => (await channel.checkQueue(queue)).messageCount)
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }
  return { left }
}

/** Takes `count` messages of the topic's copy as fast as they come: reads each as JSON and acknowledges it. */
export const drainCopy = async (connection: ChannelModel, topic: string, count: number, prefetch: number) => {
  const channel = await connection.createChannel()
  await channel.prefetch(prefetch)
  const from = performance.now()
  let taken = 0
  await new Promise<void>((resolve, reject) => {
    channel
      .consume(copyOf(topic), (message) => {
        if (message === null) return reject(new Error("the queue is gone"))
        JSON.parse(message.content.toString("utf8"))
        channel.ack(message)
        if (++taken === count) resolve()
      })
      .catch(reject)
  })
  const perSecond = (count * 1000) / (performance.now() - from)
  await channel.close()
  return { perSecond }
}
