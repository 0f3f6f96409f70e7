/**
 * What administrators have changed of the catalog that configuration gives: one small document, so that every rule about
 * it is a pure function, and changes come one after the other.
 */
import { Schema } from "effect"
import { DatastoreVersion } from "../Catalog.ts"
import { Parameter } from "../configuration/Parameter.ts"
import { Millis } from "../Ids.ts"

/** By a parameter's name; null where it is not to be set any more. */
export const ParameterChanges = Schema.Record(Schema.String, Schema.NullOr(Parameter))
export type ParameterChanges = typeof ParameterChanges.Type

/** A version, and the id of its datastore. */
export const AddedVersion = Schema.Struct({ ...DatastoreVersion.fields, datastore: Schema.String })
export type AddedVersion = typeof AddedVersion.Type

export const CatalogChanges = Schema.Struct({
  /** Those that configuration does not give. */
  datastores: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String })),
  versions: Schema.Array(AddedVersion),
  /** Whether a version that configuration gives takes orders, by id. */
  active: Schema.Record(Schema.String, Schema.Boolean),
  /** The version that is taken where none is named, by the datastore's id. */
  defaults: Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
  /** By the version's id. */
  parameters: Schema.Record(Schema.String, ParameterChanges),
  /** Versions that were deleted a short while ago: an order that was checked before may be on its way still. */
  retired: Schema.Array(Schema.Struct({ datastoreName: Schema.String, version: AddedVersion, at: Millis }))
})
export type CatalogChanges = typeof CatalogChanges.Type

export const nothingChanged: CatalogChanges = {
  datastores: [],
  versions: [],
  active: {},
  defaults: {},
  parameters: {},
  retired: []
}

/** How many datastores, versions, and parameters of a version administrators may add. */
export const mostDatastores = 50
export const mostVersions = 500
export const mostParameters = 1000
