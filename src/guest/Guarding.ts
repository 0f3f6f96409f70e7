/**
 * Who reaches a guest's server: kept on its disk, and enforced before each start of the server. Where it cannot be
 * enforced the server is not started: nobody comes in who was kept out.
 */
import { Effect, Semaphore } from "effect"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { GuestNotes } from "./GuestNotes.ts"
import type { Guard, HostFirewallShape } from "./HostFirewall.ts"

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly firewall: HostFirewallShape
  readonly server: Omit<Guard, "networks">
}

export const make = ({ firewall, notes, server }: Parts) => {
  const inTurn = Semaphore.makeUnsafe(1).withPermits(1)
  const guard = (networks: ReadonlyArray<string>) =>
    Effect.tapError(firewall.guard({ ...server, networks }), ({ detail, message }) =>
      Effect.logError(`${message} ${detail}`)
    )

  /** What was told last is enforced after this. */
  const enforce = inTurn(Effect.flatMap(notes.access, guard))

  /** Enforced first: what cannot be is not promised to the next start either. */
  const update = Effect.fnUntraced(function* (networks: ReadonlyArray<string>) {
    const before = yield* notes.access
    yield* Effect.mapError(guard(networks), ({ message }) => new GuestRefusal({ message }))
    yield* Effect.tapError(notes.keepAccess(networks), () => Effect.ignore(guard(before)))
  }, inTurn)

  return { enforce, update }
}
