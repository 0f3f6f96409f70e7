/**
 * What a tenant may ask of the version of an instance's datastore: one of the same datastore that is not older. It is
 * checked here, written with its command in one transaction, and done by the instance's actor and its guest.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Catalog, type DatastoreVersion, findDatastore, findVersion } from "./Catalog.ts"
import type { InstanceId } from "./Ids.ts"
import {
  DatastoreVersionNotFound,
  InstanceNotActionable,
  InstanceRequests,
  InvalidRequest,
  versionNamed
} from "./InstanceRequests.ts"
import type { InstanceNotFound, InstanceRecord, Scope } from "./Instances.ts"
import { isActionable, operatingStatusOf } from "./Status.ts"
import { makeWake } from "./Waking.ts"

/** The api's side of the store, as far as it is about upgrades. */
export class UpgradeOrders extends Context.Service<
  UpgradeOrders,
  {
    /**
     * The Upgrade command to this version, where the instance is at rest in service and its configuration group, if it has
     * one, is of that version; false, and nothing written, anywhere else.
     */
    readonly request: (id: InstanceId, version: string) => Effect.Effect<boolean>
  }
>()("coffer/services/UpgradeOrders") {}

export type UpgradeRefusal = InstanceNotFound | InstanceNotActionable | InvalidRequest | DatastoreVersionNotFound

export class DatastoreUpgrades extends Context.Service<
  DatastoreUpgrades,
  {
    /** The instance and the version's id, where the upgrade would be accepted now. `version` is a name or an id. */
    readonly check: (
      scope: Scope,
      id: string,
      version: string
    ) => Effect.Effect<{ readonly record: InstanceRecord; readonly target: string }, UpgradeRefusal>
    readonly request: (scope: Scope, id: string, version: string) => Effect.Effect<void, UpgradeRefusal>
  }
>()("coffer/services/DatastoreUpgrades") {
  /** Over the one that instances are asked of. */
  static readonly layer = Layer.effect(
    DatastoreUpgrades,
    Effect.gen(function* () {
      const { contents } = yield* Catalog
      const orders = yield* UpgradeOrders
      const instances = yield* InstanceRequests
      const wake = yield* makeWake

      const check = Effect.fnUntraced(function* (scope: Scope, id: string, version: string) {
        const before = yield* instances.get(scope, id)
        const { desired } = before
        const found = findVersion(yield* contents, desired.datastoreVersion)
        if (found === undefined) return yield* new DatastoreVersionNotFound({ version: desired.datastoreVersion })
        // One that is retired stands alone: what may be ordered is told by its name.
        const datastore = findDatastore(yield* contents, found.datastore.name) ?? found.datastore
        const target = yield* versionNamed(datastore, version)
        yield* checkTarget(found.version, target)
        const { configuration } = before
        if (configuration !== null && target.id !== found.version.id)
          return yield* new InvalidRequest({
            message: `The configuration group ${configuration.id} is of version '${found.version.name}', and not of '${target.name}'. Detach it first.`
          })
        if (before.state !== "Active" || !isActionable(before.observed)) return yield* notActionable(before)
        return { record: before, target: target.id }
      })

      const request = Effect.fn("DatastoreUpgrades.request")(function* (scope: Scope, id: string, version: string) {
        const { record, target } = yield* check(scope, id, version)
        const { desired } = record
        // Somebody may have come first in between.
        if (!(yield* orders.request(desired.id, target))) return yield* notActionable(yield* instances.get(scope, id))
        yield* wake(desired.id)
      })

      return { check, request }
    })
  )
}

const notActionable = Effect.fnUntraced(function* ({ desired, observed, state }: InstanceRecord) {
  const now = yield* Clock.currentTimeMillis
  const operatingStatus = operatingStatusOf(state, observed, now)
  return yield* new InstanceNotActionable({ id: desired.id, state, operatingStatus })
})

const partsOf = (version: string) => (/\d+(\.\d+)*/.exec(version)?.[0] ?? "").split(".").map(Number)

/** Negative where `one` is the older; a part that only one of them names tells nothing. */
export const compareVersions = (one: string, other: string): number => {
  const theirs = partsOf(other)
  for (const [at, part] of partsOf(one).entries()) {
    const difference = part - (theirs[at] ?? part)
    if (difference !== 0) return difference
  }
  return 0
}

const checkTarget = Effect.fnUntraced(function* (from: DatastoreVersion, to: DatastoreVersion) {
  const refuse = (message: string) => new InvalidRequest({ message })
  if (!to.active) return yield* refuse(`Datastore version '${to.name}' is not active.`)
  if (from.manager !== to.manager)
    return yield* refuse(`Datastore version '${to.name}' is of another kind of server than '${from.name}'.`)
  if (from.agent === "trove" || to.agent === "trove")
    return yield* refuse("Instances that Trove's agents operate cannot be upgraded.")
  if (compareVersions(to.version, from.version) < 0)
    return yield* refuse(
      `Datastore version '${to.name}' is older than '${from.name}': its server cannot read what a newer one has written.`
    )
  const [major, target] = [partsOf(from.version)[0], partsOf(to.version)[0]]
  if (from.manager === "postgresql" && major !== target)
    return yield* refuse(
      `PostgreSQL cannot be brought from ${major} to ${target} in place. Order an instance of version '${to.name}', and bring the data there with pg_dump.`
    )
})
