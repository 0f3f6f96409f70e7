/** The configuration as a table for a terminal: every setting, its value unless it is secret, and where it is from. */
import type { Loaded } from "./load.ts"
import { type Setting, settings } from "./settings.ts"
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

/** Columns as wide as their widest cell; the last is as long as it is. */
const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) => row.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join("  ")
  return rows.map((row) => line(row).trimEnd()).join("\n")
}

export const explain = (loaded: Pick<Loaded, "gathered">): string =>
  aligned([
    header,
    ...explained(loaded).map(({ from, setting, value }) => [setting.name, value, from, setting.description])
  ])
