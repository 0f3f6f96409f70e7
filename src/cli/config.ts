/** `coffer config …`: what is configured and where from, what is wrong with it, and a file to begin with. */
import { mkdir, stat, writeFile } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { type Configuration, roles } from "../layers/config/Configuration.ts"
import { explain } from "../layers/config/explain.ts"
import { loadWithSources, unset } from "../layers/config/load.ts"
import { readPolicy } from "../layers/config/policyFile.ts"
import { template } from "../layers/config/template.ts"
import { configFlag, defaultFile } from "./configFlag.ts"
import { codeOf, failWith } from "./failure.ts"

const role = Flag.Literals("role", roles).pipe(
  Flag.withDescription("Refuse it if anything is missing that this role requires"),
  Flag.optional
)

/** Which roles the configuration is not enough for; which of them are wanted, it does not say. */
const stillNeeded = (configuration: Configuration) =>
  roles
    .map((role) => ({ role, names: unset(configuration, role) }))
    .filter(({ names }) => names.length > 0)
    .map(({ names, role }) => {
      const needed = names.map(({ name, others }) => [name, ...others].join(" or "))
      return `The ${role} still needs ${needed.join(", ")}.`
    })

const othersMayReach = (path: string) => Effect.promise(() => stat(path).then(({ mode }) => (mode & 0o007) !== 0))

const check = Command.make(
  "check",
  { config: configFlag, role },
  Effect.fnUntraced(
    function* ({ config, role }) {
      const loaded = yield* loadWithSources(config, process.env, Option.getOrUndefined(role))
      const { policy_file } = loaded.configuration.api
      if (Option.isNone(role) && policy_file !== undefined) yield* readPolicy(policy_file)
      yield* Console.log(explain(loaded))
      const notes = Option.isSome(role) ? [] : stillNeeded(loaded.configuration)
      if (notes.length > 0) yield* Console.log(`\n${notes.join("\n")}`)
      if (Option.isSome(config) && (yield* othersMayReach(config.value))) {
        const path = config.value
        yield* Console.error(`coffer: every user of this machine may read or change ${path}; better: chmod o= ${path}`)
      }
    },
    Effect.catchTag("ConfigurationInvalid", failWith)
  )
).pipe(
  Command.withDescription("Show every setting with its value and where it is from, or everything that is wrong"),
  Command.withExamples([
    { command: "coffer config check --role api", description: "Whether the api could start with it" }
  ])
)

/** Its owner's alone to read, for it holds secrets; a file that is there is never touched. */
const writeFresh = Effect.fnUntraced(function* (path: string) {
  yield* Effect.tryPromise({
    try: () => mkdir(dirname(path)),
    catch: codeOf
  }).pipe(
    Effect.catchIf(
      (code) => code === "EEXIST",
      () => Effect.void
    ),
    Effect.mapError((code) => `the folder of ${path} cannot be made (${code})`)
  )
  yield* Effect.tryPromise({
    try: () => writeFile(path, template(), { flag: "wx", mode: 0o600, flush: true }),
    catch: (error) =>
      codeOf(error) === "EEXIST"
        ? `${path} is there already, and stays as it is`
        : `${path} cannot be written (${codeOf(error)})`
  })
})

const nextSteps = (path: string) => `Wrote ${path}, with a fresh key and a fresh token of an administrator.
Set database.url and broker.urls in it, then:  coffer config check --role api --config ${path}
Services that are not root's must be able to read it:  chown root:coffer ${path} && chmod 640 ${path}`

const init = Command.make("init", { config: configFlag }, ({ config }) => {
  const path = resolve(Option.getOrElse(config, () => defaultFile))
  return writeFresh(path).pipe(
    Effect.andThen(Console.log(nextSteps(path))),
    Effect.catch((message) => failWith({ message }))
  )
}).pipe(
  Command.withDescription("Write a file to begin with: every setting explained, its secrets drawn fresh"),
  Command.withExamples([{ command: "coffer config init", description: `Write ${defaultFile}` }])
)

export const config = Command.make("config").pipe(
  Command.withDescription("Check the configuration of the roles, or write one to begin with"),
  Command.withSubcommands([check, init])
)
