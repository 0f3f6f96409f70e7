/** How datastore versions and parameters look to an administrator who manages them. */
import { Schema } from "effect"
import type { VersionOf } from "../../services/Catalog.ts"
import type { Parameter } from "../../services/configuration/Parameter.ts"

export const ManagedVersionView = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  version: Schema.String,
  datastore_id: Schema.String,
  datastore_name: Schema.String,
  datastore_manager: Schema.String,
  image: Schema.String,
  /** One empty text where there are none, as in Trove. */
  image_tags: Schema.Array(Schema.String),
  packages: Schema.Array(Schema.String),
  active: Schema.Boolean,
  /** Whether it is taken where none is named. */
  default: Schema.Boolean,
  registry_ext: Schema.optionalKey(Schema.String),
  repl_strategy: Schema.optionalKey(Schema.String)
})

const orEmpty = (texts: ReadonlyArray<string> = []) => (texts.length === 0 ? [""] : texts)

export const managedVersionView = ({ datastore, version }: VersionOf): typeof ManagedVersionView.Type => ({
  id: version.id,
  name: version.name,
  version: version.version,
  datastore_id: datastore.id,
  datastore_name: datastore.name,
  datastore_manager: version.manager,
  image: version.image,
  image_tags: orEmpty(version.imageTags),
  packages: orEmpty(version.packages),
  active: version.active,
  default: datastore.defaultVersion === version.id,
  ...(version.registryExt === undefined ? {} : { registry_ext: version.registryExt }),
  ...(version.replStrategy === undefined ? {} : { repl_strategy: version.replStrategy })
})

export const ManagedParameterView = Schema.Struct({
  name: Schema.String,
  datastore_version_id: Schema.String,
  restart_required: Schema.Boolean,
  type: Schema.String,
  max_size: Schema.optionalKey(Schema.Number),
  min_size: Schema.optionalKey(Schema.Number)
})

export const managedParameterView = (
  { max, min, name, restart, type }: Parameter,
  version: string
): typeof ManagedParameterView.Type => ({
  name,
  datastore_version_id: version,
  restart_required: restart,
  type,
  ...(max === undefined ? {} : { max_size: max }),
  ...(min === undefined ? {} : { min_size: min })
})
