/** `coffer completion …`: what bash and zsh need to complete the commands. */
import { Console, Duration, Effect, Option, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { Listed } from "./answers.ts"
import { http } from "./client.ts"
import { type CompletedShell, completionScript } from "./completionScript.ts"
import { connect } from "./connection.ts"
import { allInstances } from "./instances.ts"

/** How long somebody who presses a key is kept waiting. */
const patience = Duration.seconds(2)

const maxWords = 10_000

/** The value of a flag among the words of a line that is being typed. */
const flagIn = (words: ReadonlyArray<string>, flag: string): Option.Option<string> => {
  const at = words.lastIndexOf(flag)
  const attached = words.findLast((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1)
  return Option.fromNullishOr(at < 0 ? attached : words[at + 1])
}

const isTypable = (name: string) => !/\p{Cc}/u.test(name)

/** For the scripts: the names of the instances that the line so far could mean, one on a line. Silent where it fails. */
const instances = Command.make(
  "instances",
  { words: Argument.String("word").pipe(Argument.between(0, maxWords)) },
  ({ words }) =>
    Effect.gen(function* () {
      const connection = yield* connect({
        url: flagIn(words, "--url"),
        project: flagIn(words, "--project"),
        tokenFile: flagIn(words, "--token-file")
      })
      const { instances } = yield* Schema.decodeUnknownEffect(Listed)({ instances: yield* allInstances(connection) })
      const names = [...new Set(instances.map(({ name }) => name))].filter(isTypable)
      if (names.length > 0) yield* Console.log(names.toSorted().join("\n"))
    }).pipe(Effect.timeout(patience), Effect.provide(http), Effect.ignore)
).pipe(Command.withDescription("For the scripts: the names of the instances"), Command.unlisted)

/** `all`: the commands that are completed, this one among them. */
export const completion = (all: () => Command.Command.Any) => {
  const of = (shell: CompletedShell, file: string) =>
    Command.make(shell, {}, () => Console.log(completionScript(shell, all()))).pipe(
      Command.withDescription(`Print the script for ${shell}`),
      Command.withExamples([
        { command: `source <(coffer completion ${shell})`, description: `In ${file}, for every shell from then on` }
      ])
    )
  return Command.make("completion").pipe(
    Command.withDescription("Print a script by which bash or zsh completes commands, flags and names of instances"),
    Command.withSubcommands([of("bash", "~/.bashrc"), of("zsh", "~/.zshrc, after compinit"), instances])
  )
}
