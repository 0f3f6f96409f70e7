/** The configuration groups of a project, which of them a name stands for, and settings as arguments. */
import { Effect } from "effect"
import { Argument, Flag } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { Groups } from "./configurationView.ts"
import { type Connection, failed } from "./connection.ts"
import { read } from "./document.ts"
import { allPages } from "./pages.ts"

export const group = Argument.String("group").pipe(Argument.withDescription("Its name, or its id"))

/** How many settings one command takes. */
const maxSettings = 500

export const settings = Flag.String("set").pipe(
  Flag.withDescription("A setting, as work_mem=8192; may be given again"),
  Flag.between(0, maxSettings)
)

export const allGroups = (connection: Connection) => allPages(connection, "/configurations", "configurations")

/** The id that a name stands for; an id stands for itself. */
export const groupIdOf = Effect.fnUntraced(function* (connection: Connection, nameOrId: string) {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(nameOrId)) return nameOrId
  const { configurations } = yield* read(connection, Groups, { configurations: yield* allGroups(connection) })
  const [found, ...others] = configurations.filter(({ name }) => name === nameOrId)
  const see = "See: coffer configuration list"
  if (found === undefined) return yield* failed(plain(`There is no configuration group named ${nameOrId}. ${see}`))
  if (others.length > 0)
    return yield* failed(plain(`${others.length + 1} groups are named ${nameOrId}; name one by its id. ${see}`))
  return found.id
})

/** A number and a truth are themselves, everything else is a text; in quotes, anything is. */
const valueOf = (text: string): string | number | boolean => {
  if (text === "true" || text === "false") return text === "true"
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  return /^".*"$/.test(text) ? text.slice(1, -1) : text
}

/** `name=value` each. */
export const valuesOf = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
  const values: Record<string, string | number | boolean> = {}
  for (const one of given) {
    const at = one.indexOf("=")
    if (at < 1) return yield* failed(plain(`--set ${one}: a setting is a name, = and a value, as work_mem=8192.`))
    values[one.slice(0, at)] = valueOf(one.slice(at + 1))
  }
  return values
})
