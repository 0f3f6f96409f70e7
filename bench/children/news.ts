/**
 * How a process of the bench tells another, at once and past everything that is measured, which instance has made its
 * first transition: a line with its id over TCP.
 */
import { connect, createServer, type Socket } from "node:net"
import { createInterface } from "node:readline"

export interface Teller {
  readonly port: number
  readonly tell: (id: string) => void
}

export const listen = (): Promise<Teller> =>
  new Promise((resolve) => {
    const hearers = new Set<Socket>()
    const server = createServer((socket) => {
      hearers.add(socket.setNoDelay(true))
      socket.on("close", () => hearers.delete(socket))
      socket.on("error", () => hearers.delete(socket))
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resolve({
        port,
        tell: (id) => {
          for (const hearer of hearers) hearer.write(`${id}\n`)
        }
      })
    })
  })

/** Waits for an instance, of which the news may have come already. */
export const hear = (port: number): ((id: string) => Promise<void>) => {
  const early = new Set<string>()
  const waiting = new Map<string, () => void>()
  createInterface(connect({ port, host: "127.0.0.1" })).on("line", (id) => {
    const resolve = waiting.get(id)
    if (resolve === undefined) return early.add(id)
    waiting.delete(id)
    return resolve()
  })
  return (id) => (early.delete(id) ? Promise.resolve() : new Promise((resolve) => waiting.set(id, resolve)))
}
