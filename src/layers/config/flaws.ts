/** What a schema has found wrong, as places and rules: names as in the file, and no values. */
import { SchemaIssue } from "effect"
import { tokenFields } from "./Configuration.ts"
import { distance, nearest } from "./nearest.ts"
import { sections, settings } from "./settings.ts"

export interface Flaw {
  /** ["broker", "urls", "0"] */
  readonly path: ReadonlyArray<string>
  readonly rule: string
}

/** So much may be mistyped in a name that is still taken for the one that was meant. */
const typos = 2

/** In its own section, unless it is the name of a setting of another one. */
const nearestSetting = (section: string, key: string): string => {
  const own = settings.filter((setting) => setting.section === section)
  const best = nearest(
    key,
    own.map((setting) => setting.key)
  )
  const elsewhere = settings.filter((setting) => setting.key === key)
  return distance(key, best) > typos && elsewhere.length === 1 && elsewhere[0] !== undefined
    ? elsewhere[0].name
    : `${section}.${best}`
}

/** The tables in lists are tokens, and no others. */
const nearestTo = ([section = "", key, ...inner]: ReadonlyArray<string>): string => {
  if (key === undefined) return nearest(section, sections)
  return inner.length === 0 ? nearestSetting(section, key) : nearest(inner.at(-1) ?? "", tokenFields)
}

/** Issues without a rule of their own. */
const unexpected = "unexpected"
const missing = "missing"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "UnexpectedKey") return unexpected
    return issue._tag === "MissingKey" ? missing : SchemaIssue.defaultLeafHook(issue)
  }
})

const flaw = (path: ReadonlyArray<string>, message: string): Flaw => {
  if (message === unexpected) {
    const what = path.length === 1 ? "is no section" : "is no setting"
    return { path, rule: `${what}; the nearest is ${nearestTo(path)}` }
  }
  if (message !== missing) return { path, rule: message }
  // The first of a list that must hold one.
  if (/^\d+$/.test(path.at(-1) ?? "")) return { path: path.slice(0, -1), rule: "must not be empty" }
  return { path, rule: "is missing" }
}

export const flawsOf = (issue: SchemaIssue.Issue): ReadonlyArray<Flaw> =>
  format(issue).issues.map(({ message, path }) => flaw((path ?? []).map(String), message))

/** ["broker", "urls", "0"] as "broker.urls[0]". */
export const nameOf = ([first = "", ...rest]: ReadonlyArray<string>): string =>
  rest.reduce((name, part) => (/^\d+$/.test(part) ? `${name}[${part}]` : `${name}.${part}`), first)
