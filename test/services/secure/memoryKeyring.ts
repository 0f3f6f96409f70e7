/** The guests' keys, for as long as the process lives. */
import { randomBytes } from "node:crypto"
import { Effect, Layer, Option, Redacted } from "effect"
import { type GuestKey, Keyring } from "../../../src/layers/fabric/secure/Keyring.ts"
import { InstanceId } from "../../../src/services/Ids.ts"

export const memoryKeyring: Layer.Layer<Keyring> = Layer.sync(Keyring, () => {
  const keys = new Map<string, GuestKey>()
  return {
    ensure: (instance, protocol) =>
      Effect.sync(() => {
        const known = keys.get(instance) ?? { protocol, key: Redacted.make(randomBytes(16).toString("hex")) }
        keys.set(instance, known)
        return known
      }),
    find: (claimed) => Effect.sync(() => Option.fromNullishOr(keys.get(claimed))),
    all: Effect.sync(() =>
      Array.from(keys, ([instance, { protocol }]) => ({ instance: InstanceId.make(instance), protocol }))
    ),
    forget: (instance) => Effect.sync(() => void keys.delete(instance))
  }
})
