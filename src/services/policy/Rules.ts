/**
 * The rules that hold: Trove's, with what the operator has written over them. A set of rules that refers to what is not
 * there, or round in a circle, never comes to be; so that asking one always ends.
 */
import { Context, Result } from "effect"
import { type Attribute, type Check, parse, references, type TargetName } from "./Expression.ts"
import { defaults, type PolicyName } from "./Policies.ts"

/** Who asks, as far as rules can tell. */
export interface Asker {
  readonly project: string
  readonly user: string
  readonly roles: ReadonlyArray<string>
}

export interface RuleProblem {
  /** The rule's name. */
  readonly rule: string
  readonly problem: string
}

export interface Rules {
  /** Whether the rules make an administrator of them. */
  readonly isAdmin: (asker: Asker) => boolean
  /** Whether they may do that to what is the project `tenant`'s. */
  readonly permits: (policy: PolicyName, asker: Asker, tenant: string) => boolean
}

/** What is said of a name that nothing would ever ask: it was probably mistyped. */
export const askedByNobody = "is no policy, and no other rule refers to it"

/** How many rules a file may write, and how many may refer on from one to the next. */
const maxRules = 1000
const maxChain = 20

type Checks = ReadonlyMap<string, Check>

interface Question extends Asker {
  readonly isAdmin: boolean
  readonly tenant: string
  /** What rules have answered already, so that none is asked twice. */
  readonly answered: Map<string, boolean>
}

const attributeOf = (attribute: Attribute, { isAdmin, project, user }: Question): string => {
  switch (attribute) {
    case "project_id":
    case "tenant":
      return project
    case "user_id":
    case "user":
      return user
    case "is_admin":
      return isAdmin ? "True" : "False"
  }
}

/** Undefined where there is none, which equals nothing: what is asked for is a project's, and no user's. */
const targetOf = (target: TargetName, { tenant }: Question) => (target === "user_id" ? undefined : tenant)

const holds = (check: Check, question: Question, checks: Checks): boolean => {
  switch (check._tag) {
    case "Anyone":
      return true
    case "Nobody":
      return false
    case "Rule": {
      const rule = checks.get(check.name)
      const answer = question.answered.get(check.name) ?? (rule !== undefined && holds(rule, question, checks))
      question.answered.set(check.name, answer)
      return answer
    }
    case "Role": {
      const wanted = check.name.toLowerCase()
      return question.roles.some((role) => role.toLowerCase() === wanted)
    }
    case "Is":
      return attributeOf(check.attribute, question) === check.text
    case "IsOfTarget":
      return attributeOf(check.attribute, question) === targetOf(check.target, question)
    case "Not":
      return !holds(check.check, question, checks)
    case "And":
      return check.checks.every((part) => holds(part, question, checks))
    case "Or":
      return check.checks.some((part) => holds(part, question, checks))
  }
}

/** The way from a rule back to itself, if there is one. */
const circleFrom = (start: string, checks: Checks): ReadonlyArray<string> | undefined => {
  const seen = new Set<string>()
  const from = (name: string, way: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
    const check = checks.get(name)
    if (check === undefined) return undefined
    for (const next of references(check)) {
      if (next === start) return [...way, next]
      if (seen.has(next)) continue
      seen.add(next)
      const found = from(next, [...way, next])
      if (found !== undefined) return found
    }
    return undefined
  }
  return from(start, [start])
}

/** Of rules that do not go round: how many follow each other at most, beginning with this one. */
const chainFrom = (name: string, checks: Checks, known = new Map<string, number>()): number => {
  const check = checks.get(name)
  if (check === undefined) return 0
  const before = known.get(name)
  if (before !== undefined) return before
  const length = 1 + Math.max(0, ...references(check).map((next) => chainFrom(next, checks, known)))
  known.set(name, length)
  return length
}

const problemsOf = (written: ReadonlyMap<string, string>, checks: Checks): ReadonlyArray<RuleProblem> => {
  const referredTo = new Set([...checks.values()].flatMap(references))
  return [...written.keys()].flatMap((rule): ReadonlyArray<RuleProblem> => {
    const check = checks.get(rule)
    const unknown = check === undefined ? [] : references(check).filter((name) => !checks.has(name))
    const circle = circleFrom(rule, checks)
    return [
      ...(Object.hasOwn(defaults, rule) || referredTo.has(rule) ? [] : [{ rule, problem: askedByNobody }]),
      ...unknown.map((name) => ({ rule, problem: `refers to rule:${name}, which is not there` })),
      ...(circle === undefined ? [] : [{ rule, problem: `refers to itself: ${circle.join(" -> ")}` }])
    ]
  })
}

const chains = (checks: Checks): ReadonlyArray<RuleProblem> =>
  [...checks.keys()]
    .filter((rule) => chainFrom(rule, checks) > maxChain)
    .map((rule) => ({ rule, problem: `refers on through more than ${maxChain} rules` }))

const rulesOf = (checks: Checks): Rules => {
  const asked = (name: string, question: Omit<Question, "answered">) =>
    holds({ _tag: "Rule", name }, { ...question, answered: new Map() }, checks)
  const isAdmin = (asker: Asker) => asked("context_is_admin", { ...asker, isAdmin: false, tenant: asker.project })
  return {
    isAdmin,
    permits: (policy, asker, tenant) => asked(policy, { ...asker, isAdmin: isAdmin(asker), tenant })
  }
}

/** What an operator has written, over the defaults; or all that is wrong with it. */
export const compile = (written: ReadonlyMap<string, string>): Result.Result<Rules, ReadonlyArray<RuleProblem>> => {
  if (written.size > maxRules) return Result.fail([{ rule: "", problem: `must not hold more than ${maxRules} rules` }])
  const parsed = Object.entries({ ...defaults, ...Object.fromEntries(written) }).map(
    ([rule, text]) => [rule, parse(text)] as const
  )
  const unreadable = parsed.flatMap(([rule, check]) =>
    Result.isFailure(check) ? [{ rule, problem: check.failure }] : []
  )
  if (unreadable.length > 0) return Result.fail(unreadable)
  const checks = new Map(
    parsed.flatMap(([rule, check]) => (Result.isSuccess(check) ? [[rule, check.success] as const] : []))
  )
  const problems = problemsOf(written, checks)
  if (problems.length > 0) return Result.fail(problems)
  const tooLong = chains(checks)
  return tooLong.length > 0 ? Result.fail(tooLong) : Result.succeed(rulesOf(checks))
}

/** The rules in force; Trove's own unless a composition gives others. */
export const Policy = Context.Reference<Rules>("coffer/services/policy/Policy", {
  defaultValue: () => Result.getOrThrow(compile(new Map()))
})
