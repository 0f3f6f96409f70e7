/**
 * One kept connection to an HTTP server, a request at a time. Speaks as much HTTP as the servers of the bench answer
 * (a content-length always), to take as little of the machine as it can.
 */
import { connect, type Socket } from "node:net"

export interface Answer {
  readonly status: number
  /** Of the whole answer. */
  readonly bytes: Buffer
  /** Where its body begins. */
  readonly body: number
}

/** The answer at the head of `bytes`, null while it is not whole. */
const parse = (bytes: Buffer): (Answer & { readonly length: number }) | null => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end < 0) return null
  const head = bytes.toString("latin1", 0, end)
  const declared = /content-length: *(\d+)/i.exec(head)?.[1]
  if (declared === undefined) throw new Error(`an answer without content-length: ${head}`)
  const length = end + 4 + Number(declared)
  if (bytes.length < length) return null
  return { status: Number(head.slice(9, 12)), bytes: bytes.subarray(0, length), body: end + 4, length }
}

export interface Request {
  readonly port: number
  readonly method: string
  readonly path: string
  readonly body: string | null
}

/** The bytes of a request. */
export const write = ({ body, method, path, port }: Request): Buffer => {
  const head = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, "Accept: application/json"]
  if (body !== null) head.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`)
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body ?? ""}`)
}

export interface Connection {
  readonly ask: (message: Buffer) => Promise<Answer>
  readonly close: () => void
}

export const open = (port: number): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true })
    socket.once("error", reject)
    socket.once("connect", () => resolve(speak(socket)))
  })

const speak = (socket: Socket): Connection => {
  let received = Buffer.alloc(0)
  let waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (why: unknown) => void } | null = null
  const fail = (why: unknown) => waiting?.reject(why)
  socket.on("error", fail)
  socket.on("close", () => fail(new Error("the server closed a connection")))
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, typeof chunk === "string" ? Buffer.from(chunk) : chunk])
    try {
      const whole = parse(received)
      if (whole === null) return
      received = received.subarray(whole.length)
      waiting?.resolve(whole)
    } catch (why) {
      fail(why)
    }
  })
  return {
    ask: (message) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(message)
      }),
    close: () => {
      waiting = null
      socket.destroy()
    }
  }
}
