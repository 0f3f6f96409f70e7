/** The configuration as a table for a terminal: every setting, its value unless it is secret, and where it is from. */
import type { Loaded } from "./load.ts"
import { type Setting, settings } from "./settings.ts"
import { table } from "./terminalText.ts"
import { toml } from "./toml.ts"

export interface Explained {
  readonly setting: Setting
  /** "(set)" for a secret, "(none)" for what is not set. */
  readonly value: string
  /** "file", "default", or the name of a variable. */
  readonly from: string
}

/** Every setting, in the order of the file. */
export const explained = ({ gathered }: Pick<Loaded, "gathered">): ReadonlyArray<Explained> =>
  settings.map((setting) => {
    const given = gathered.given.get(setting.name)
    const value = given ?? setting.default
    return {
      setting,
      value: value === undefined ? "(none)" : setting.isSecret ? "(set)" : toml(value),
      from: given === undefined ? "default" : (gathered.variableOf.get(setting.name) ?? "file")
    }
  })

const header = ["setting", "value", "from", "what it is"]

export const explain = (loaded: Pick<Loaded, "gathered">): string =>
  table([
    header,
    ...explained(loaded).map(({ from, setting, value }) => [setting.name, value, from, setting.description])
  ])
