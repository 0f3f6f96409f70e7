/**
 * What there is to take away of an instance, in one place: a failed build's compensation and a delete are the
 * same list, so neither can forget what the other remembers.
 */
import { Effect } from "effect"
import { Addresses } from "../services/Addresses.ts"
import { Compute } from "../services/Compute.ts"
import { Observations } from "../services/Observations.ts"
import { ProvisioningStore } from "../services/Provisioning.ts"
import { type Operation, StepFailure } from "./Operation.ts"

interface Part {
  readonly name: string
  readonly waitsFor: string
  readonly execute: Effect.Effect<void, StepFailure, Compute | Addresses | ProvisioningStore | Observations>
}

/** In the order in which they must go: whoever still uses a thing goes before it. */
export const teardown = (operation: Operation): ReadonlyArray<Part> => [
  {
    name: "remove the server",
    waitsFor: "the database to stop, and its container or process and its volume to be gone",
    execute: Effect.gen(function* () {
      const compute = yield* Compute
      yield* compute.destroy(operation.instance)
    }).pipe(Effect.mapError(({ detail, message, transient }) => new StepFailure({ message, detail, transient })))
  },
  {
    name: "release the address",
    waitsFor: "the store",
    execute: Effect.flatMap(Addresses, (addresses) => addresses.release(operation.instance))
  },
  {
    name: "forget what was known of the guest",
    waitsFor: "the store",
    execute: Effect.gen(function* () {
      yield* (yield* ProvisioningStore).forget(operation.instance)
      yield* (yield* Observations).forget(operation.instance)
    })
  }
]
