/** How datastores, versions and flavors look. */
import { Schema } from "effect"
import type { Datastore, DatastoreVersion, Flavor } from "../../services/Catalog.ts"
import { Links, type LinkWriter } from "../Wire.ts"

const version = {
  id: Schema.String,
  name: Schema.String,
  version: Schema.String,
  links: Links,
  /** For administrators. */
  active: Schema.optionalKey(Schema.Boolean),
  image: Schema.optionalKey(Schema.String),
  image_tags: Schema.optionalKey(Schema.Array(Schema.String)),
  packages: Schema.optionalKey(Schema.Array(Schema.String)),
  registry_ext: Schema.optionalKey(Schema.String),
  repl_strategy: Schema.optionalKey(Schema.String)
}

export const DatastoreVersionView = Schema.Struct({
  ...version,
  /** Id of the datastore that it is of. */
  datastore: Schema.String
})

export const DatastoreView = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  links: Links,
  versions: Schema.Array(Schema.Struct(version)),
  default_version: Schema.optionalKey(Schema.String)
})

export const FlavorView = Schema.Struct({
  /** The id as a number, where it is one that a client may take for it. */
  id: Schema.NullOr(Schema.Number),
  links: Links,
  name: Schema.String,
  /** MB */
  ram: Schema.Number,
  vcpus: Schema.Number,
  /** GB */
  disk: Schema.Number,
  ephemeral: Schema.Number,
  str_id: Schema.String
})

export interface Viewer {
  readonly links: LinkWriter
  readonly isAdmin: boolean
}

/** A tenant sees what can be ordered, an administrator also what no longer can. */
export const visibleVersions = (datastore: Datastore, isAdmin: boolean): ReadonlyArray<DatastoreVersion> =>
  isAdmin ? datastore.versions : datastore.versions.filter((version) => version.active)

const detailsOf = ({ active, image, imageTags, packages, registryExt, replStrategy }: DatastoreVersion) => ({
  active,
  image,
  ...(imageTags === undefined ? {} : { image_tags: imageTags }),
  ...(packages === undefined ? {} : { packages }),
  ...(registryExt === undefined ? {} : { registry_ext: registryExt }),
  ...(replStrategy === undefined ? {} : { repl_strategy: replStrategy })
})

const bareVersionView = (version: DatastoreVersion, { links, isAdmin }: Viewer) => ({
  id: version.id,
  name: version.name,
  version: version.version,
  links: links.to("datastores/versions", version.id),
  ...(isAdmin ? detailsOf(version) : {})
})

export const versionView = (
  datastore: Datastore,
  version: DatastoreVersion,
  viewer: Viewer
): typeof DatastoreVersionView.Type => ({ ...bareVersionView(version, viewer), datastore: datastore.id })

export const datastoreView = (datastore: Datastore, viewer: Viewer): typeof DatastoreView.Type => ({
  id: datastore.id,
  name: datastore.name,
  links: viewer.links.to("datastores", datastore.id),
  versions: visibleVersions(datastore, viewer.isAdmin).map((version) => bareVersionView(version, viewer)),
  ...(datastore.defaultVersion === null ? {} : { default_version: datastore.defaultVersion })
})

export const flavorView = (flavor: Flavor, links: LinkWriter): typeof FlavorView.Type => ({
  // troveclient sends this back as an integer, which must not lose a leading zero.
  id: /^(0|[1-9]\d{0,14})$/.test(flavor.id) ? Number(flavor.id) : null,
  links: links.to("flavors", flavor.id),
  name: flavor.name,
  ram: flavor.ram,
  vcpus: flavor.vcpus,
  disk: flavor.disk,
  ephemeral: flavor.ephemeral,
  str_id: flavor.id
})
