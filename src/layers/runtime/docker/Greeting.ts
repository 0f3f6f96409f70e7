/**
 * Whether a database server is at home at an address, without logging in. A bare connect proves nothing
 * there: the engine's proxy accepts for a container in which nobody listens yet.
 */
import { Effect } from "effect"
import { ownSource } from "../../../guest/HostFirewall.ts"

/** PostgreSQL's SSLRequest; a server answers it with one byte, with or without TLS. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
/** Short, to be tried again: the first packet to a container that is just starting is lost, and sent again after 1 s. */
const answerWithin = 500

/** True when the server sent something: MySQL and MariaDB speak first, PostgreSQL is asked. */
export const greets = (at: { readonly address: string; readonly port: number; readonly speaksFirst: boolean }) =>
  Effect.callback<boolean>((resume) => {
    const socket = ownSource(at).setTimeout(answerWithin)
    const done = (answered: boolean) => {
      socket.destroy()
      resume(Effect.succeed(answered))
    }
    socket.once("connect", () => {
      if (!at.speaksFirst) socket.write(sslRequest)
    })
    socket.once("data", () => done(true))
    for (const end of ["timeout", "error", "close"]) socket.once(end, () => done(false))
    return Effect.sync(() => socket.destroy())
  })
