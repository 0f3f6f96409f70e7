/** What a tenant may ask of who reaches an instance, in whatever state that is. */
import { Context, Effect, Layer } from "effect"
import { Accesses } from "./Accesses.ts"
import { noGuard, refuseAccess, restricts, unguarded } from "./AllowedNetworks.ts"
import { Catalog, findVersion } from "./Catalog.ts"
import { GuestHostDirectory } from "./GuestHostDirectory.ts"
import { InstanceRequests, InvalidRequest } from "./InstanceRequests.ts"
import type { Access, InstanceNotFound, InstanceRecord, Scope } from "./Instances.ts"
import { makeWake } from "./Waking.ts"

export class AccessRequests extends Context.Service<
  AccessRequests,
  {
    /** The instance, of which this may be said; refused as the change would be. */
    readonly check: (
      scope: Scope,
      id: string,
      access: Access
    ) => Effect.Effect<InstanceRecord, InstanceNotFound | InvalidRequest>
    /** All that was said before is replaced. */
    readonly change: (
      scope: Scope,
      id: string,
      access: Access
    ) => Effect.Effect<void, InstanceNotFound | InvalidRequest>
  }
>()("coffer/services/AccessRequests") {
  /** Over the one that instances are asked of. */
  static readonly layer = Layer.effect(
    AccessRequests,
    Effect.gen(function* () {
      const accesses = yield* Accesses
      const { contents } = yield* Catalog
      const instances = yield* InstanceRequests
      const directory = yield* GuestHostDirectory
      const wake = yield* makeWake

      const check = Effect.fnUntraced(function* (scope: Scope, id: string, access: Access) {
        const record = yield* instances.get(scope, id)
        const refusal = refuseAccess(findVersion(yield* contents, record.desired.datastoreVersion)?.version, access)
        if (refusal !== null) return yield* new InvalidRequest({ message: refusal })
        if (!restricts(access)) return record
        // One that has no machine yet is given one that can.
        const { address, desired } = record
        const zone = desired.zone ?? null
        if ((yield* directory.guards(address === null ? { zone } : { instance: desired.id })) !== false) return record
        const why = address === null ? noGuard(zone) : "the machine of the instance cannot restrict who reaches it"
        return yield* new InvalidRequest({ message: unguarded(why) })
      })

      const change = Effect.fn("AccessRequests.change")(function* (scope: Scope, id: string, access: Access) {
        const { desired } = yield* check(scope, id, access)
        yield* accesses.request(desired.id, access)
        yield* wake(desired.id)
      })

      return { check, change }
    })
  )
}
