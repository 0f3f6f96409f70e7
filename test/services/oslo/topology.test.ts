/** What a server declares, against what oslo.messaging was seen to declare: both sides must declare alike. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { declareReplies, declareServer, type QueueKind } from "../../../src/layers/fabric/oslo/Topology.ts"
import { type Declare, sample } from "./samples.ts"

/** Keeps what it is asked to declare, in the words of the samples. */
const recorder = () => {
  const declares: Array<Readonly<Record<string, unknown>>> = []
  const channel: Parameters<typeof declareServer>[0] & Parameters<typeof declareReplies>[0] = {
    assertExchange: async (
      exchange: string,
      type: string,
      options: { durable?: boolean; autoDelete?: boolean } = {}
    ) => {
      declares.push({
        method: "exchange.declare",
        exchange,
        type,
        durable: options.durable,
        auto_delete: options.autoDelete,
        arguments: {}
      })
      return { exchange }
    },
    assertQueue: async (queue = "", options = {}) => {
      declares.push({
        method: "queue.declare",
        queue,
        durable: options.durable,
        auto_delete: options.autoDelete ?? false,
        exclusive: options.exclusive ?? false,
        arguments: options.arguments ?? {}
      })
      return { queue, messageCount: 0, consumerCount: 0 }
    },
    bindQueue: async (queue, exchange, routing_key) => {
      declares.push({ method: "queue.bind", queue, exchange, routing_key, arguments: {} })
      return {}
    }
  }
  return { channel, declares }
}

const kept = ["method", "exchange", "type", "queue", "routing_key", "durable", "auto_delete", "exclusive"]

/** Values of arguments are recorded with their types. */
const plain = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "value" in value ? value.value : value

/** The same, of what both sides say. */
const recordedAs = (declare: Declare): Readonly<Record<string, unknown>> => {
  const fields = Object.entries(declare).filter(([key]) => kept.includes(key))
  const given = Object.entries(declare["arguments"] ?? {}).map(([key, value]) => [key, plain(value)])
  return { ...Object.fromEntries(fields), arguments: Object.fromEntries(given) }
}

/** Exchanges that are declared once more are the same declaration. */
const unique = (declares: ReadonlyArray<Readonly<Record<string, unknown>>>) => [
  ...new Map(declares.map((declare) => [JSON.stringify(declare), declare])).values()
]

interface Recorded {
  readonly name: string
  readonly queues: QueueKind
  readonly exchange: string
  readonly topic: string
  readonly server: string
}
const recordings: ReadonlyArray<Recorded> = [
  { name: "oslo-14.0.3-startup", queues: "transient", exchange: "trove", topic: "sample-topic", server: "host-a" },
  {
    name: "oslo-master-variant-durable",
    queues: "durable",
    exchange: "trove-durable",
    topic: "v-durable",
    server: "h"
  },
  { name: "oslo-master-variant-quorum", queues: "quorum", exchange: "trove-quorum", topic: "v-quorum", server: "h" }
]

const isOwn = ({ method, queue }: Readonly<Record<string, unknown>>) =>
  method === "queue.declare" && /_fanout_|^reply_/.test(String(queue))

describe.each(recordings)("$queues queues", ({ exchange, name, queues, server, topic }) => {
  const { declares } = sample(name)
  const [{ conn } = { conn: 0 }] = declares
  const theirs = declares
    .filter((declare) => declare.conn === conn && declare.method !== "basic.consume")
    .map(recordedAs)
  const fanout = theirs.find(isOwn)
  const fanoutId = String(fanout?.["queue"]).replace(/.*_/, "")

  it.effect("are declared as oslo does, wherever both must agree", () =>
    Effect.gen(function* () {
      const { channel, declares: ours } = recorder()
      const queueNames = yield* Effect.promise(() =>
        declareServer(channel, { exchange, queues }, { topic, server, fanoutId })
      )
      assert.deepStrictEqual(
        unique(ours).filter((declare) => !isOwn(declare)),
        unique(theirs).filter((declare) => !isOwn(declare))
      )
      // In the order in which oslo takes from them.
      assert.deepStrictEqual(
        queueNames,
        declares
          .filter(({ conn: of, method }) => of === conn && method === "basic.consume")
          .map(({ queue }) => String(queue))
      )
    })
  )

  it.effect("of one process go when it does not come back, and outlive the broker where the others do", () =>
    Effect.gen(function* () {
      const { channel, declares: ours } = recorder()
      yield* Effect.promise(() => declareServer(channel, { exchange, queues }, { topic, server, fanoutId }))
      yield* Effect.promise(() => declareReplies(channel, { exchange, queues }, "reply_1"))
      const own = ours.filter(isOwn)
      assert.lengthOf(own, 2)
      for (const { queue: _, ...declare } of own) {
        const { queue: __, ...recorded } = fanout ?? {}
        assert.deepStrictEqual(declare, { ...recorded, durable: queues !== "transient" })
      }
      const bound = ours.find((declare) => declare["queue"] === "reply_1" && declare["method"] === "queue.bind")
      assert.deepInclude(bound, { exchange: `${exchange}_replies`, routing_key: "reply_1" })
    })
  )
})
