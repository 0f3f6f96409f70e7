/** How configuration groups and parameters look. */
import { Schema } from "effect"
import { type CatalogContents, type DatastoreVersion, findVersion } from "../../services/Catalog.ts"
import type { CountedGroup } from "../../services/configuration/ConfigurationRequests.ts"
import type { ConfigurationGroup } from "../../services/configuration/Configurations.ts"
import { masked, type Parameter, Values } from "../../services/configuration/Parameter.ts"
import { Stamp, stamp } from "../Wire.ts"

const listed = {
  id: Schema.String,
  name: Schema.String,
  description: Schema.NullOr(Schema.String),
  created: Stamp,
  updated: Stamp,
  datastore_version_id: Schema.String,
  datastore_name: Schema.String,
  datastore_version_name: Schema.String
}

export const ListedGroup = Schema.Struct(listed)

export const GroupView = Schema.Struct({
  ...listed,
  /** What may be a password is shown as `***`. */
  values: Values,
  instance_count: Schema.Int,
  datastore_version_number: Schema.String
})

export const ParameterView = Schema.Struct({
  name: Schema.String,
  datastore_version_id: Schema.String,
  restart_required: Schema.Boolean,
  type: Schema.String,
  max: Schema.optionalKey(Schema.Number),
  min: Schema.optionalKey(Schema.Number)
})

/** The names stay those of the catalog; a version that has left it is shown by its id. */
const datastoreOf = (catalog: CatalogContents, versionId: string) => {
  const found = findVersion(catalog, versionId)
  return {
    datastore: found?.datastore.name ?? "unknown",
    version: found?.version.name ?? versionId,
    number: found?.version.version ?? versionId
  }
}

export const listedGroup = (group: ConfigurationGroup, catalog: CatalogContents): typeof ListedGroup.Type => {
  const { datastore, version } = datastoreOf(catalog, group.datastoreVersion)
  return {
    id: group.id,
    name: group.name,
    description: group.description,
    created: stamp(group.created),
    updated: stamp(group.updated),
    datastore_version_id: group.datastoreVersion,
    datastore_name: datastore,
    datastore_version_name: version
  }
}

export const groupView = ({ group, instances }: CountedGroup, catalog: CatalogContents): typeof GroupView.Type => ({
  ...listedGroup(group, catalog),
  values: masked(group.values),
  instance_count: instances,
  datastore_version_number: datastoreOf(catalog, group.datastoreVersion).number
})

export const parameterView = (parameter: Parameter, version: DatastoreVersion): typeof ParameterView.Type => {
  const { max, min, name, restart, type } = parameter
  return {
    name,
    datastore_version_id: version.id,
    restart_required: restart,
    type,
    ...(max === undefined ? {} : { max }),
    ...(min === undefined ? {} : { min })
  }
}
