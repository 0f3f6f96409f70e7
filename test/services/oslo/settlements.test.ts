/** What the broker is told of messages: each once, as few frames as can be, and never what is still in hand. */
import { assert, describe, it } from "@effect/vitest"
import { type ConsumeMessage, IllegalOperationError } from "amqplib"
import { Effect } from "effect"
import { Settlements, type Settling } from "../../../src/layers/fabric/amqp/Settlements.ts"

const message = (deliveryTag: number): ConsumeMessage => ({
  content: Buffer.alloc(0),
  fields: { consumerTag: "", deliveryTag, redelivered: false, exchange: "", routingKey: "" },
  properties: {
    contentType: undefined,
    contentEncoding: undefined,
    headers: undefined,
    deliveryMode: undefined,
    priority: undefined,
    correlationId: undefined,
    replyTo: undefined,
    expiration: undefined,
    messageId: undefined,
    timestamp: undefined,
    type: undefined,
    userId: undefined,
    appId: undefined,
    clusterId: undefined
  }
})

/** Messages in hand, and the frames that are sent of them. */
const inHand = (count: number) => {
  const frames: Array<string> = []
  const channel: Settling = {
    ack: ({ fields }, upTo = false) => void frames.push(`ack ${upTo ? "to " : ""}${fields.deliveryTag}`),
    nack: ({ fields }, _, requeue) => void frames.push(`${requeue ? "back" : "refuse"} ${fields.deliveryTag}`)
  }
  const settlements = new Settlements(channel)
  const messages = Array.from({ length: count }, (_, n) => message(n + 1))
  for (const each of messages) settlements.begin(each)
  const numbered = (tag: number) => messages[tag - 1] ?? message(tag)
  return { frames, settlements, numbered }
}

const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

describe("settlements", () => {
  it.effect("acknowledge what ends in one turn of the event loop together", () =>
    Effect.gen(function* () {
      const { frames, numbered, settlements } = inHand(5)
      for (const tag of [2, 1, 3]) settlements.ack(numbered(tag))
      assert.deepEqual(frames, [])
      yield* turn
      assert.deepEqual(frames, ["ack to 3"])
      settlements.ack(numbered(4))
      yield* turn
      assert.deepEqual(frames, ["ack to 3", "ack to 4"])
    })
  )

  it.effect("leave out what is still in hand", () =>
    Effect.gen(function* () {
      const { frames, numbered, settlements } = inHand(5)
      for (const tag of [1, 3, 5]) settlements.ack(numbered(tag))
      yield* turn
      assert.deepEqual(frames.sort(), ["ack 3", "ack 5", "ack to 1"])
      settlements.ack(numbered(2))
      yield* turn
      assert.strictEqual(frames.at(-1), "ack to 2")
      settlements.ack(numbered(4))
      yield* turn
      assert.strictEqual(frames.at(-1), "ack to 4")
    })
  )

  it.effect("give back at once, and count for a message only once", () =>
    Effect.gen(function* () {
      const { frames, numbered, settlements } = inHand(3)
      settlements.nack(numbered(1), true)
      settlements.nack(numbered(2), false)
      assert.deepEqual(frames, ["back 1", "refuse 2"])
      settlements.ack(numbered(1))
      settlements.ack(numbered(3))
      settlements.nack(numbered(3), true)
      yield* turn
      assert.deepEqual(frames, ["back 1", "refuse 2", "ack to 3"])
    })
  )

  it.effect("are told before the turn ends where that is asked, and not a second time", () =>
    Effect.gen(function* () {
      const { frames, numbered, settlements } = inHand(2)
      settlements.ack(numbered(1))
      settlements.tell()
      assert.deepEqual(frames, ["ack to 1"])
      yield* turn
      assert.deepEqual(frames, ["ack to 1"])
    })
  )

  it("are lost with their channel, and harm nobody", () => {
    const gone = () => {
      throw new IllegalOperationError("Channel closed", "")
    }
    const settlements = new Settlements({ ack: gone, nack: gone })
    const [first, second] = [message(1), message(2)]
    for (const each of [first, second]) settlements.begin(each)
    settlements.ack(first)
    settlements.nack(second, true)
    settlements.tell()
  })
})
