/** An instance's server as it is to be, with a way in for its guest: asked for as often as one likes, it is made once. */
import { Effect } from "effect"
import { Compute, type ComputeError, type ServerSpec } from "../services/Compute.ts"
import { GuestAccess } from "../services/GuestAccess.ts"
import type { InstanceId } from "../services/Ids.ts"
import { StepFailure } from "./Operation.ts"

/** What became of a server, as a step tells it. */
export const serverFailure = ({ detail, message, transient }: ComputeError) =>
  new StepFailure({ message, detail, transient })

/** It gives nothing back: what the guest was granted is a secret, and the journal keeps what steps give. */
export const ensureServer = Effect.fnUntraced(function* (instance: InstanceId, spec: ServerSpec) {
  const link = yield* Effect.mapError(
    (yield* GuestAccess).grant(instance, spec.agent),
    ({ detail }) => new StepFailure({ message: "The guest could not be given access.", detail, transient: true })
  )
  yield* Effect.mapError((yield* Compute).ensure(spec, link), serverFailure)
})
