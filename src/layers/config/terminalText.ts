/** Text as a terminal may be shown it: nothing in it steers the terminal, and tables have straight columns. */

/** Terminals obey control characters; what somebody else wrote must not steer them. */
export const plain = (text: string) => text.replace(/\p{Cc}+/gu, " ")

/** Columns as wide as their widest cell; the last one is left as it is. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const cells = rows.map((row) => row.map(plain))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells
    .map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))))
    .map((row) => row.join("  ").trimEnd())
    .join("\n")
}

/** A name and its value a line, the values below each other; what is empty is left out. */
export const fields = (entries: ReadonlyArray<readonly [name: string, value: string]>): string => {
  const width = Math.max(...entries.map(([name]) => name.length)) + 1
  return entries
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${`${name}:`.padEnd(width)} ${plain(value)}`)
    .join("\n")
}
