/** What a terminal may be shown, and whether there is one. */
import { Context } from "effect"

/** Terminals obey control characters; what a server wrote must not steer them. */
export const plain = (text: string) => text.replace(/\p{Cc}+/gu, " ")

/** Where progress is told: beside what a command answers, so that it can be read by another program. */
export interface Screen {
  /** How many characters a line has; null where nobody looks, as in a file. */
  readonly columns: number | null
  readonly write: (text: string) => void
}

export const CurrentScreen = Context.Reference<Screen>("coffer/cli/CurrentScreen", {
  defaultValue: () => ({
    columns: process.stderr.isTTY === true ? process.stderr.columns || 80 : null,
    write: (text) => void process.stderr.write(text)
  })
})

/** Columns as wide as their widest cell; the last one is left as it is. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const cells = rows.map((row) => row.map(plain))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells
    .map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))))
    .map((row) => row.join("  ").trimEnd())
    .join("\n")
}
