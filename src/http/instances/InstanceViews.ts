/**
 * How an instance looks to its tenant: Trove's list view and detail view. Cheap, for lists are what clients
 * poll.
 */
import { Schema } from "effect"
import { type CatalogContents, findVersion } from "../../services/Catalog.ts"
import type { Millis } from "../../services/Ids.ts"
import { Access, type AttachedGroup, type InstanceRecord, type ListedInstance } from "../../services/Instances.ts"
import { operatingStatusOf, statusOf } from "../../services/Status.ts"
import { Locality } from "../../services/Zones.ts"
import { Links, type LinkWriter, Stamp, stamp } from "../Wire.ts"

const Address = Schema.Struct({
  address: Schema.String,
  type: Schema.Literals(["private", "public"]),
  network: Schema.String
})

const listed = {
  id: Schema.String,
  name: Schema.String,
  status: Schema.String,
  operating_status: Schema.String,
  links: Links,
  flavor: Schema.Struct({ id: Schema.String, links: Links }),
  region: Schema.String,
  access: Access,
  ip: Schema.optionalKey(Schema.Array(Schema.String)),
  addresses: Schema.optionalKey(Schema.Array(Address)),
  /** For administrators. */
  tenant_id: Schema.optionalKey(Schema.String)
}

export const ListView = Schema.Struct({
  ...listed,
  datastore: Schema.Struct({ type: Schema.String, version: Schema.String }),
  volume: Schema.Struct({ size: Schema.Number })
})

const FaultView = Schema.Struct({
  message: Schema.String,
  created: Stamp,
  /** For administrators. */
  details: Schema.NullOr(Schema.String)
})

export const DetailView = Schema.Struct({
  ...listed,
  datastore: Schema.Struct({ type: Schema.String, version: Schema.String, version_number: Schema.String }),
  volume: Schema.Struct({
    size: Schema.Number,
    /** GB */
    used: Schema.optionalKey(Schema.Number),
    used_percent: Schema.optionalKey(Schema.Number)
  }),
  created: Stamp,
  updated: Stamp,
  service_status_updated: Stamp,
  /** An extension, of one that is looked at by itself: why its database does not serve. */
  operating_status_reason: Schema.optionalKey(Schema.String),
  /** An extension: the zone that was asked for. */
  availability_zone: Schema.optionalKey(Schema.String),
  locality: Schema.optionalKey(Locality),
  fault: Schema.optionalKey(FaultView),
  configuration: Schema.optionalKey(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      links: Links,
      /** An extension: why the server does not run with it. */
      not_applied: Schema.optionalKey(Schema.String)
    })
  )
})

/** Of a volume, in GB. */
export interface Usage {
  readonly used: number
  readonly total: number
}

/** What a view needs of the request beside the instance. */
export interface Viewer {
  readonly links: LinkWriter
  readonly catalog: CatalogContents
  /** The id of the network that all instances are on. */
  readonly network: string
  readonly now: Millis
  readonly isAdmin: boolean
}

/** The names stay those of the catalog; a version that has left it is shown by its id. */
const datastoreOf = (catalog: CatalogContents, versionId: string) => {
  const found = findVersion(catalog, versionId)
  return found === undefined
    ? { type: "unknown", version: versionId, number: versionId }
    : { type: found.datastore.name, version: found.version.name, number: found.version.version }
}

/** Stored as it was given; where nothing was, what is known of the addresses. */
const accessOf = ({ desired, address }: ListedInstance): Access =>
  desired.access ?? (address === null ? {} : { is_public: false })

const shared = ({ desired, state, observed, address }: ListedInstance, viewer: Viewer) => ({
  id: desired.id,
  name: desired.name,
  status: statusOf(state),
  operating_status: operatingStatusOf(state, observed, viewer.now),
  links: viewer.links.to("instances", desired.id),
  flavor: { id: desired.flavor, links: viewer.links.to("flavors", desired.flavor) },
  region: desired.region,
  ...(address === null
    ? {}
    : { ip: [address], addresses: [{ address, type: "private" as const, network: viewer.network }] }),
  ...(viewer.isAdmin ? { tenant_id: desired.project } : {})
})

export const listView = (instance: ListedInstance, viewer: Viewer): typeof ListView.Type => {
  const { type, version } = datastoreOf(viewer.catalog, instance.desired.datastoreVersion)
  return {
    ...shared(instance, viewer),
    access: accessOf(instance),
    datastore: { type, version },
    volume: { size: instance.desired.volumeSize }
  }
}

export const detailView = (instance: InstanceRecord, viewer: Viewer, usage?: Usage): typeof DetailView.Type => {
  const { configuration, desired, fault, observed } = instance
  const { type, version, number } = datastoreOf(viewer.catalog, desired.datastoreVersion)
  return {
    ...shared(instance, viewer),
    access: accessOf(instance),
    datastore: { type, version, version_number: number },
    volume: { size: desired.volumeSize, ...(usage === undefined ? {} : usageOf(usage)) },
    created: stamp(desired.created),
    updated: stamp(Math.max(desired.updated, instance.stateSince)),
    service_status_updated: stamp(observed?.heartbeatAt ?? desired.created),
    ...(desired.zone === undefined ? {} : { availability_zone: desired.zone }),
    ...(desired.locality === undefined ? {} : { locality: desired.locality }),
    ...(fault === null
      ? {}
      : {
          fault: {
            message: fault.message,
            created: stamp(fault.at),
            details: viewer.isAdmin ? fault.details : null
          }
        }),
    ...(configuration === null ? {} : { configuration: configurationOf(configuration, viewer) })
  }
}

export const troubleView = (trouble: string | null): Pick<typeof DetailView.Type, "operating_status_reason"> =>
  trouble === null ? {} : { operating_status_reason: trouble }

const configurationOf = ({ id, name, notApplied }: AttachedGroup, { links }: Viewer) => ({
  id,
  name,
  links: links.to("configurations", id),
  ...(notApplied === null ? {} : { not_applied: notApplied })
})

export const twoDecimals = (value: number): number => Math.round(value * 100) / 100

const usageOf = ({ used, total }: Usage) => ({
  used: twoDecimals(used),
  ...(total > 0 ? { used_percent: twoDecimals((used / total) * 100) } : {})
})

/** A page is picked by id and shown newest first. */
export const newestFirst = <A>(items: ReadonlyArray<A>, recordOf: (item: A) => ListedInstance): ReadonlyArray<A> =>
  items.toSorted((a, b) => recordOf(b).desired.created - recordOf(a).desired.created)
