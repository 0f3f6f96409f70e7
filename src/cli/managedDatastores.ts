/** Datastore versions and parameters as an administrator manages them: which is meant, and how they are shown. */
import { Effect, Option, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { plain, table } from "../layers/config/terminalText.ts"
import { type Connection, failed } from "./connection.ts"
import { look, read } from "./document.ts"

const ManagedVersion = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  version: Schema.String,
  datastore_id: Schema.String,
  datastore_name: Schema.String,
  datastore_manager: Schema.String,
  image: Schema.String,
  active: Schema.Boolean,
  default: Schema.Boolean
})
type ManagedVersion = typeof ManagedVersion.Type
export const ManagedVersions = Schema.Struct({ versions: Schema.Array(ManagedVersion) })

const ManagedParameter = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  restart_required: Schema.Boolean,
  min_size: Schema.optionalKey(Schema.Number),
  max_size: Schema.optionalKey(Schema.Number)
})
export type ManagedParameter = typeof ManagedParameter.Type
export const ShownParameter = ManagedParameter

export const versionsPath = "/mgmt/datastore-versions"

export const datastore = Argument.String("datastore").pipe(Argument.withDescription("Its name, or its id"))
export const version = Argument.String("version").pipe(Argument.withDescription("Its name, or its id"))

/** True or false where it was said, null where not: `--<yes>` and `--<no>`. */
export const either = (yes: boolean, no: boolean): boolean | null => (yes ? true : no ? false : null)

export const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

export const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

type Said = string | number | boolean

/** Those of the fields that were said. */
export const said = (fields: Readonly<Record<string, Option.Option<Said> | Said | null>>) => {
  const all: Record<string, Said> = {}
  for (const [name, value] of Object.entries(fields)) {
    const told = Option.isOption(value) ? Option.getOrNull(value) : value
    if (told !== null) all[name] = told
  }
  return all
}

export const renderVersions = ({ versions }: typeof ManagedVersions.Type) =>
  table([
    ["DATASTORE", "VERSION", "NUMBER", "MANAGER", "IMAGE", "ORDERS", "ID"],
    ...versions.map((one) => [
      one.datastore_name,
      one.name,
      one.version,
      one.datastore_manager,
      one.image,
      one.active ? (one.default ? "default" : "taken") : "refused",
      one.id
    ])
  ])

export const lookAtVersions = (connection: Connection) => look(connection, versionsPath)

const isOf = (asked: string) => (one: ManagedVersion) => one.datastore_id === asked || one.datastore_name === asked

/** The id of the one version that is meant; `number` chooses between versions of one name. */
export const versionIdOf = Effect.fnUntraced(function* (
  connection: Connection,
  asked: { readonly datastore: string; readonly version: string; readonly number?: string }
) {
  const { versions } = yield* read(connection, ManagedVersions, yield* lookAtVersions(connection))
  const ofDatastore = versions.filter(isOf(asked.datastore))
  const [found, ...others] = ofDatastore.filter(
    ({ id, name, version }) =>
      id === asked.version || (name === asked.version && (asked.number === undefined || version === asked.number))
  )
  const see = "See: coffer datastore version list"
  if (found === undefined)
    return yield* failed(plain(`There is no version ${asked.version} of ${asked.datastore}. ${see}`))
  if (others.length > 0)
    return yield* failed(
      plain(
        `${others.length + 1} versions of ${asked.datastore} are named ${asked.version}; name one by its id. ${see}`
      )
    )
  return found.id
})
