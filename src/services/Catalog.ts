/**
 * What can be ordered: flavors, datastores and their versions. Read from configuration; the embedded
 * adapter ships a small one.
 */
import { Context, Schema } from "effect"
import { AgentKind } from "./GuestAccess.ts"

export const Flavor = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  /** MB */
  ram: Schema.Int,
  vcpus: Schema.Int,
  /** GB */
  disk: Schema.Int,
  ephemeral: Schema.Int
})
export type Flavor = typeof Flavor.Type

/** The kinds of server that a guest can operate. */
export const DatastoreManagerName = Schema.Literals(["postgresql", "mariadb", "mysql"])
export type DatastoreManagerName = typeof DatastoreManagerName.Type

export const DatastoreVersion = Schema.Struct({
  id: Schema.String,
  /** What a client names: "16", "10.11". */
  name: Schema.String,
  version: Schema.String,
  manager: DatastoreManagerName,
  /** Image reference with registry, for runtimes that use images. */
  image: Schema.String,
  active: Schema.Boolean,
  /** Which software operates its servers; ours unless told. */
  agent: Schema.optionalKey(AgentKind)
})
export type DatastoreVersion = typeof DatastoreVersion.Type

export const Datastore = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  versions: Schema.Array(DatastoreVersion),
  /** Id of the version that is taken when none is named. */
  defaultVersion: Schema.NullOr(Schema.String)
})
export type Datastore = typeof Datastore.Type

export const CatalogContents = Schema.Struct({
  flavors: Schema.Array(Flavor),
  datastores: Schema.Array(Datastore),
  /** Name of the datastore that is taken when none is named. */
  defaultDatastore: Schema.NullOr(Schema.String)
})
export type CatalogContents = typeof CatalogContents.Type

export class Catalog extends Context.Service<Catalog, CatalogContents>()("coffer/services/Catalog") {}

export const findFlavor = (catalog: CatalogContents, id: string): Flavor | undefined =>
  catalog.flavors.find((flavor) => flavor.id === id)

export const findDatastore = (catalog: CatalogContents, idOrName: string): Datastore | undefined =>
  catalog.datastores.find((datastore) => datastore.id === idOrName || datastore.name === idOrName)

export const findVersion = (
  catalog: CatalogContents,
  id: string
): { readonly datastore: Datastore; readonly version: DatastoreVersion } | undefined => {
  for (const datastore of catalog.datastores) {
    const version = datastore.versions.find((version) => version.id === id)
    if (version !== undefined) return { datastore, version }
  }
  return undefined
}
