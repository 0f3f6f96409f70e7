/**
 * One login for all guests, by explicit choice, where the broker has no management API. Each guest has a key of its
 * own all the same, so that what is told to one can be read by no other; but each can read and take away what waits
 * in any queue, and write to all of them. Nothing is declared here: guests do that themselves.
 */
import { Effect, Layer, type Redacted } from "effect"
import { GuestAccess } from "../../services/GuestAccess.ts"
import { Keyring } from "../fabric/secure/Keyring.ts"

export interface Options {
  /** With the user and password that all guests share. */
  readonly guestUrls: ReadonlyArray<Redacted.Redacted>
  readonly controlExchange: string
}

export const layer = ({ controlExchange, guestUrls }: Options): Layer.Layer<GuestAccess, never, Keyring> =>
  Layer.effect(
    GuestAccess,
    Effect.map(Keyring, (keyring) =>
      GuestAccess.of({
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
    )
  )
