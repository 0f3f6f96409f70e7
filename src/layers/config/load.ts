/**
 * Reads the configuration: the file, the variables over it, every rule. What is wrong is told all at once, so that
 * nobody mends a file one start at a time.
 */
import { readFile } from "node:fs/promises"
import { Effect, Option, Result, Schema } from "effect"
import { disagreements } from "./agreements.ts"
import {
  alternatives,
  Configuration,
  type ConfigurationOf,
  type Role,
  required,
  type SettingName
} from "./Configuration.ts"
import { type Flaw, flawsOf, nameOf } from "./flaws.ts"
import { ConfigurationInvalid, type Problem } from "./Problem.ts"
import { readPolicy } from "./policyFile.ts"
import { sections, settingNamed } from "./settings.ts"
import { type Environment, type Gathered, gather, parseFile, type Table } from "./sources.ts"
import { whyUnread } from "./unread.ts"

/** A configuration that holds, and where each part of it came from. */
export interface Loaded<C extends Configuration = Configuration> {
  readonly configuration: C
  readonly gathered: Gathered
}

const decode = Schema.decodeUnknownResult(Configuration, { errors: "all", onExcessProperty: "error" })

/** "broker.urls" of ["broker", "urls", "0"]. */
const settingOf = (path: ReadonlyArray<string>) => path.slice(0, 2).join(".")

/** What is set, without what is flawed. */
const without = (values: Table, flaws: ReadonlyArray<Flaw>): Table => {
  const flawed = new Set(flaws.map(({ path }) => settingOf(path)))
  const kept = (section: string) =>
    flawed.has(section)
      ? {}
      : Object.fromEntries(Object.entries(values[section] ?? {}).filter(([key]) => !flawed.has(`${section}.${key}`)))
  return Object.fromEntries(sections.map((section) => [section, kept(section)]))
}

/** What a role requires and is not set, and what would do in its place. */
export const unset = (
  configuration: Configuration,
  role: Role
): ReadonlyArray<{ readonly name: SettingName; readonly others: ReadonlyArray<SettingName> }> => {
  const given = new Set(
    Object.entries(configuration).flatMap(([section, values]) => Object.keys(values).map((key) => `${section}.${key}`))
  )
  return [...required[role].map((name) => [name] as const), ...alternatives[role]]
    .filter((names) => !names.some((name) => given.has(name)))
    .map(([name, ...others]) => ({ name, others }))
}

const isOf = <R extends Role>(configuration: Configuration, role?: R): configuration is ConfigurationOf<R> =>
  role === undefined || unset(configuration, role).length === 0

/** Every rule at once: those of each setting, then, of what is left, those of several together and of the role. */
const problemsOf = (gathered: Gathered, flaws: ReadonlyArray<Flaw>, file: Option.Option<string>, role?: Role) => {
  const invalid = new Set(flaws.map(({ path }) => settingOf(path)))
  const variable = (name: string) => settingNamed.get(name)?.variable ?? name
  const where = (name: string) => gathered.variableOf.get(name) ?? Option.getOrElse(file, () => variable(name))
  const remaining = Result.getOrUndefined(decode(without(gathered.values, flaws)))
  const disagreeing = remaining === undefined ? [] : disagreements(remaining, invalid)
  const missing = remaining === undefined || role === undefined ? [] : unset(remaining, role)
  const hint = (name: string) => (Option.isSome(file) ? `; set it here, or by ${variable(name)}` : "")
  return [
    ...flaws.map(({ path, rule }): Problem => ({ where: where(settingOf(path)), setting: nameOf(path), rule })),
    ...disagreeing.map(({ rule, setting }): Problem => ({ where: where(setting), setting, rule })),
    ...missing
      .filter(({ name, others }) => ![name, ...others].some((one) => invalid.has(one)))
      .map(({ name, others }): Problem => {
        const either = others.map((other) => `, or ${other}`).join("")
        return { where: where(name), setting: name, rule: `is required by ${role}${either}${hint(name)}` }
      }),
    ...gathered.problems
  ]
}

const checked = <R extends Role>(
  gathered: Gathered,
  file: Option.Option<string>,
  role?: R
): Result.Result<Loaded<ConfigurationOf<R>>, ConfigurationInvalid> => {
  const decoded = decode(gathered.values)
  const flaws = Result.isFailure(decoded) ? flawsOf(decoded.failure.issue) : []
  const problems = problemsOf(gathered, flaws, file, role)
  return Result.isSuccess(decoded) && problems.length === 0 && isOf(decoded.success, role)
    ? Result.succeed({ configuration: decoded.success, gathered })
    : Result.fail(new ConfigurationInvalid({ problems }))
}

const readTable = Effect.fnUntraced(function* (path: string) {
  const text = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) => ({ where: path, setting: "", rule: whyUnread(error) })
  })
  return yield* Effect.fromResult(parseFile(path, text))
})

/** The configuration, and where each setting came from. Without a path, of the variables alone. */
export const loadWithSources = Effect.fn("Configuration.load")(function* <R extends Role = never>(
  path: Option.Option<string>,
  env: Environment,
  role?: R
) {
  const table = Option.isNone(path)
    ? {}
    : yield* Effect.mapError(readTable(path.value), (problem) => new ConfigurationInvalid({ problems: [problem] }))
  const loaded = yield* Effect.fromResult(checked(gather(table, env), path, role))
  // Only the api reads it: on another machine it need not be there.
  const { policy_file } = loaded.configuration.api
  if (role === "api" && policy_file !== undefined) yield* readPolicy(policy_file)
  return loaded
})

/** The configuration; for a role, with all that it requires. */
export const load = <R extends Role = never>(
  path: Option.Option<string>,
  env: Environment,
  role?: R
): Effect.Effect<ConfigurationOf<R>, ConfigurationInvalid> =>
  Effect.map(loadWithSources(path, env, role), ({ configuration }) => configuration)
