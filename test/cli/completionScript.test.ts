/** The scripts that complete commands, made of the commands. */
import { expect, it } from "@effect/vitest"
import { Completions } from "effect/cli"
import { coffer } from "../../src/cli/coffer.ts"
import { completionScript } from "../../src/cli/completionScript.ts"

const all = ({
  subcommands,
  ...command
}: Completions.CommandDescriptor): ReadonlyArray<Completions.CommandDescriptor> => [
  { ...command, subcommands },
  ...subcommands.flatMap(all)
]
const commands = all(Completions.fromCommand(coffer))
const ofInstances = commands.filter((command) => command.arguments.some(({ name }) => name === "instance"))

const count = (text: string, what: string) => text.split(what).length - 1

it("know every command, and ask for names wherever an instance is named", () => {
  expect(ofInstances.length).toBeGreaterThan(15)
  const bash = completionScript("bash", coffer)
  const zsh = completionScript("zsh", coffer)
  for (const { name } of commands) for (const script of [bash, zsh]) expect(script).toContain(name)
  // Each place, and the function itself.
  expect(count(bash, "_coffer--instances")).toBe(ofInstances.length + 1)
  expect(count(zsh, ":_coffer_instances'")).toBe(ofInstances.length)
  expect(count(zsh, "_coffer_words=")).toBe(1)
  for (const script of [bash, zsh]) {
    expect(script).not.toContain("@instances@")
    expect(script).not.toContain("--completions")
  }
})
