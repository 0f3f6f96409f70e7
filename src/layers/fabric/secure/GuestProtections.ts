/**
 * The protections of a guest, and of a host that guests live on: each knows its own key and no other. It is asked on
 * its own topic and reports to the conductor, and can neither read nor write anything else.
 */
import { Effect, Layer, type Redacted } from "effect"
import { conductorTopic } from "../../../services/ConductorApi.ts"
import type { GuestLink } from "../../../services/GuestAccess.ts"
import { guestTopic } from "../../../services/GuestApi.ts"
import { guestHostTopic } from "../../../services/GuestHostApi.ts"
import type { InstanceId } from "../../../services/Ids.ts"
import type { Origin } from "./Derive.ts"
import { onlyAnswering, onlyAsking } from "./OneSided.ts"
import { hostParty } from "./Parties.ts"
import { type Protection, ProtectionRefused, Protections } from "./Protection.ts"
import * as ReplayGuard from "./ReplayGuard.ts"
import * as Sealed from "./SealedProtection.ts"
import * as Sequence from "./Sequence.ts"
import * as Trove from "./TroveProtection.ts"

const two = (own: string, ownProtection: Protection, reports: Protection) =>
  Protections.of({
    of: (topic) => {
      if (topic === own) return Effect.succeed(ownProtection)
      if (topic === conductorTopic) return Effect.succeed(reports)
      return Effect.fail(new ProtectionRefused({ reason: `${topic} is neither its own topic nor the conductor's` }))
    }
  })

const sealed = Effect.fnUntraced(function* (topic: string, party: string, key: Origin, floor: ReplayGuard.ReplayFloor) {
  const guard = yield* ReplayGuard.make(floor)
  const next = yield* Sequence.make
  return two(
    topic,
    onlyAnswering(Sealed.answering({ kind: "request", party, key }, guard)),
    onlyAsking(Sealed.asking({ kind: "report", party, key }, next))
  )
})

/** `floor` is of this guest alone, and stays for as long as its key does. */
export const makeGuest = (
  instance: InstanceId,
  { key, protocol }: Pick<GuestLink, "key" | "protocol">,
  floor: ReplayGuard.ReplayFloor
): Effect.Effect<Protections["Service"]> =>
  protocol === "trove"
    ? Effect.succeed(two(guestTopic(instance), Trove.toGuest(key), Trove.toConductor(instance, key)))
    : sealed(guestTopic(instance), instance, key, floor)

/** `key`: see `hostKey` of the control plane. */
export const makeHost = (
  name: string,
  key: Redacted.Redacted<Uint8Array>,
  floor: ReplayGuard.ReplayFloor
): Effect.Effect<Protections["Service"]> => sealed(guestHostTopic(name), hostParty(name), key, floor)

export const guest = (...of: Parameters<typeof makeGuest>): Layer.Layer<Protections> =>
  Layer.effect(Protections, makeGuest(...of))

export const host = (...of: Parameters<typeof makeHost>): Layer.Layer<Protections> =>
  Layer.effect(Protections, makeHost(...of))
