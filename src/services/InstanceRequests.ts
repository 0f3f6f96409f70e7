/**
 * What a tenant may ask of the life of instances, whichever wire the request came by: it checks a request
 * against the catalog and the limits, writes it through `Instances`, and wakes the taskmanager. It never does
 * the work itself.
 */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { noGuard, refuseAccess, restricts, unguarded } from "./AllowedNetworks.ts"
import {
  Catalog,
  type CatalogContents,
  type Datastore,
  type DatastoreVersion,
  findDatastore,
  findFlavor
} from "./Catalog.ts"
import { GuestHostDirectory } from "./GuestHostDirectory.ts"
import { InstanceId, type Millis, type ProjectId } from "./Ids.ts"
import {
  type Access,
  type AttachedGroup,
  InstanceNotFound,
  type InstanceRecord,
  Instances,
  type QuotaExceeded,
  type Scope
} from "./Instances.ts"
import { refuseProvisioning } from "./NameRules.ts"
import type { Provisioning } from "./Provisioning.ts"
import { maxVolumeSize } from "./Quotas.ts"
import { isActionable, operatingStatusOf, ShownState } from "./Status.ts"
import { hears, type Switch, Switching } from "./Switching.ts"
import { type Nic, refuseNic, TenantNetwork } from "./TenantNetwork.ts"
import { makeWake } from "./Waking.ts"
import { type Locality, refuseZone } from "./Zones.ts"

/** The request breaks a rule that `message` names; fit for a tenant. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  message: Schema.String
}) {}

export class FlavorNotFound extends Schema.TaggedError<FlavorNotFound>()("FlavorNotFound", {
  flavor: Schema.NullOr(Schema.String)
}) {}

export class DatastoreNotFound extends Schema.TaggedError<DatastoreNotFound>()("DatastoreNotFound", {
  datastore: Schema.String
}) {}

export class DatastoreVersionNotFound extends Schema.TaggedError<DatastoreVersionNotFound>()(
  "DatastoreVersionNotFound",
  { version: Schema.String }
) {}

export class VolumeTooLarge extends Schema.TaggedError<VolumeTooLarge>()("VolumeTooLarge", {
  size: Schema.Number,
  limit: Schema.Number
}) {}

const isInstanceId = Schema.is(InstanceId)

/**
 * The instance is not at rest in service, or its guest is busy with something else: nothing can be done with it now.
 * `operatingStatus` is what it shows of its guest.
 */
export class InstanceNotActionable extends Schema.TaggedError<InstanceNotActionable>()("InstanceNotActionable", {
  id: Schema.String,
  state: ShownState,
  operatingStatus: Schema.String
}) {}

/** How ids of instances are drawn. */
export const NewId = Context.Reference<Effect.Effect<string>>("coffer/services/InstanceRequests/NewId", {
  defaultValue: () => Effect.sync(() => crypto.randomUUID())
})

/** Trove's default region (`os_region_name`). */
const defaultRegion = "RegionOne"

/** What a tenant orders; the absent is null. */
export interface Order {
  readonly name: string
  readonly flavor: string | null
  readonly volume: { readonly size: number; readonly type: string | null } | null
  /** Names or ids. */
  readonly datastore: {
    readonly type: string | null
    readonly version: string | null
    readonly versionNumber: string | null
  }
  readonly provisioning: Provisioning
  readonly access: Access | null
  readonly region: string | null
  readonly zone: string | null
  readonly locality: Locality | null
  readonly nic: Nic | null
  /** The configuration group, of this very version. */
  readonly configuration: AttachedGroup | null
}

export type OrderRefusal =
  | InvalidRequest
  | FlavorNotFound
  | DatastoreNotFound
  | DatastoreVersionNotFound
  | VolumeTooLarge
  | QuotaExceeded

export class InstanceRequests extends Context.Service<
  InstanceRequests,
  {
    readonly create: (project: ProjectId, order: Order) => Effect.Effect<InstanceRecord, OrderRefusal>
    /** Asked for twice, it is done once. */
    readonly remove: (scope: Scope, id: string) => Effect.Effect<void, InstanceNotFound>
    /**
     * Of the database, not of the machine. It is refused until the one before has ended. What is stopped is started by
     * it, as Trove's clients bring back what was stopped.
     */
    readonly restart: (scope: Scope, id: string) => Effect.Effect<void, InstanceNotFound | InstanceNotActionable>
    /** Of the database, which stays so. What it holds of the quota it holds. */
    readonly stop: (scope: Scope, id: string) => Effect.Effect<void, InstanceNotFound | InstanceNotActionable>
    /** Of what is stopped, and of nothing else. */
    readonly start: (scope: Scope, id: string) => Effect.Effect<void, InstanceNotFound | InstanceNotActionable>
    /** The instance, if that would be accepted now. */
    readonly check: (
      scope: Scope,
      id: string,
      wanted: Switch
    ) => Effect.Effect<InstanceRecord, InstanceNotFound | InstanceNotActionable>
    readonly rename: (scope: Scope, id: string, name: string) => Effect.Effect<void, InstanceNotFound>
    readonly get: (scope: Scope, id: string) => Effect.Effect<InstanceRecord, InstanceNotFound>
    readonly list: Instances["Service"]["list"]
    readonly listDetail: Instances["Service"]["listDetail"]
  }
>()("coffer/services/InstanceRequests") {
  static readonly layer = Layer.effect(
    InstanceRequests,
    Effect.gen(function* () {
      const instances = yield* Instances
      const switching = yield* Switching
      const { contents } = yield* Catalog
      const directory = yield* GuestHostDirectory
      const network = yield* TenantNetwork
      const newId = yield* NewId
      const wake = yield* makeWake

      const get = Effect.fnUntraced(function* (scope: Scope, id: string) {
        // What is no id names nothing, and the store may not even take it for a text.
        const found = isInstanceId(id) ? yield* instances.get(scope, id) : Option.none()
        return Option.isSome(found) ? found.value : yield* new InstanceNotFound({ id })
      })

      const checkZone = Effect.fnUntraced(function* ({ agent = "coffer" }: DatastoreVersion, zone: string) {
        const zones = yield* directory.zones(agent)
        if (!zones.includes(zone)) return yield* new InvalidRequest({ message: refuseZone(zones) })
      })

      const create = Effect.fn("InstanceRequests.create")(function* (project: ProjectId, order: Order) {
        const catalog = yield* contents
        const version = yield* orderedVersion(catalog, order)
        const flavor = order.flavor === null ? undefined : findFlavor(catalog, order.flavor)
        if (flavor === undefined) return yield* new FlavorNotFound({ flavor: order.flavor })
        if (order.volume === null) return yield* new InvalidRequest({ message: "Volume size was not specified." })
        if (order.volume.size > maxVolumeSize)
          return yield* new VolumeTooLarge({ size: order.volume.size, limit: maxVolumeSize })
        const refusal =
          refuseProvisioning(version.manager, order.provisioning) ??
          refuseAccess(version, order.access) ??
          (order.nic === null ? null : refuseNic(network, order.nic))
        if (refusal !== null) return yield* new InvalidRequest({ message: refusal })
        if (order.zone !== null) yield* checkZone(version, order.zone)
        if (restricts(order.access) && (yield* directory.guards({ zone: order.zone })) === false)
          return yield* new InvalidRequest({ message: unguarded(noGuard(order.zone)) })

        const now = yield* Clock.currentTimeMillis
        const desired = {
          id: InstanceId.make(yield* newId),
          project,
          name: order.name,
          flavor: flavor.id,
          ram: flavor.ram,
          volumeSize: order.volume.size,
          volumeType: order.volume.type,
          datastoreVersion: version.id,
          region: order.region ?? defaultRegion,
          access: order.access,
          ...(order.zone === null ? {} : { zone: order.zone }),
          ...(order.locality === null ? {} : { locality: order.locality }),
          created: now,
          updated: now
        }
        const { configuration } = order
        yield* instances.create(desired, order.provisioning, configuration?.id ?? null)
        yield* wake(desired.id)
        const nothing = { fault: null, observed: null, address: null }
        return { desired, state: "New" as const, stateSince: now, configuration, ...nothing }
      })

      const remove = Effect.fn("InstanceRequests.remove")(function* (scope: Scope, id: string) {
        const { desired } = yield* get(scope, id)
        yield* instances.requestDelete(desired.id)
        yield* wake(desired.id)
      })

      const check = Effect.fnUntraced(function* (scope: Scope, id: string, wanted: Switch) {
        const record = yield* get(scope, id)
        if (hears[wanted](record.state) && isActionable(record.observed)) return record
        return yield* notActionable(record, yield* Clock.currentTimeMillis)
      })

      const request = (id: InstanceId, wanted: Switch, state: ShownState) => {
        if (wanted === "stop") return switching.requestStop(id)
        return state === "Stopped" ? switching.requestStart(id) : instances.requestRestart(id)
      }

      const ask = Effect.fn("InstanceRequests.ask")(function* (scope: Scope, id: string, wanted: Switch) {
        const { desired, state } = yield* check(scope, id, wanted)
        // Somebody may have come first in between.
        if (!(yield* request(desired.id, wanted, state)))
          return yield* notActionable(yield* get(scope, id), yield* Clock.currentTimeMillis)
        yield* wake(desired.id)
      })

      const rename = Effect.fn("InstanceRequests.rename")(function* (scope: Scope, id: string, name: string) {
        const { desired } = yield* get(scope, id)
        yield* instances.rename(desired.id, name)
      })

      return {
        create,
        remove,
        restart: (scope, id) => ask(scope, id, "restart"),
        stop: (scope, id) => ask(scope, id, "stop"),
        start: (scope, id) => ask(scope, id, "start"),
        check,
        rename,
        get,
        list: instances.list,
        listDetail: instances.listDetail
      }
    })
  )
}

export const notActionable = ({ desired, observed, state }: InstanceRecord, now: Millis) =>
  new InstanceNotActionable({ id: desired.id, state, operatingStatus: operatingStatusOf(state, observed, now) })

/** The datastore of that id or name. */
export const datastoreNamed = (
  catalog: CatalogContents,
  idOrName: string
): Effect.Effect<Datastore, DatastoreNotFound> => {
  const datastore = findDatastore(catalog, idOrName)
  return datastore === undefined
    ? Effect.fail(new DatastoreNotFound({ datastore: idOrName }))
    : Effect.succeed(datastore)
}

/** The version of `datastore` of that id or name; `number` chooses between versions of one name. */
export const versionNamed = Effect.fnUntraced(function* (
  datastore: Datastore,
  idOrName: string,
  number: string | null = null
) {
  const byId = datastore.versions.find((version) => version.id === idOrName)
  if (byId !== undefined) return byId
  const [version, ...others] = datastore.versions.filter(
    (version) => version.name === idOrName && (number === null || version.version === number)
  )
  if (version === undefined) return yield* new DatastoreVersionNotFound({ version: idOrName })
  if (others.length > 0)
    return yield* new InvalidRequest({
      message: `Several versions of datastore '${datastore.name}' are named '${idOrName}'. Please specify version_number.`
    })
  return version
})

/** The version that is meant, though it may be one that cannot be ordered any more. */
export const versionMeant = Effect.fnUntraced(function* (catalog: CatalogContents, wanted: Order["datastore"]) {
  const type = wanted.type ?? catalog.defaultDatastore
  if (type === null)
    return yield* new InvalidRequest({ message: "Please specify datastore. No default datastore is defined." })
  const datastore = yield* datastoreNamed(catalog, type)
  const name = wanted.version ?? datastore.defaultVersion
  if (name === null)
    return yield* new InvalidRequest({
      message: `Default version for datastore '${datastore.name}' not found. Please specify a version.`
    })
  return { datastore, version: yield* versionNamed(datastore, name, wanted.versionNumber) }
})

/** The version that an order means. */
export const orderedVersion = Effect.fnUntraced(function* (
  catalog: CatalogContents,
  { datastore }: Pick<Order, "datastore">
) {
  const { version } = yield* versionMeant(catalog, datastore)
  if (!version.active)
    return yield* new InvalidRequest({ message: `Datastore version '${version.name}' is not active.` })
  return version
})
