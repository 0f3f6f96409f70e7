/**
 * The limit of a call, as its client or its server: amqplib, JSON as long as ours, the same exchange and the same kinds
 * of queues, both messages persistent, mandatory and confirmed, the reply known by the id of its call.
 */
import { randomUUID } from "node:crypto"
import { Schema } from "effect"
import * as Envelope from "../../src/layers/fabric/oslo/Envelope.ts"
import { declareExchange, declareReplies } from "../../src/layers/fabric/oslo/Topology.ts"
import { dial, names } from "./bareBroker.ts"
import { answer, options } from "./parent.ts"
import { Asking, timeCalls } from "./rounds.ts"

const { broker, role } = options(Schema.Struct({ broker: Schema.String, role: Schema.Literals(["client", "server"]) }))

const queue = "bare.calls"
const patience = 15_000
const hexId = () => randomUUID().replaceAll("-", "")

/** What ours are like, to be as long. */
const context = { user: null, project_id: null, roles: [], is_admin: false, request_id: `req-${randomUUID()}` }
const call = { id: hexId(), replyTo: `reply_${hexId()}`, monitor: null }
const request = { method: "rpc_ping", args: {}, version: "1.0", context, id: hexId(), call }
const requestLength = Envelope.writeRequest(request).length
const reply = { callId: hexId(), id: hexId(), result: true, failure: null, ending: true }
const replyLength = Envelope.writeReply(reply).length

/** JSON of that length. */
const write = (message: object, length: number) => {
  const bare = Buffer.byteLength(JSON.stringify({ ...message, rest: "" }))
  return Buffer.from(JSON.stringify({ ...message, rest: "-".repeat(Math.max(0, length - bare)) }))
}

const read = <S extends Schema.Top>(schema: S) => {
  const is = Schema.is(schema)
  return (body: Buffer): S["Type"] => {
    const message: unknown = JSON.parse(body.toString("utf8"))
    if (is(message)) return message
    throw new Error("not a message of the bench's")
  }
}
const readCall = read(Schema.Struct({ id: Schema.String, replyTo: Schema.String }))
const readReply = read(Schema.Struct({ callId: Schema.String, result: Schema.Boolean }))

const channel = await (await dial(broker)).createConfirmChannel()
await declareExchange(channel, names)
await channel.assertQueue(queue, { durable: true })
await channel.bindQueue(queue, names.exchange, queue)

const serve = async () => {
  await channel.prefetch(200)
  await channel.consume(queue, (message) => {
    if (message === null) return
    const { id, replyTo } = readCall(message.content)
    const body = write({ callId: id, id: hexId(), result: true, failure: null }, replyLength)
    channel.publish("", replyTo, body, { ...Envelope.properties, mandatory: true, messageId: hexId() }, () => {})
    channel.ack(message)
  })
}

const makeClient = async () => {
  const replyTo = call.replyTo
  await declareReplies(channel, names, replyTo)
  const waiting = new Map<string, () => void>()
  const take = (message: { readonly content: Buffer } | null) => {
    if (message === null) return
    const { callId } = readReply(message.content)
    waiting.get(callId)?.()
    waiting.delete(callId)
  }
  await channel.consume(replyTo, take, { noAck: true })
  return () =>
    new Promise<void>((resolve, reject) => {
      const id = hexId()
      waiting.set(id, resolve)
      const message = { id, replyTo, method: "rpc_ping", args: {}, version: "1.0" }
      const how = { ...Envelope.properties, mandatory: true, messageId: id, expiration: patience }
      channel.publish(names.exchange, queue, write(message, requestLength), how, (error: unknown) => {
        if (error !== null) reject(error instanceof Error ? error : new Error("the broker refused a call"))
      })
    })
}

if (role === "server") {
  await serve()
  answer({ ready: () => true })
} else {
  const ask = await makeClient()
  answer({ ready: ask, run: (asking) => timeCalls(Schema.decodeUnknownSync(Asking)(asking), ask) })
}
