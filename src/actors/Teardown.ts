/**
 * What there is to take away of an instance, in one place: a failed build's compensation and a delete are the
 * same list, so neither can forget what the other remembers.
 */
import { Effect, Option } from "effect"
import { Compute } from "../services/Compute.ts"
import { GuestAccess } from "../services/GuestAccess.ts"
import { Observations } from "../services/Observations.ts"
import { Placements } from "../services/Placements.ts"
import { ProvisioningStore } from "../services/Provisioning.ts"
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

/**
 * What was ordered is forgotten with the instance; a build that failed keeps it, to be done anew.
 *
 * In the order in which they must go: whoever still uses a thing goes before it. But the guest's access goes first,
 * though the guest be running: its machine may be lost or in wrong hands, and the server's removal wait for it for
 * long. The machine is asked on its own topic, with its own login, and needs nothing of the guest's.
 */
export const teardown = (operation: Operation, order: "keep the order" | "forget the order"): ReadonlyArray<Part> => [
  {
    name: "take back the guest's access",
    waitsFor: "the broker to close its connections and remove its queues, and the store to forget its key",
    execute: Effect.flatMap(GuestAccess, (access) => access.revoke(operation.instance)).pipe(
      Effect.mapError(
        ({ detail }) =>
          new StepFailure({ message: "The guest's access could not be taken back.", detail, transient: true })
      )
    )
  },
  {
    name: "remove the server",
    waitsFor: "the database to stop, and its container or process and its volume to be gone",
    execute: Effect.gen(function* () {
      const placement = yield* (yield* Placements).find(operation.instance)
      // Without a place there never was a server, or it is gone: the place is the last to be given back.
      if (Option.isNone(placement)) return
      yield* (yield* Compute).destroy(operation.instance, placement.value.host)
    }).pipe(Effect.mapError(({ detail, message, transient }) => new StepFailure({ message, detail, transient })))
  },
  {
    name: "release the address",
    waitsFor: "the store",
    execute: Effect.flatMap(Placements, (placements) => placements.release(operation.instance))
  },
  {
    name: "forget what was known of the guest",
    waitsFor: "the store",
    execute: Effect.gen(function* () {
      if (order === "forget the order") yield* (yield* ProvisioningStore).forget(operation.instance)
      yield* (yield* Observations).forget(operation.instance)
    })
  }
]
