/**
 * Who reaches a guest's server: kept on its disk, and enforced before the server can be reached at all. Where it cannot
 * be enforced the server is not started: nobody comes in who was kept out.
 */
import { Duration, Effect, Schedule, Semaphore } from "effect"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { GuestNotes } from "./GuestNotes.ts"
import type { Guard, HostFirewallShape } from "./HostFirewall.ts"

/** How soon it is tried again to enforce what could not be enforced. */
const againInterval = Duration.seconds(5)

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly firewall: HostFirewallShape
  readonly server: Omit<Guard, "networks">
  readonly tell: (text: string) => Effect.Effect<void>
}

export const make = ({ firewall, notes, server, tell }: Parts) => {
  const inTurn = Semaphore.makeUnsafe(1).withPermits(1)
  const guard = (networks: ReadonlyArray<string>) => firewall.guard({ ...server, networks })

  /** Ends when what was told last is enforced. */
  const enforce = Effect.gen(function* () {
    const kept = inTurn(Effect.flatMap(notes.access, guard))
    yield* Effect.catch(kept, ({ detail, message }) =>
      Effect.logError(`the database is not started: ${message} ${detail}`).pipe(
        Effect.andThen(tell(`the database is not started: ${message}`)),
        Effect.andThen(Effect.retry(kept, Schedule.spaced(againInterval))),
        Effect.orDie
      )
    )
  })

  /** Enforced first: what cannot be is not promised to the next start either. */
  const update = Effect.fnUntraced(function* (networks: ReadonlyArray<string>) {
    const before = yield* notes.access
    yield* guard(networks).pipe(
      Effect.tapError(({ detail, message }) => Effect.logError(`${message} ${detail}`)),
      Effect.mapError(({ message }) => new GuestRefusal({ message }))
    )
    yield* Effect.tapError(notes.keepAccess(networks), () => Effect.ignore(guard(before)))
  }, inTurn)

  return { enforce, update }
}
