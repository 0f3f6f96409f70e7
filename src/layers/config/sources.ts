/**
 * Where settings come from: the file, and over it the variables. What is gathered here is still unchecked; where
 * each came from is kept, so that an error can name it.
 */
import { Result } from "effect"
import { parse, TomlError } from "smol-toml"
import { eachBroker } from "./brokerUrls.ts"
import { nearest } from "./nearest.ts"
import type { Problem } from "./Problem.ts"
import { type Setting, sections, settings, variablePrefix } from "./settings.ts"

export type Environment = Readonly<Record<string, string | undefined>>
export type Table = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Table => typeof value === "object" && value !== null && !Array.isArray(value)

/** No setting is a date: one that was written becomes nothing, which every rule refuses. */
const withoutDates = (value: unknown): unknown => {
  if (value instanceof Date) return null
  if (Array.isArray(value)) return value.map(withoutDates)
  return isTable(value)
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutDates(inner)]))
    : value
}

/** The parser's own message goes on with the lines around, where secrets may stand: only its first line is repeated. */
const whyNot = (error: unknown): string => {
  if (!(error instanceof TomlError)) return "is not TOML"
  const reason = error.message.split("\n", 1)[0]?.replace(/^Invalid TOML document: /, "") ?? ""
  return `is not TOML: line ${error.line}, column ${error.column}: ${reason}`
}

export const parseFile = (path: string, text: string): Result.Result<Table, Problem> =>
  Result.try({
    try: () => Object.fromEntries(Object.entries(parse(text)).map(([key, value]) => [key, withoutDates(value)])),
    catch: (error) => ({ where: path, setting: "", rule: whyNot(error) })
  })

/** Split at commas, or JSON where an item may hold one: `["a", "b"]`, `[{"token": …}]`. */
const listFrom = (text: string): unknown => {
  if (/^\s*\[\s*["{\]]/.test(text)) {
    return Result.getOrElse(
      Result.try((): unknown => JSON.parse(text)),
      () => null
    )
  }
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
}

/** What a file would have written; a text that is nothing of the kind stays one, for the rule to refuse. */
const valueFrom = (kind: Setting["kind"], text: string): unknown => {
  const word = text.trim()
  switch (kind) {
    case "text":
      return text
    case "number":
      return /^[+-]?\d+$/.test(word) ? Number(word) : text
    case "boolean":
      return word === "true" ? true : word === "false" ? false : text
    case "list":
      return listFrom(text)
  }
}

/** An empty variable is one that is not set. */
const isSet = (env: Environment, name: string | undefined): name is string =>
  name !== undefined && (env[name] ?? "") !== ""

/** The variable that sets it, if one does. */
const variableIn = (env: Environment, { upVariable, variable }: Setting) =>
  [variable, upVariable].find((name) => isSet(env, name))

const variables = settings.map(({ variable }) => variable)

/** A variable that begins as a section's do, and is none of them, was mistyped. */
const unknownVariables = (env: Environment): ReadonlyArray<Problem> =>
  Object.keys(env)
    .filter((name) => isSet(env, name) && sections.some((section) => name.startsWith(variablePrefix(section))))
    .filter((name) => !variables.includes(name))
    .map((name) => ({ where: name, setting: "", rule: `is no setting; the nearest is ${nearest(name, variables)}` }))

export interface Gathered {
  /** Every section, with what is set of it. */
  readonly values: Readonly<Record<string, unknown>>
  /** Of each setting ("broker.urls") that is set: its value. */
  readonly given: ReadonlyMap<string, unknown>
  /** The variable that it is from; from the file, if none. */
  readonly variableOf: ReadonlyMap<string, string>
  readonly problems: ReadonlyArray<Problem>
}

export const gather = (file: Table, env: Environment): Gathered => {
  const variableOf = new Map<string, string>()
  const overridden = (section: string): unknown => {
    const written = Object.hasOwn(file, section) ? file[section] : {}
    if (!isTable(written)) return written
    const given = settings
      .filter((setting) => setting.section === section)
      .flatMap((setting): ReadonlyArray<readonly [string, unknown]> => {
        const variable = variableIn(env, setting)
        if (variable === undefined) return []
        variableOf.set(setting.name, variable)
        return [[setting.key, valueFrom(setting.kind, env[variable] ?? "")]]
      })
    const all = Object.entries({ ...written, ...Object.fromEntries(given) })
    return Object.fromEntries(all.map(([key, value]) => [key, eachBroker(`${section}.${key}`, value)]))
  }
  const values = { ...file, ...Object.fromEntries(sections.map((section) => [section, overridden(section)])) }
  const given = Object.entries(values).flatMap(([section, table]) =>
    isTable(table) ? Object.entries(table).map(([key, value]) => [`${section}.${key}`, value] as const) : []
  )
  return { values, given: new Map(given), variableOf, problems: unknownVariables(env) }
}
