/** Whether a server could listen at an address of this machine now: found out by listening there for a moment. */
import { createServer } from "node:net"
import { Context, Effect } from "effect"

const canListen = (address: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const probe = createServer()
    probe.once("error", () => resume(Effect.succeed(false)))
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resume(Effect.succeed(true))))
    return Effect.sync(() => probe.close())
  })

/** Tests without sockets bring their own. */
export const PortProbe = Context.Reference<(address: string, port: number) => Effect.Effect<boolean>>(
  "coffer/layers/embedded/PortProbe",
  { defaultValue: () => canListen }
)
