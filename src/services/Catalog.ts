/**
 * What can be ordered: flavors, datastores and their versions. Configuration gives them (the embedded adapter ships a
 * small catalog), and administrators change what is offered while the service runs: whoever asks is told what is
 * offered now.
 */
import { Context, Effect, Schema } from "effect"
import { Parameter } from "./configuration/Parameter.ts"
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
  agent: Schema.optionalKey(AgentKind),
  /** What Trove keeps of a version beside: shown as it was given, and of no effect here. */
  packages: Schema.optionalKey(Schema.Array(Schema.String)),
  imageTags: Schema.optionalKey(Schema.Array(Schema.String)),
  registryExt: Schema.optionalKey(Schema.String),
  replStrategy: Schema.optionalKey(Schema.String),
  /** What administrators changed of its parameters; null where one is not to be set any more. */
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Parameter)))
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

/** What configuration says. */
export const CatalogFile = Schema.Struct({
  flavors: Schema.Array(Flavor),
  datastores: Schema.Array(Datastore),
  /** Name of the datastore that is taken when none is named. */
  defaultDatastore: Schema.NullOr(Schema.String)
})

export interface VersionOf {
  readonly datastore: Datastore
  readonly version: DatastoreVersion
}

export interface CatalogContents extends Schema.Schema.Type<typeof CatalogFile> {
  /** Versions that were deleted a short while ago: an order for one may be on its way still. */
  readonly retired?: ReadonlyArray<VersionOf>
}

export class Catalog extends Context.Service<
  Catalog,
  {
    /** What configuration gives, whatever administrators changed of it. */
    readonly configured: CatalogContents
    /** What is offered now. It is asked for anew by everything that is decided by it. */
    readonly contents: Effect.Effect<CatalogContents>
    /**
     * What was offered by the time the catalog had come so far, or later: the store is asked only where less is known here.
     * For who has read how far that is together with something else.
     */
    readonly since: (offer: number) => Effect.Effect<CatalogContents>
  }
>()("coffer/services/Catalog") {}

/** What is offered now. */
export const offered = Effect.flatMap(Catalog, ({ contents }) => contents)

export const findFlavor = (catalog: CatalogContents, id: string): Flavor | undefined =>
  catalog.flavors.find((flavor) => flavor.id === id)

export const findDatastore = (catalog: CatalogContents, idOrName: string): Datastore | undefined =>
  catalog.datastores.find((datastore) => datastore.id === idOrName || datastore.name === idOrName)

const versionIn = (datastores: ReadonlyArray<Datastore>, id: string): VersionOf | undefined => {
  for (const datastore of datastores) {
    const version = datastore.versions.find((version) => version.id === id)
    if (version !== undefined) return { datastore, version }
  }
  return undefined
}

/** One that is in the catalog. */
export const findOffered = (catalog: CatalogContents, id: string): VersionOf | undefined =>
  versionIn(catalog.datastores, id)

/** Also one that has just left it. */
export const findVersion = (catalog: CatalogContents, id: string): VersionOf | undefined =>
  findOffered(catalog, id) ?? catalog.retired?.find(({ version }) => version.id === id)
