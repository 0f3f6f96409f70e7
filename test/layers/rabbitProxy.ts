/** A way to a broker that can be cut, frozen, and have the broker say what it says only in need. */
import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"

export interface Proxy {
  readonly url: string
  /** How many connections there are. */
  readonly open: () => number
  /** Whether a client has sent these bytes in one piece. */
  readonly hasSent: (bytes: string) => boolean
  /** Says this to all clients, as if the broker did; it must be silent at the time. */
  readonly say: (bytes: Buffer) => void
  /** From now on nothing goes either way, and new connections get no answer. */
  readonly freeze: () => void
  /** Resets every connection. */
  readonly reset: () => void
}

/** A method without arguments, or with one short text, on the connection itself. */
const frame = (method: number, text?: string) => {
  const argument = text === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const connectionClass = 10
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 4 + argument.length, 0, connectionClass, 0, method])
  return Buffer.concat([header, argument, Buffer.from([0xce])])
}
export const blocked = frame(60, "low on memory")
export const unblocked = frame(61)

/** Ends with the scope. Its URL has the login of the broker's. */
export const proxyTo = (brokerUrl: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const { hostname, password, port, username } = new URL(brokerUrl)
        const pairs = new Map<Socket, Socket>()
        const sent: Array<string> = []
        let isFrozen = false
        const server = createServer((client) => {
          const broker = connect(Number(port), hostname)
          pairs.set(client, broker)
          const end = () => {
            pairs.delete(client)
            client.destroy()
            broker.destroy()
          }
          client.on("data", (bytes) => {
            sent.push(String(bytes))
            if (!isFrozen) broker.write(bytes)
          })
          broker.on("data", (bytes) => {
            if (!isFrozen) client.write(bytes)
          })
          for (const socket of [client, broker]) {
            socket.on("error", () => {})
            socket.on("close", end)
          }
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        const address = server.address()
        const proxy: Proxy = {
          url: `amqp://${username}:${password}@127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
          open: () => pairs.size,
          hasSent: (bytes) => sent.some((chunk) => chunk.includes(bytes)),
          say: (bytes) => {
            for (const client of pairs.keys()) client.write(bytes)
          },
          freeze: () => {
            isFrozen = true
          },
          reset: () => {
            for (const client of pairs.keys()) client.resetAndDestroy()
          }
        }
        return { proxy, server, pairs }
      }),
      ({ pairs, server }) =>
        Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              for (const [client, broker] of pairs) {
                client.destroy()
                broker.destroy()
              }
              server.close(() => resolve())
            })
        )
    ),
    ({ proxy }) => proxy
  )
