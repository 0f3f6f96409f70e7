/**
 * What an administrator's change of datastores and versions makes of those before, and why it is refused. Pure, but for
 * the question who needs a version.
 */
import { Effect } from "effect"
import {
  type CatalogContents,
  type DatastoreManagerName,
  type DatastoreVersion,
  findDatastore,
  findOffered,
  type VersionOf
} from "../Catalog.ts"
import type { Millis } from "../Ids.ts"
import { DatastoreNotFound, DatastoreVersionNotFound, InvalidRequest } from "../InstanceRequests.ts"
import { type AddedVersion, type CatalogChanges, mostDatastores, mostVersions } from "./CatalogChanges.ts"
import { overlaid } from "./OfferedCatalog.ts"

/** What can be said of a version; what is null stays as it is, or is not there. */
export interface WantedVersion {
  readonly name: string | null
  readonly manager: DatastoreManagerName | null
  readonly image: string | null
  readonly imageTags: ReadonlyArray<string> | null
  readonly packages: ReadonlyArray<string> | null
  readonly registryExt: string | null
  readonly replStrategy: string | null
  readonly active: boolean | null
  /** Whether it is taken where none is named. */
  readonly isDefault: boolean | null
}

export interface NewVersion extends WantedVersion {
  readonly name: string
  readonly manager: DatastoreManagerName
  /** Name or id; one that is not known by it is made, of that name. */
  readonly datastore: string
  /** The number; the name where it is not told. */
  readonly version: string | null
  readonly active: boolean
}

const refuse = (message: string) => Effect.fail(new InvalidRequest({ message }))

/** `docker.io/library/postgres:18`, with a tag or a digest or none. */
const imageReference =
  /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const imageRule =
  "must be a reference to a container image, as docker.io/library/postgres:18; there is no image service whose ids it could name"

const checkImage = (image: string) =>
  imageReference.test(image) && !uuid.test(image) ? Effect.void : refuse(`Validation error: image ${imageRule}.`)

/** What of the version is to be another than it is. */
const applied = (version: DatastoreVersion, wanted: WantedVersion): DatastoreVersion => ({
  ...version,
  ...(wanted.name === null ? {} : { name: wanted.name }),
  ...(wanted.manager === null ? {} : { manager: wanted.manager }),
  ...(wanted.image === null ? {} : { image: wanted.image }),
  ...(wanted.imageTags === null ? {} : { imageTags: wanted.imageTags }),
  ...(wanted.packages === null ? {} : { packages: wanted.packages }),
  ...(wanted.registryExt === null ? {} : { registryExt: wanted.registryExt }),
  ...(wanted.replStrategy === null ? {} : { replStrategy: wanted.replStrategy }),
  ...(wanted.active === null ? {} : { active: wanted.active })
})

const withDefault = (changes: CatalogChanges, { datastore, version }: VersionOf, isDefault: boolean | null) => {
  const isNow = datastore.defaultVersion === version.id
  if (isDefault === null || isDefault === isNow) return changes
  return { ...changes, defaults: { ...changes.defaults, [datastore.id]: isDefault ? version.id : null } }
}

const checkName = (known: VersionOf, name: string, number: string) => {
  const isTaken = known.datastore.versions.some(
    (other) => other.id !== known.version.id && other.name === name && other.version === number
  )
  return isTaken
    ? refuse(`A datastore version with the name '${name}' and the number '${number}' already exists.`)
    : Effect.void
}

/** The id under which a datastore is to be, and one for the version. */
interface Ids {
  readonly datastore: string
  readonly version: string
}

export const adding = Effect.fnUntraced(function* (
  configured: CatalogContents,
  before: CatalogChanges,
  wanted: NewVersion,
  ids: Ids
) {
  if (wanted.image === null) return yield* refuse(`Validation error: image is a required property: it ${imageRule}.`)
  yield* checkImage(wanted.image)
  const known = findDatastore(overlaid(configured, before), wanted.datastore)
  if (known === undefined && before.datastores.length >= mostDatastores)
    return yield* refuse(`There are ${mostDatastores} datastores already, which is the most that can be added.`)
  if (before.versions.length + before.retired.length >= mostVersions)
    return yield* refuse(
      `There are ${mostVersions} versions already, which is the most that can be added; one that is deleted counts for a while.`
    )
  const datastore = known ?? { id: ids.datastore, name: wanted.datastore, versions: [], defaultVersion: null }
  const { active, image, manager, name } = wanted
  const bare = { id: ids.version, name, version: wanted.version ?? name, manager, image, active }
  const version = applied(bare, wanted)
  yield* checkName({ datastore, version }, version.name, version.version)
  const added: AddedVersion = { ...version, datastore: datastore.id }
  const changes: CatalogChanges = {
    ...before,
    datastores:
      known === undefined ? [...before.datastores, { id: datastore.id, name: datastore.name }] : before.datastores,
    versions: [...before.versions, added]
  }
  return withDefault(changes, { datastore, version }, wanted.isDefault)
})

const found = Effect.fnUntraced(function* (configured: CatalogContents, before: CatalogChanges, id: string) {
  const known = findOffered(overlaid(configured, before), id)
  return known ?? (yield* new DatastoreVersionNotFound({ version: id }))
})

const fieldNames = {
  name: "name",
  manager: "datastore_manager",
  image: "image",
  imageTags: "image_tags",
  packages: "packages",
  registryExt: "registry_ext",
  replStrategy: "repl_strategy"
} as const satisfies Partial<Record<keyof WantedVersion, string>>

const differs = (is: unknown, wanted: unknown) =>
  wanted !== null && JSON.stringify(is ?? "") !== JSON.stringify(wanted) && !(is === undefined && isEmpty(wanted))
const isEmpty = (wanted: unknown) => wanted === "" || (Array.isArray(wanted) && wanted.length === 0)

/** What configuration gives, it gives at every start again: only whether it is offered is for administrators to say. */
const editingConfigured = (before: CatalogChanges, { version }: VersionOf, wanted: WantedVersion) => {
  const fixed = (["name", "manager", "image", "imageTags", "packages", "registryExt", "replStrategy"] as const).find(
    (field) => differs(version[field], wanted[field])
  )
  if (fixed !== undefined)
    return refuse(
      `Version '${version.name}' stands in the service's configuration: ${fieldNames[fixed]} can be changed there only; here, active and default can.`
    )
  if (wanted.active === null) return Effect.succeed(before)
  return Effect.succeed({ ...before, active: { ...before.active, [version.id]: wanted.active } })
}

type Used = (versions: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>>

export const editing = Effect.fnUntraced(function* (
  configured: CatalogContents,
  before: CatalogChanges,
  id: string,
  wanted: WantedVersion,
  used: Used
) {
  const known = yield* found(configured, before, id)
  if (findOffered(configured, id) !== undefined)
    return withDefault(yield* editingConfigured(before, known, wanted), known, wanted.isDefault)
  if (wanted.image !== null) yield* checkImage(wanted.image)
  yield* checkName(known, wanted.name ?? known.version.name, known.version.version)
  const isOther = wanted.manager !== null && wanted.manager !== known.version.manager
  if (isOther && (yield* used([id])).has(id))
    return yield* refuse(
      `datastore_manager cannot be changed: version '${known.version.name}' is used by instances or configuration groups.`
    )
  const versions = before.versions.map((version) =>
    version.id === id ? { ...applied(version, wanted), datastore: version.datastore } : version
  )
  // Another kind of server has other parameters.
  const { [id]: changed, ...others } = before.parameters
  const parameters = isOther || changed === undefined ? others : before.parameters
  return withDefault({ ...before, versions, parameters }, known, wanted.isDefault)
})

export const removing = Effect.fnUntraced(function* (
  configured: CatalogContents,
  before: CatalogChanges,
  id: string,
  used: Used,
  now: Millis
) {
  const { datastore, version } = yield* found(configured, before, id)
  if (findOffered(configured, id) !== undefined)
    return yield* refuse(
      `Version '${version.name}' stands in the service's configuration, and can be deleted there only; here it can be made inactive.`
    )
  if ((yield* used([id])).has(id))
    return yield* refuse(
      `Datastore version '${version.name}' is in use: instances or configuration groups of it are there still.`
    )
  const gone = before.versions.filter((one) => one.id === id)
  const after: CatalogChanges = {
    ...before,
    versions: before.versions.filter((one) => one.id !== id),
    retired: [
      ...before.retired,
      ...gone.map((one) => ({ datastoreName: datastore.name, version: { ...one, active: false }, at: now }))
    ]
  }
  return withDefault(after, { datastore, version }, datastore.defaultVersion === id ? false : null)
})

export const removingDatastore = Effect.fnUntraced(function* (
  configured: CatalogContents,
  before: CatalogChanges,
  idOrName: string
) {
  const known = findDatastore(overlaid(configured, before), idOrName)
  if (known === undefined) return yield* new DatastoreNotFound({ datastore: idOrName })
  if (configured.datastores.some(({ id }) => id === known.id))
    return yield* refuse(
      `Datastore '${known.name}' stands in the service's configuration, and can be deleted there only.`
    )
  if (known.versions.length > 0)
    return yield* refuse(`Datastore '${known.name}' has versions; they have to be deleted first.`)
  const { [known.id]: _, ...defaults } = before.defaults
  return { ...before, datastores: before.datastores.filter(({ id }) => id !== known.id), defaults }
})
