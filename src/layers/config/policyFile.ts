/** Reads the operator's policy file. What is wrong with it is told as of the configuration: all at once, by rule. */
import { readFile } from "node:fs/promises"
import { Effect, Layer, Result } from "effect"
import { defaults } from "../../services/policy/Policies.ts"
import { askedByNobody, compile, Policy, type RuleProblem } from "../../services/policy/Rules.ts"
import { nearest } from "./nearest.ts"
import { ConfigurationInvalid } from "./Problem.ts"
import { parsePolicy } from "./policyText.ts"
import { whyUnread } from "./unread.ts"

const names = Object.keys(defaults)

/** Where a name is none of ours, which one was probably meant. */
const told = ({ problem, rule }: RuleProblem): string =>
  problem === askedByNobody ? `${problem}; the nearest is ${nearest(rule, names)}` : problem

const invalid = (path: string) => (problems: ReadonlyArray<RuleProblem>) =>
  new ConfigurationInvalid({
    problems: problems.map((problem) => ({ where: path, setting: problem.rule, rule: told(problem) }))
  })

/** The rules of the file at `path`, over the defaults. */
export const readPolicy = Effect.fnUntraced(function* (path: string) {
  const text = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) => invalid(path)([{ rule: "", problem: whyUnread(error) }])
  })
  return yield* Effect.fromResult(Result.mapError(Result.flatMap(parsePolicy(text), compile), invalid(path)))
})

/** The rules in force: without a file, the defaults. */
export const layer = (path: string | undefined) =>
  path === undefined ? Layer.empty : Layer.effect(Policy, readPolicy(path))
