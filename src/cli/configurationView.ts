/** How configuration groups and parameters are told at a terminal. */
import { Schema } from "effect"
import { fields, table } from "../layers/config/terminalText.ts"

const Value = Schema.Union([Schema.Boolean, Schema.Number, Schema.String])

const ListedGroup = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  datastore_name: Schema.String,
  datastore_version_name: Schema.String
})
export const Groups = Schema.Struct({ configurations: Schema.Array(ListedGroup) })

export const ShownGroup = Schema.Struct({
  configuration: Schema.Struct({
    ...ListedGroup.fields,
    description: Schema.NullOr(Schema.String),
    values: Schema.Record(Schema.String, Value),
    instance_count: Schema.Int
  })
})

export const AttachedInstances = Schema.Struct({
  instances: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String }))
})

export const Parameter = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  restart_required: Schema.Boolean,
  min: Schema.optionalKey(Schema.Number),
  max: Schema.optionalKey(Schema.Number)
})
type Parameter = typeof Parameter.Type
export const Parameters = Schema.Struct({ "configuration-parameters": Schema.Array(Parameter) })

export const renderGroups = ({ configurations }: typeof Groups.Type) =>
  configurations.length === 0
    ? "There are none. Make one with: coffer configuration create"
    : table([
        ["NAME", "DATASTORE", "ID"],
        ...configurations.map((one) => [one.name, `${one.datastore_name} ${one.datastore_version_name}`, one.id])
      ])

export const renderGroup = ({ configuration: group }: typeof ShownGroup.Type) =>
  [
    fields([
      ["name", group.name],
      ["id", group.id],
      ["description", group.description ?? ""],
      ["datastore", `${group.datastore_name} ${group.datastore_version_name}`],
      ["instances", String(group.instance_count)]
    ]),
    "",
    table([["PARAMETER", "VALUE"], ...Object.entries(group.values).map(([name, value]) => [name, String(value)])])
  ].join("\n")

export const renderInstances = ({ instances }: typeof AttachedInstances.Type) =>
  instances.length === 0
    ? "It is attached to none."
    : table([["NAME", "ID"], ...instances.map(({ id, name }) => [name, id])])

const rangeOf = ({ max, min }: Parameter) =>
  min === undefined && max === undefined ? "" : `${min ?? ""}..${max ?? ""}`

const rowOf = (parameter: Parameter) => [
  parameter.name,
  parameter.type,
  rangeOf(parameter),
  parameter.restart_required ? "with a restart" : "at once"
]

const header = ["PARAMETER", "TYPE", "RANGE", "TAKEN"]

export const renderParameters = ({ "configuration-parameters": parameters }: typeof Parameters.Type) =>
  parameters.length === 0 ? "This version takes no configuration groups." : table([header, ...parameters.map(rowOf)])

export const renderParameter = (parameter: Parameter) => table([header, rowOf(parameter)])
