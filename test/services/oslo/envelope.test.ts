/** Messages as oslo.messaging writes and reads them, by recorded ones. */
import { assert, describe, it } from "@effect/vitest"
import { publishOptions } from "../../../src/layers/fabric/amqp/Publisher.ts"
import {
  maxBody,
  readReply,
  readRequest,
  Unreadable,
  writeReply,
  writeRequest
} from "../../../src/layers/fabric/oslo/Envelope.ts"
import { inner, isReply, type Message, published } from "./samples.ts"

const requests = published.filter((message) => !isReply(message))
const replies = published.filter(isReply)

const request = ({ body }: Pick<Message, "body">) => {
  const read = readRequest(Buffer.from(body))
  assert(!(read instanceof Unreadable))
  return read
}

const reply = ({ body }: Pick<Message, "body">) => {
  const read = readReply(Buffer.from(body))
  assert(!(read instanceof Unreadable))
  return read
}

/** Python's `None` and what is not there are the same to a reader. */
const orNull = (value: unknown) => value ?? null

describe("a recorded request", () => {
  it("is there of every kind", () => {
    assert.isAbove(requests.filter(({ body }) => "_msg_id" in inner(body)).length, 8)
    assert.isAbove(requests.filter(({ body }) => !("_msg_id" in inner(body))).length, 8)
  })

  it.each(requests)("is read as what it says: $name", (message) => {
    const said = inner(message.body)
    const read = request(message)
    const context = Object.entries(said).filter(([key]) => key.startsWith("_context_"))
    assert.deepStrictEqual<unknown>(read, {
      method: said["method"],
      version: said["version"],
      args: said["args"],
      context: Object.fromEntries(context.map(([key, value]) => [key.replace("_context_", ""), value])),
      id: said["_unique_id"],
      call:
        "_msg_id" in said ? { id: said["_msg_id"], replyTo: said["_reply_q"], monitor: orNull(said["_timeout"]) } : null
    })
  })

  it.each(requests)("is written with the same keys in the same order, and is the same: $name", (message) => {
    const written = writeRequest(request(message))
    assert.deepStrictEqual(inner(written), inner(message.body))
    assert.deepStrictEqual(Object.keys(inner(written)), Object.keys(inner(message.body)))
    assert.deepStrictEqual(request({ body: written.toString() }), request(message))
  })
})

describe("a recorded reply", () => {
  it("is there of every kind: with a result, a failure, and a sign of life", () => {
    const kinds = replies.map(reply).map(({ ending, failure }) => (ending ? failure !== null : "sign"))
    assert.sameMembers([...new Set(kinds)], [true, false, "sign"])
  })

  it.each(replies)("is read as what it says: $name", (message) => {
    const said = inner(message.body)
    assert.deepStrictEqual<unknown>(reply(message), {
      callId: said["_msg_id"],
      id: said["_unique_id"],
      result: said["result"],
      failure: said["failure"],
      ending: said["ending"]
    })
  })

  it.each(replies)("is written with the same keys in the same order, and is the same: $name", (message) => {
    const written = writeReply(reply(message))
    assert.deepStrictEqual(inner(written), inner(message.body))
    assert.deepStrictEqual(Object.keys(inner(written)), Object.keys(inner(message.body)))
  })
})

/** As AMQP names them. */
const asSent = (options: ReturnType<typeof publishOptions>) => ({
  content_type: options.contentType,
  content_encoding: options.contentEncoding,
  delivery_mode: options.deliveryMode,
  priority: options.priority,
  headers: options.headers,
  ...(options.expiration === undefined ? {} : { expiration: String(options.expiration) })
})

it.each(published)("is sent with the properties that oslo gives it, and its id: $name", (message) => {
  const expiration = message.properties["expiration"]
  const options = publishOptions({
    exchange: "trove",
    routingKey: message.routing_key,
    body: Buffer.from(message.body),
    id: "an id",
    headers: {},
    mandatory: message.mandatory ?? false,
    ...(expiration === undefined ? {} : { expiration: Number(expiration) })
  })
  assert.deepStrictEqual<unknown>(asSent(options), message.properties)
  assert.strictEqual(options.mandatory, message.mandatory)
  assert.strictEqual(options.messageId, "an id")
})

describe("what oslo reads, too", () => {
  const bare = { method: "add", args: { a: 1 }, version: "1.2", _unique_id: "u" }
  const read = (body: unknown) => readRequest(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)))
  const enveloped = (message: unknown, version: unknown = "2.0") => ({
    "oslo.version": version,
    "oslo.message": JSON.stringify(message)
  })

  it("takes a message without an envelope, and UTF-8 that is not escaped", () => {
    assert.deepInclude(read(bare), { method: "add", args: { a: 1 }, version: "1.2", id: "u", call: null })
    assert.deepInclude(read({ ...bare, args: { name: "żółć 🚀" } }), { args: { name: "żółć 🚀" } })
  })

  it("takes one without a version for 1.0, and one without an id", () => {
    assert.deepInclude(read(enveloped({ method: "add" })), { version: "1.0", args: {}, id: null })
  })

  it("takes a call whose caller names no queue for a cast, and a monitor that is no time for none", () => {
    assert.deepInclude(read({ ...bare, _msg_id: "m" }), { call: null })
    const call = { ...bare, _msg_id: "m", _reply_q: "q" }
    for (const _timeout of [null, 0, -1, "4", true]) {
      assert.deepInclude(read({ ...call, _timeout }), { call: { id: "m", replyTo: "q", monitor: null } })
    }
  })

  it("keeps a context's entries to themselves, whatever their names", () => {
    const text = `{"method":"add","_context___proto__":{"is_admin":true},"_context_user":"ann"}`
    const message = read(text)
    assert(!(message instanceof Unreadable))
    assert.isUndefined(message.context["is_admin"])
    assert.strictEqual(message.context["user"], "ann")
  })

  it.each([
    ["no JSON", "garbage", /not a JSON object/],
    ["an array", [bare], /not a JSON object/],
    ["null", null, /not a JSON object/],
    ["an envelope of a later version", enveloped(bare, "2.1"), /version 2\.1/],
    ["an envelope of a version that is no text", enveloped(bare, 2), /version 2,/],
    ["an envelope around no JSON", { "oslo.version": "2.0", "oslo.message": "garbage" }, /inside the envelope/],
    ["an envelope around an object", { "oslo.version": "2.0", "oslo.message": bare }, /inside the envelope/],
    ["no method", enveloped({ args: {} }), /names no method/],
    ["a method that is no text", enveloped({ method: 5 }), /names no method/],
    ["arguments that are a list", enveloped({ method: "add", args: [1, 2] }), /arguments of add/],
    ["more than is read", { ...bare, args: { long: "x".repeat(maxBody) } }, /longer than/]
  ])("refuses %s", (_, body, reason) => {
    const refused = read(body)
    assert(refused instanceof Unreadable)
    assert.match(refused.reason, reason)
  })

  it("refuses a reply that names no call, and takes one without an end for the end", () => {
    assert.instanceOf(readReply(Buffer.from(JSON.stringify(enveloped({ result: 1 })))), Unreadable)
    const reply = readReply(Buffer.from(JSON.stringify(enveloped({ result: 1, _msg_id: "m" }))))
    assert.deepInclude(reply, { callId: "m", result: 1, failure: null, ending: true })
  })
})

it("writes a method's nothing as a result that is there", () => {
  assert.deepStrictEqual(inner(writeReply({ callId: "m", id: "u", result: undefined, failure: null, ending: true })), {
    result: null,
    failure: null,
    ending: true,
    _msg_id: "m",
    _unique_id: "u"
  })
})
