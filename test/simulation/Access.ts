/**
 * How guests come into the fabric: each with a key of its own, given at build and taken away with all that is the
 * guest's. What was said under a key that is gone is not heard, however late it comes; the broker's management fails now
 * and then.
 */
import { Effect, Layer, Redacted } from "effect"
import { GuestAccess, GuestAccessError, type GuestLink } from "../../src/services/GuestAccess.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { AccessInventory } from "../../src/services/Inventories.ts"
import type { Faults } from "./Faults.ts"
import { shortOf } from "./Witness.ts"

export class Access {
  readonly #keys = new Map<string, string>()
  readonly #admitted: Set<string>
  #given = 0

  /** `admitted`: who may enter the fabric now. */
  constructor(admitted: Set<string>) {
    this.#admitted = admitted
  }

  /** Whether what a guest says with its link is heard. */
  isHeard(id: string, link: GuestLink | null) {
    return link !== null && this.#keys.get(id) === Redacted.value(link.key)
  }

  #keyOf(id: string) {
    const known = this.#keys.get(id)
    if (known !== undefined) return known
    const made = `key ${++this.#given} of ${id}`
    this.#keys.set(id, made)
    return made
  }

  layer(faults: Faults) {
    const broken = new GuestAccessError({ detail: "the broker's management is away" })
    const access = Layer.succeed(
      GuestAccess,
      GuestAccess.of({
        grant: (id, protocol) =>
          Effect.suspend(() => {
            if (faults.strikes("guest access fails", `grant ${shortOf(id)}`)) return Effect.fail(broken)
            this.#admitted.add(id)
            const key = Redacted.make(this.#keyOf(id))
            return Effect.succeed({ urls: [], controlExchange: "coffer", declares: false, protocol, key })
          }),
        revoke: (id) =>
          Effect.suspend(() => {
            if (faults.strikes("guest access fails", `revoke ${shortOf(id)}`)) return Effect.fail(broken)
            this.#admitted.delete(id)
            this.#keys.delete(id)
            return Effect.void
          })
      })
    )
    const inventory = Layer.succeed(
      AccessInventory,
      AccessInventory.of({
        all: Effect.sync(() => ({
          covers: ["login" as const],
          found: [...this.#admitted].map((id) => ({
            resource: "login" as const,
            instance: InstanceId.make(id),
            since: null
          }))
        })),
        restore: (id) => Effect.sync(() => this.#keys.has(id) && this.#admitted.add(id).has(id))
      })
    )
    return Layer.merge(access, inventory)
  }
}
