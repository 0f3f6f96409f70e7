/**
 * Scripts by which bash and zsh complete the commands. They are made from the commands themselves; what no command can
 * know, the names of the instances that there are, is asked for when it is needed.
 */
import { type Command, Completions } from "effect/cli"

export type CompletedShell = "bash" | "zsh"

/** Stands for the names in a script, as a choice of one, until the shell's own way to ask is put there. */
const marker = "@instances@"

/** Every argument that is called `instance` is one that is there. */
const withInstances = (command: Completions.CommandDescriptor): Completions.CommandDescriptor => ({
  ...command,
  arguments: command.arguments.map((argument) =>
    argument.name === "instance" ? { ...argument, type: { _tag: "Choice", values: [marker] } } : argument
  ),
  subcommands: command.subcommands.map(withInstances)
})

// Whoever completes sees no errors: then there are no names.

const bashInstances = `_coffer--instances()
{
  local _name _names=()
  while IFS= read -r _name; do
    _names+=("$_name")
  done < <("\${words[0]}" completion instances -- "\${words[@]:1}" 2>/dev/null </dev/null)
  _coffer--choices "$cur" "$_comp_word" "\${_names[@]}"
}`

const zshInstances = `_coffer_instances() {
  local -a names
  names=("\${(@f)$("\${(Q)_coffer_words[1]}" completion instances -- "\${(@Q)_coffer_words[2,-1]}" 2>/dev/null </dev/null)}")
  names=("\${(@)names:#}")
  compadd -a names
}`

const installation = {
  bash: "# Put this into ~/.bashrc:  source <(coffer completion bash)",
  zsh: "# Put this into ~/.zshrc, after compinit:  source <(coffer completion zsh)"
}

/** What Effect's script says of itself is about a flag that we do not have. */
const withOurWords = (shell: CompletedShell, script: string) =>
  script.replace(/^# Installation:\n(#.*\n)*/m, `${installation[shell]}\n`)

export const completionScript = (shell: CompletedShell, command: Command.Command.Any): string => {
  const script = withOurWords(
    shell,
    Completions.generate("coffer", shell, withInstances(Completions.fromCommand(command)))
  )
  return shell === "bash"
    ? [
        script.replaceAll(`_coffer--choices "$cur" "$_comp_word" '${marker}'`, "_coffer--instances"),
        bashInstances,
        ""
      ].join("\n")
    : [
        zshInstances,
        // Inside of a sub command zsh shows its own words alone; the flags before it say which API is meant.
        script
          .replaceAll(`(${marker})`, "_coffer_instances")
          .replace("\n_coffer() {\n", `\n_coffer() {\n  local -a _coffer_words=("\${words[@]}")\n`),
        ""
      ].join("\n")
}
