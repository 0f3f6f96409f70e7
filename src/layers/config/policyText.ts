/**
 * A policy file's text as names and expressions: one JSON object, or YAML of the one form that such files have, a
 * `"name": "expression"` on each line. Nothing here knows what a name or an expression may be.
 */
import { Result } from "effect"
import type { RuleProblem } from "../../services/policy/Rules.ts"

/** The largest file and the longest line, in characters. */
const maxText = 1024 * 1024
const maxLine = 8192

type Written = Result.Result<ReadonlyMap<string, string>, ReadonlyArray<RuleProblem>>

const wholeFile = (problem: string): Written => Result.fail([{ rule: "", problem }])

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** In an object of texts, nothing but a name can stand before a colon: JSON.parse keeps the last of two silently. */
const namesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/("(?:[^"\\]|\\.)*")\s*:/g)].map(([, name = '""']) => String(JSON.parse(name)))

const fromJson = (text: string): Written => {
  const parsed = Result.try((): unknown => JSON.parse(text))
  if (Result.isFailure(parsed)) return wholeFile("is not JSON, although it begins with {")
  if (!isTable(parsed.success)) return wholeFile("must be one object of names and expressions")
  const rules = new Map<string, string>()
  const problems: Array<RuleProblem> = []
  for (const [rule, expression] of Object.entries(parsed.success)) {
    if (typeof expression === "string") rules.set(rule, expression)
    else problems.push({ rule, problem: "must be a text" })
  }
  if (problems.length > 0) return Result.fail(problems)
  const names = namesIn(text)
  const twice = names.filter((name, n) => names.indexOf(name) < n)
  return twice.length === 0
    ? Result.succeed(rules)
    : Result.fail([...new Set(twice)].map((rule) => ({ rule, problem: "is there twice" })))
}

/** A name or an expression, in quotes or plain. YAML means something else by plain ones that begin with a sign. */
const scalar = String.raw`"(?:[^"\\])*"|'(?:[^']|'')*'`
const line = new RegExp(
  String.raw`^(?<name>${scalar}|[A-Za-z_][\w:-]*)\s*:(?:\s+(?<expression>${scalar}|[A-Za-z_(](?:[^#:]|:(?=\S)|(?<=\S)#)*?))?\s*(?:(?<=\s)#.*)?$`
)

const unquoted = (text: string): string => {
  if (text.startsWith('"')) return text.slice(1, -1)
  return text.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : text
}

const form = `must be "NAME": "EXPRESSION", in at most ${maxLine} characters`

const fromLines = (text: string): Written => {
  const rules = new Map<string, string>()
  const problems: Array<RuleProblem> = []
  for (const [n, written] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#.*)?$/.test(written) || (n === 0 && written === "---")) continue
    const { expression, name } = (written.length > maxLine ? null : line.exec(written))?.groups ?? {}
    if (name === undefined || expression === undefined) problems.push({ rule: "", problem: `line ${n + 1} ${form}` })
    else if (rules.has(unquoted(name)))
      problems.push({ rule: unquoted(name), problem: `is there twice: line ${n + 1}` })
    else rules.set(unquoted(name), unquoted(expression))
  }
  return problems.length === 0 ? Result.succeed(rules) : Result.fail(problems)
}

export const parsePolicy = (text: string): Written => {
  if (text.length > maxText) return wholeFile(`must not be longer than ${maxText} characters`)
  return text.trimStart().startsWith("{") ? fromJson(text) : fromLines(text)
}
