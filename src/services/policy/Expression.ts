/**
 * oslo.policy's language, in which operators write who may do what: `role:admin or project_id:%(tenant)s`. A text
 * becomes a tree here, or is refused with the column where it stops making sense. What a caller is compared with is
 * decided in Rules.ts.
 */
import { Result } from "effect"

/** What can be said of a caller, beside their roles. */
const attributes = ["project_id", "tenant", "user_id", "user", "is_admin"] as const
export type Attribute = (typeof attributes)[number]

/** What can be said of that which is asked for: the project whose it is. It is nobody's own. */
const targets = ["tenant", "project_id", "user_id"] as const
export type TargetName = (typeof targets)[number]

export type Check =
  | { readonly _tag: "Anyone" }
  | { readonly _tag: "Nobody" }
  | { readonly _tag: "Rule"; readonly name: string }
  | { readonly _tag: "Role"; readonly name: string }
  | { readonly _tag: "Is"; readonly attribute: Attribute; readonly text: string }
  | { readonly _tag: "IsOfTarget"; readonly attribute: Attribute; readonly target: TargetName }
  | { readonly _tag: "Not"; readonly check: Check }
  | { readonly _tag: "And" | "Or"; readonly checks: ReadonlyArray<Check> }

/** The longest expression, in characters, and the deepest brackets. */
export const maxLength = 4096
const maxDepth = 50

interface Token {
  readonly text: string
  /** From 1. */
  readonly column: number
}

/** Brackets stand alone, but for those of `%(tenant)s`. */
const tokensOf = (text: string): ReadonlyArray<Token> =>
  [...text.matchAll(/[()]|(?:%\([^()\s]*\)|[^\s()])+/g)].map((match) => ({ text: match[0], column: match.index + 1 }))

type Parsed = Result.Result<Check, string>

const wrong = (column: number, why: string) => Result.fail(`column ${column}: ${why}`)

const named = (names: ReadonlyArray<string>) => names.join(", ")

const isAttribute = (word: string): word is Attribute => attributes.some((attribute) => attribute === word)
const isTarget = (word: string): word is TargetName => targets.some((target) => target === word)

const comparison = (attribute: Attribute, value: string, column: number): Parsed => {
  const target = /^%\((.*)\)s$/.exec(value)?.[1]
  if (target !== undefined)
    return isTarget(target)
      ? Result.succeed({ _tag: "IsOfTarget", attribute, target })
      : wrong(column, `%(${target})s is not known; known are ${named(targets.map((name) => `%(${name})s`))}`)
  if (value.includes("%")) return wrong(column, `"${value}" must be a whole text, or one such as %(tenant)s alone`)
  if (attribute === "is_admin" && value !== "True" && value !== "False")
    return wrong(column, "is_admin: must be followed by True or False")
  return Result.succeed({ _tag: "Is", attribute, text: value })
}

const checkOf = ({ column, text }: Token): Parsed => {
  if (text === "@") return Result.succeed({ _tag: "Anyone" })
  if (text === "!") return Result.succeed({ _tag: "Nobody" })
  const [, kind = "", value = ""] = /^([^:]*):(.*)$/.exec(text) ?? []
  if (kind === "") return wrong(column, `"${text}" is no check; one is written as role:NAME`)
  if (value === "") return wrong(column, `${kind}: must be followed by a name`)
  if (kind === "rule") return Result.succeed({ _tag: "Rule", name: value })
  if (kind === "role") return Result.succeed({ _tag: "Role", name: value })
  if (isAttribute(kind)) return comparison(kind, value, column)
  return wrong(
    column,
    `"${kind}:" is not known; known are ${named(["rule", "role", ...attributes].map((k) => `${k}:`))}`
  )
}

/** `not` binds closer than `and`, and that closer than `or`. */
class Parser {
  #next = 0
  readonly #tokens: ReadonlyArray<Token>
  readonly #end: number

  constructor(text: string) {
    this.#tokens = tokensOf(text)
    this.#end = text.length + 1
  }

  #column() {
    return this.#tokens[this.#next]?.column ?? this.#end
  }

  #takes(word: string): boolean {
    if (this.#tokens[this.#next]?.text.toLowerCase() !== word) return false
    this.#next++
    return true
  }

  #joined(_tag: "And" | "Or", word: string, part: () => Parsed): Parsed {
    const checks: Array<Check> = []
    do {
      const parsed = part()
      if (Result.isFailure(parsed)) return parsed
      checks.push(parsed.success)
    } while (this.#takes(word))
    const [only] = checks
    return Result.succeed(checks.length === 1 && only !== undefined ? only : { _tag, checks })
  }

  #either(depth: number): Parsed {
    return this.#joined("Or", "or", () => this.#joined("And", "and", () => this.#one(depth)))
  }

  #one(depth: number): Parsed {
    const column = this.#column()
    if (depth > maxDepth) return wrong(column, `more than ${maxDepth} brackets and nots in each other`)
    if (this.#takes("not")) return Result.map(this.#one(depth + 1), (check) => ({ _tag: "Not", check }))
    if (this.#takes("(")) {
      const inner = this.#either(depth + 1)
      if (Result.isFailure(inner) || this.#takes(")")) return inner
      return wrong(this.#column(), `the bracket of column ${column} is not closed`)
    }
    const token = this.#tokens[this.#next]
    if (token === undefined) return wrong(column, "a check is missing at the end")
    if (/^(and|or|\))$/i.test(token.text)) return wrong(column, `a check is missing before "${token.text}"`)
    this.#next++
    return checkOf(token)
  }

  whole(): Parsed {
    const parsed = this.#either(0)
    const rest = this.#tokens[this.#next]
    if (Result.isFailure(parsed) || rest === undefined) return parsed
    return wrong(
      rest.column,
      rest.text === ")" ? "this bracket was not opened" : `"and" or "or" is missing before "${rest.text}"`
    )
  }
}

/** Nothing written lets everybody in, as in oslo.policy. The failure says where and why. */
export const parse = (text: string): Parsed => {
  if (text.length > maxLength) return Result.fail(`is longer than ${maxLength} characters`)
  return text.trim() === "" ? Result.succeed({ _tag: "Anyone" }) : new Parser(text).whole()
}

/** The rules that it refers to. */
export const references = (check: Check): ReadonlyArray<string> => {
  switch (check._tag) {
    case "Rule":
      return [check.name]
    case "Not":
      return references(check.check)
    case "And":
    case "Or":
      return check.checks.flatMap(references)
    default:
      return []
  }
}
