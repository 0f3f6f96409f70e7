/**
 * What administrators ask of the machine that a database has, and of its process: asked of the guest, whatever the
 * database itself is fit for.
 */
import { Effect } from "effect"
import { Catalog, findVersion } from "./Catalog.ts"
import { Fabric, type FabricError } from "./Fabric.ts"
import { GuestApi, type GuestRefusal, guestTopic } from "./GuestApi.ts"
import type { InstanceRecord } from "./Instances.ts"
import { InstanceNotReady } from "./ServingGuest.ts"
import { isInService, isServing } from "./Status.ts"

export const serverFacts = Effect.gen(function* () {
  const fabric = yield* Fabric
  const { contents } = yield* Catalog

  /** Null is told of what does not run. One that is neither in service nor to be reached has nothing that runs, either. */
  const told = Effect.fnUntraced(function* <A>(
    { desired, observed, state }: InstanceRecord,
    asked: Effect.Effect<A | null, GuestRefusal | FabricError>
  ) {
    const status = observed === null || isServing(observed) ? null : observed.status
    const notReady = new InstanceNotReady({ id: desired.id, status })
    const answer = yield* Effect.mapError(asked, (error) =>
      error._tag === "FabricError" && !isInService(state) ? notReady : error
    )
    return answer ?? (yield* notReady)
  })

  const guestOf = ({ desired }: InstanceRecord) => fabric.client(guestTopic(desired.id), GuestApi)

  return {
    /** Whether its guest is one of Trove's, which cannot be asked. */
    isTroves: ({ desired }: InstanceRecord) =>
      Effect.map(contents, (catalog) => findVersion(catalog, desired.datastoreVersion)?.version.agent === "trove"),
    hardware: (record: InstanceRecord) => told(record, guestOf(record).get_hwinfo({})),
    diagnostics: (record: InstanceRecord) => told(record, guestOf(record).get_diagnostics({}))
  }
})
