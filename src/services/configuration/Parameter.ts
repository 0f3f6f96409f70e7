/**
 * What can be set of a server: name, type, range, and whether a change waits for a restart. And the check of a value
 * against that, in Trove's words, which name the parameter and the rule.
 */
import { Schema } from "effect"
import { Text } from "../Ids.ts"

/** A value as a tenant sends it: types are strict, `"200"` is no integer. */
export const Value = Schema.Union([Schema.Boolean, Schema.Finite, Text.check(Schema.isMaxLength(2000))])
export type Value = typeof Value.Type

/** Parameters and their values. */
export const Values = Schema.Record(Schema.String, Value)
export type Values = typeof Values.Type

export const Parameter = Schema.Struct({
  name: Schema.String,
  type: Schema.Literals(["boolean", "integer", "float", "string"]),
  /** Whether the server takes a change at its next start only. */
  restart: Schema.Boolean,
  min: Schema.optionalKey(Schema.Number),
  max: Schema.optionalKey(Schema.Number),
  /** The texts that it takes, where it does not take all. */
  values: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Whether it takes several of them, with commas between. */
  several: Schema.optionalKey(Schema.Boolean),
  /** What it is where nobody says otherwise; not there where that depends on the machine. */
  default: Schema.optionalKey(Value)
})
export type Parameter = typeof Parameter.Type

const isOf = (type: Parameter["type"], value: Value): boolean => {
  switch (type) {
    case "boolean":
      return typeof value === "boolean"
    case "integer":
      return typeof value === "number" && Number.isSafeInteger(value)
    case "float":
      return typeof value === "number"
    case "string":
      return typeof value === "string"
  }
}

const isAmong = ({ several, values }: Parameter, text: string) => {
  if (values === undefined) return true
  const known = new Set(values.map((value) => value.toLowerCase()))
  const parts = several === true ? text.split(",").filter((part) => part !== "") : [text]
  return parts.every((part) => known.has(part.trim().toLowerCase()))
}

/** A line of a server's file holds one value: what breaks the line would be another setting. */
const isOneLine = (text: string) => !/\p{Cc}/u.test(text)

/** Why the parameter does not take the value; null where it does. */
export const refuseValue = (parameter: Parameter, value: Value): string | null => {
  const { max, min, name, type, values } = parameter
  if (!isOf(type, value)) return `The value provided for the configuration parameter ${name} is not of type ${type}.`
  if (typeof value === "number" && max !== undefined && value > max)
    return `The value for the configuration parameter ${name} is greater than the maximum allowed: ${max}`
  if (typeof value === "number" && min !== undefined && value < min)
    return `The value for the configuration parameter ${name} is less than the minimum allowed: ${min}`
  if (typeof value === "string" && !isOneLine(value))
    return `The value provided for the configuration parameter ${name} must be of one line, without control characters.`
  if (typeof value === "string" && !isAmong(parameter, value))
    return `The value provided for the configuration parameter ${name} is not one of: ${values?.join(", ")}.`
  return null
}

/** Why the values cannot be set of a server that has these parameters; null where they can. `server` is "mysql 5.7.29". */
export const refuseValues = (server: string, parameters: ReadonlyArray<Parameter>, values: Values): string | null => {
  if (parameters.length === 0) return `Configuration groups are not supported for this datastore: ${server}`
  const known = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  for (const [name, value] of Object.entries(values)) {
    const parameter = known.get(name)
    if (parameter === undefined)
      return `The configuration parameter ${name} is not supported for this datastore: ${server}.`
    const refusal = refuseValue(parameter, value)
    if (refusal !== null) return refusal
  }
  return null
}

/** The parameters that differ between the two. */
export const changed = (before: Values, after: Values): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name])

/** Values with what may be a password made unreadable. */
export const masked = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, /passw|secret|token|credential/i.test(name) ? "***" : value])
  )
