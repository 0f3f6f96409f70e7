/**
 * What there is to take away of an instance, in one place: a failed build's compensation and a delete are the
 * same list, so neither can forget what the other remembers. An audit takes single parts of it.
 */
import { Effect, Option } from "effect"
import { Compute } from "../services/Compute.ts"
import { GuestAccess } from "../services/GuestAccess.ts"
import type { InstanceId } from "../services/Ids.ts"
import { Observations } from "../services/Observations.ts"
import { Placements } from "../services/Placements.ts"
import { ProvisioningStore } from "../services/Provisioning.ts"
import { serverFailure } from "./EnsureServer.ts"
import { type Operation, StepFailure } from "./Operation.ts"

interface Part {
  readonly name: string
  readonly waitsFor: string
  readonly execute: Effect.Effect<
    void,
    StepFailure,
    Compute | GuestAccess | Placements | ProvisioningStore | Observations
  >
}

/** Nothing is left of the guest's way into the fabric. */
export const takeAccessBack = (id: InstanceId) =>
  Effect.flatMap(GuestAccess, (access) => access.revoke(id)).pipe(
    Effect.mapError(
      ({ detail }) =>
        new StepFailure({ message: "The guest's access could not be taken back.", detail, transient: true })
    )
  )

/** Nothing is left of the server on this host. */
export const removeServerFrom = (id: InstanceId, host: string) =>
  Effect.flatMap(Compute, (compute) => compute.destroy(id, host)).pipe(Effect.mapError(serverFailure))

/** Nothing is left of the server where the instance lives. */
export const removeServer = Effect.fnUntraced(function* (id: InstanceId) {
  const placement = yield* (yield* Placements).find(id)
  // Without a place there never was a server, or it is gone: the place is the last to be given back.
  if (Option.isSome(placement)) yield* removeServerFrom(id, placement.value.host)
})

export const releaseAddress = (id: InstanceId) => Effect.flatMap(Placements, (placements) => placements.release(id))

export const forgetOrder = (id: InstanceId) => Effect.flatMap(ProvisioningStore, (store) => store.forget(id))

export const forgetObservation = (id: InstanceId) =>
  Effect.flatMap(Observations, (observations) => observations.forget(id))

/**
 * What was ordered is forgotten with the instance; a build that failed keeps it, to be done anew.
 *
 * In the order in which they must go: whoever still uses a thing goes before it. But the guest's access goes first,
 * though the guest be running: its machine may be lost or in wrong hands, and the server's removal wait for it for
 * long. The machine is asked on its own topic, with its own login, and needs nothing of the guest's.
 */
export const teardown = (
  { instance }: Operation,
  order: "keep the order" | "forget the order"
): ReadonlyArray<Part> => [
  {
    name: "take back the guest's access",
    waitsFor: "the broker to close its connections and remove its queues, and the store to forget its key",
    execute: takeAccessBack(instance)
  },
  {
    name: "remove the server",
    waitsFor: "the database to stop, and its container or process and its volume to be gone",
    execute: removeServer(instance)
  },
  {
    name: "release the address",
    waitsFor: "the store",
    execute: releaseAddress(instance)
  },
  {
    name: "forget what was known of the guest",
    waitsFor: "the store",
    execute: Effect.andThen(
      order === "forget the order" ? forgetOrder(instance) : Effect.void,
      forgetObservation(instance)
    )
  }
]
