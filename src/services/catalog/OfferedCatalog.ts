/** The catalog as it is offered: what configuration gives, and over that what administrators have changed. */
import { Effect, Layer } from "effect"
import { Catalog, type CatalogContents, type Datastore, type DatastoreVersion } from "../Catalog.ts"
import { type AddedVersion, type CatalogChanges, nothingChanged } from "./CatalogChanges.ts"
import { CatalogStore } from "./CatalogStore.ts"

const withParameters = (version: DatastoreVersion, { parameters }: CatalogChanges): DatastoreVersion => {
  const changed = parameters[version.id]
  return changed === undefined ? version : { ...version, parameters: changed }
}

const plain = ({ datastore: _, ...version }: AddedVersion): DatastoreVersion => version

const overlaidDatastore = (datastore: Datastore, changes: CatalogChanges): Datastore => {
  const given = datastore.versions.map((version) => ({
    ...version,
    active: changes.active[version.id] ?? version.active
  }))
  const added = changes.versions.filter((version) => version.datastore === datastore.id).map(plain)
  const versions = [...given, ...added].map((version) => withParameters(version, changes))
  const chosen = changes.defaults[datastore.id]
  return { ...datastore, versions, defaultVersion: chosen === undefined ? datastore.defaultVersion : chosen }
}

export const overlaid = (configured: CatalogContents, changes: CatalogChanges): CatalogContents => {
  const added = changes.datastores.map((datastore): Datastore => ({ ...datastore, versions: [], defaultVersion: null }))
  return {
    ...configured,
    datastores: [...configured.datastores, ...added].map((datastore) => overlaidDatastore(datastore, changes)),
    retired: changes.retired.map(({ datastoreName, version }) => ({
      datastore: { id: version.datastore, name: datastoreName, versions: [], defaultVersion: null },
      version: withParameters(plain(version), changes)
    }))
  }
}

export const layer = (configured: CatalogContents) =>
  Layer.effect(
    Catalog,
    Effect.map(CatalogStore, ({ changes, changesSince }) => {
      // The store gives the same value for as long as nothing has changed.
      let last = { changes: nothingChanged, contents: overlaid(configured, nothingChanged) }
      const contentsOf = (now: CatalogChanges) => {
        if (now !== last.changes) last = { changes: now, contents: overlaid(configured, now) }
        return last.contents
      }
      return {
        configured,
        contents: Effect.map(changes, contentsOf),
        since: (offer) => Effect.map(changesSince(offer), contentsOf)
      }
    })
  )
