/**
 * The load: a bounded number of requests over kept connections, one at a time on each. Speaks as much HTTP as
 * the servers of the bench answer (a content-length always), to take as little of the machine as it can.
 */
import { connect, type Socket } from "node:net"
import { Schema } from "effect"
import { answer } from "./parent.ts"

export const Load = Schema.Struct({
  port: Schema.Int,
  connections: Schema.Int,
  requests: Schema.Int,
  method: Schema.String,
  /** Taken in turn. */
  paths: Schema.Array(Schema.String),
  body: Schema.NullOr(Schema.String),
  /** The only status that counts as an answer. */
  expect: Schema.Int
})
type Load = typeof Load.Type

/** One answer at the head of `bytes`, null while it is not whole. */
const parse = (bytes: Buffer): { readonly status: number; readonly length: number } | null => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end < 0) return null
  const head = bytes.toString("latin1", 0, end)
  const declared = /content-length: *(\d+)/i.exec(head)?.[1]
  if (declared === undefined) throw new Error(`an answer without content-length: ${head}`)
  const length = end + 4 + Number(declared)
  return bytes.length < length ? null : { status: Number(head.slice(9, 12)), length }
}

const run = async ({ body, connections, expect, method, paths, port, requests }: Load) => {
  const messages = paths.map((path) => {
    const head = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, "Accept: application/json"]
    if (body !== null) head.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`)
    return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body ?? ""}`)
  })
  const took = new Float64Array(requests)
  let sent = 0
  let answered = 0

  const drive = (socket: Socket) =>
    new Promise<void>((resolve, reject) => {
      let received = Buffer.alloc(0)
      let began = 0
      const next = () => {
        if (sent === requests) return resolve()
        began = performance.now()
        const message = messages[sent++ % messages.length]
        if (message !== undefined) socket.write(message)
      }
      socket.on("error", reject)
      socket.on("close", () => reject(new Error("the server closed a connection")))
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, typeof chunk === "string" ? Buffer.from(chunk) : chunk])
        const whole = parse(received)
        if (whole === null) return
        if (whole.status !== expect) return reject(new Error(`${whole.status}: ${received.toString().slice(0, 2000)}`))
        took[answered++] = performance.now() - began
        received = received.subarray(whole.length)
        next()
      })
      next()
    })

  const sockets = await Promise.all(
    Array.from({ length: connections }, () => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true })
      return new Promise<Socket>((resolve, reject) => {
        socket.once("error", reject)
        socket.once("connect", () => resolve(socket))
      })
    })
  )
  const began = performance.now()
  await Promise.all(sockets.map(drive))
  const milliseconds = performance.now() - began
  for (const socket of sockets) socket.removeAllListeners("close").destroy()
  took.sort()
  const quantile = (share: number) => took[Math.min(requests - 1, Math.floor(requests * share))]
  return { perSecond: (requests * 1000) / milliseconds, p50: quantile(0.5), p99: quantile(0.99) }
}

answer({ run: (load) => run(Schema.decodeUnknownSync(Load)(load)) })
