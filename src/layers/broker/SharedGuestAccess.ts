/**
 * One login for all guests, by explicit choice, where the broker has no management API. Each guest has a key of its
 * own all the same, so that what is told to one can be read by no other; but each can read and take away what waits
 * in any queue, and write to all of them. Nothing is declared here: guests do that themselves.
 */
import { Context, Effect, Layer, Option, type Redacted } from "effect"
import { GuestAccess } from "../../services/GuestAccess.ts"
import { AccessInventory } from "../../services/Inventories.ts"
import { Keyring } from "../fabric/secure/Keyring.ts"
import { keysOf } from "./GuestInventory.ts"

export interface Options {
  /** With the user and password that all guests share. */
  readonly guestUrls: ReadonlyArray<Redacted.Redacted>
  readonly controlExchange: string
}

export const layer = ({
  controlExchange,
  guestUrls
}: Options): Layer.Layer<GuestAccess | AccessInventory, never, Keyring> =>
  Layer.effectContext(
    Effect.map(Keyring, (keyring) => {
      const access = GuestAccess.of({
        grant: (id, agent) =>
          Effect.map(keyring.ensure(id, agent), ({ key, protocol }) => ({
            urls: guestUrls,
            controlExchange,
            declares: true,
            protocol,
            key
          })),
        revoke: keyring.forget
      })
      const inventory = AccessInventory.of({
        all: Effect.map(keyring.all, (guests) => ({ covers: ["key" as const], found: keysOf(guests) })),
        restore: (id) => Effect.map(keyring.find(id), Option.isSome)
      })
      return Context.make(GuestAccess, access).pipe(Context.add(AccessInventory, inventory))
    })
  )
