/**
 * The guest of an instance, for what a tenant asks of the inside of its database: asked over the fabric, and only while
 * the database serves. What breaks a known rule of the database is refused here, before anybody is asked.
 */
import { Effect, Schema } from "effect"
import { Catalog, type DatastoreManagerName, findVersion } from "./Catalog.ts"
import { Fabric, type FabricError } from "./Fabric.ts"
import { GuestApi, type GuestRefusal, guestTopic } from "./GuestApi.ts"
import { InvalidRequest } from "./InstanceRequests.ts"
import type { InstanceRecord } from "./Instances.ts"
import { isInService, isServing } from "./Status.ts"

/** The instance cannot be asked now; `status` is what its guest last reported, null when it has none yet. */
export class InstanceNotReady extends Schema.TaggedError<InstanceNotReady>()("InstanceNotReady", {
  id: Schema.String,
  status: Schema.NullOr(Schema.String)
}) {}

/** It is not ready, or its guest refused, or could not be reached. */
export type NotServed = InstanceNotReady | GuestRefusal | FabricError

export interface PageOf {
  readonly limit: number
  readonly marker: string | null
}
/** A page and the marker of the next one, null on the last. */
export type Listed<A> = readonly [ReadonlyArray<A>, string | null]

export const servingGuest = Effect.gen(function* () {
  const { contents } = yield* Catalog
  const fabric = yield* Fabric

  return {
    /** The guest, if the database behind it serves. */
    guestOf: Effect.fnUntraced(function* ({ desired, state, observed }: InstanceRecord) {
      const { id } = desired
      if (state === "Stopped") return yield* new InstanceNotReady({ id, status: "shutdown" })
      if (!isInService(state)) return yield* new InstanceNotReady({ id, status: null })
      if (!isServing(observed)) return yield* new InstanceNotReady({ id, status: observed?.status ?? null })
      return fabric.client(guestTopic(id), GuestApi)
    }),
    /** The guest, whether its database serves or not; and whether it is one of ours. */
    agentOf: Effect.fnUntraced(function* ({ desired, state }: InstanceRecord) {
      const { id } = desired
      if (state !== "Stopped" && !isInService(state)) return yield* new InstanceNotReady({ id, status: null })
      const version = findVersion(yield* contents, desired.datastoreVersion)?.version
      return { guest: fabric.client(guestTopic(id), GuestApi), isTroves: version?.agent === "trove", version }
    }),
    /** Refuses what `check` finds to break a rule of the instance's datastore. */
    refuse: (
      { desired }: InstanceRecord,
      check: (manager: DatastoreManagerName) => string | null
    ): Effect.Effect<void, InvalidRequest> =>
      Effect.flatMap(contents, (catalog) => {
        const manager = findVersion(catalog, desired.datastoreVersion)?.version.manager
        const message = manager === undefined ? null : check(manager)
        return message === null ? Effect.void : Effect.fail(new InvalidRequest({ message }))
      })
  }
})
