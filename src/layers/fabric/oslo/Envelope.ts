/**
 * oslo.messaging's messages as bytes: the envelope of version 2.0 around a request or a reply, both JSON.
 * Read as generously as oslo reads, and a little more; written as oslo writes.
 */

/** The longest message that is read or sent, in bytes. */
export const maxBody = 1 << 20

type Record_ = Readonly<Record<string, unknown>>

export interface RequestMessage {
  readonly method: string
  readonly version: string
  readonly args: Record_
  /** Entries of the context, without their prefix. */
  readonly context: Record_
  /** Tells a repeated message; null when the sender gave it none. */
  readonly id: string | null
  /** Null for a cast. `monitor`: a sign of life is wanted within so many seconds. */
  readonly call: { readonly id: string; readonly replyTo: string; readonly monitor: number | null } | null
}

export interface ReplyMessage {
  /** Of the call that is answered. */
  readonly callId: string
  readonly id: string
  readonly result: unknown
  readonly failure: string | null
  /** False for a sign of life: the answer is still to come. */
  readonly ending: boolean
}

/** Why bytes are no message of ours. */
export class Unreadable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const isRecord = (value: unknown): value is Record_ =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The inner message. One without an envelope is taken for it. */
const unwrap = (body: Buffer): Record_ | Unreadable => {
  if (body.length > maxBody) return new Unreadable(`the message is longer than ${maxBody} bytes`)
  const outer = parse(body.toString("utf8"))
  if (!isRecord(outer)) return new Unreadable("the message is not a JSON object")
  const version = outer["oslo.version"]
  const inner = outer["oslo.message"]
  if (version === undefined || inner === undefined) return outer
  if (version !== "2.0") return new Unreadable(`the envelope has version ${String(version).slice(0, 20)}, not 2.0`)
  const message = typeof inner === "string" ? parse(inner) : undefined
  return isRecord(message) ? message : new Unreadable("the message inside the envelope is not a JSON object")
}

const contextPrefix = "_context_"

/** How long the names and ids in a message may be, which are kept and logged, in characters. */
const longest = Object.entries({ _unique_id: 128, _msg_id: 128, _reply_q: 255, method: 128, version: 16 })

const isTooLong = (message: Record_) =>
  longest.find(([key, most]) => {
    const value = message[key]
    return typeof value === "string" && value.length > most
  })

const contextOf = (message: Record_): Record_ => {
  const entries: Array<[string, unknown]> = []
  for (const key of Object.keys(message)) {
    if (key.startsWith(contextPrefix)) entries.push([key.slice(contextPrefix.length), message[key]])
  }
  return Object.fromEntries(entries)
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null)

export const readRequest = (body: Buffer): RequestMessage | Unreadable => {
  const message = unwrap(body)
  if (message instanceof Unreadable) return message
  const tooLong = isTooLong(message)
  if (tooLong !== undefined) return new Unreadable(`its ${tooLong[0]} is longer than ${tooLong[1]} characters`)
  const method = text(message["method"])
  if (method === null) return new Unreadable("the message names no method")
  const args = message["args"] ?? {}
  if (!isRecord(args)) return new Unreadable(`the arguments of ${method} are not an object`)
  const id = text(message["_msg_id"])
  const replyTo = text(message["_reply_q"])
  const monitor = message["_timeout"]
  return {
    method,
    version: text(message["version"]) ?? "1.0",
    args,
    context: contextOf(message),
    id: text(message["_unique_id"]),
    call:
      id === null || replyTo === null
        ? null
        : { id, replyTo, monitor: typeof monitor === "number" && monitor > 0 ? monitor : null }
  }
}

export const readReply = (body: Buffer): ReplyMessage | Unreadable => {
  const message = unwrap(body)
  if (message instanceof Unreadable) return message
  const callId = text(message["_msg_id"])
  if (callId === null) return new Unreadable("the reply names no call")
  return {
    callId,
    id: text(message["_unique_id"]) ?? "",
    result: message["result"] ?? null,
    failure: text(message["failure"]),
    ending: message["ending"] !== false
  }
}

const wrap = (message: object) =>
  Buffer.from(JSON.stringify({ "oslo.version": "2.0", "oslo.message": JSON.stringify(message) }))

export const writeRequest = ({ args, call, context, id, method, version }: RequestMessage): Buffer => {
  const message: Record<string, unknown> = { method, args, version }
  if (call !== null) {
    message["_msg_id"] = call.id
    message["_reply_q"] = call.replyTo
    message["_timeout"] = call.monitor
  }
  message["_unique_id"] = id
  for (const [key, value] of Object.entries(context)) message[contextPrefix + key] = value
  return wrap(message)
}

export const writeReply = ({ callId, ending, failure, id, result }: ReplyMessage): Buffer =>
  wrap({ result: result ?? null, failure, ending, _msg_id: callId, _unique_id: id })

/** The properties that oslo gives every message; without a content type its readers throw a message away. */
export const properties = {
  contentType: "application/json",
  contentEncoding: "utf-8",
  deliveryMode: 2,
  priority: 0
} as const
