/** Dead letters as text for a terminal. */
import type { DeadLetter, Listed, Replayed } from "../layers/fabric/DeadLetterOffice.ts"

/** Terminals obey control characters; what somebody sent must not steer them. */
const plain = (text: string) => text.replace(/\p{Cc}+/gu, " ").trim()

const header = ["id", "at", "topic", "method", "size", "server", "reason"]

const cells = ({ at, id, method, reason, server, size, topic }: Listed) =>
  [id, at, topic, method ?? "?", String(size), server, reason].map(plain)

/** Columns as wide as their widest cell; the last is as long as it is. */
const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) => row.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join("  ")
  return rows.map((row) => line(row).trimEnd()).join("\n")
}

export const renderList = (letters: ReadonlyArray<Listed>, total: number): string => {
  if (total === 0) return "There are no dead letters."
  const rest = letters.length < total ? `\n\n${letters.length} of ${total}; --limit shows more.` : ""
  return `${aligned([header, ...letters.map(cells)])}${rest}`
}

/** The body's own lines stay lines. */
const plainBody = (body: string) => body.split("\n").map(plain).join("\n")

export const renderLetter = (letter: DeadLetter): string => {
  const width = Math.max(...header.map((name) => name.length)) + 1
  const fields = cells(letter).map((cell, n) => `${`${header[n]}:`.padEnd(width)} ${cell}`)
  return `${fields.join("\n")}\n\n${plainBody(letter.body)}`
}

const outcomes: Record<Replayed["outcome"], string> = {
  sent: "sent",
  untaken: "still here: nobody serves its topic",
  refused: "still here: the queue that it is for is full",
  unknown: "there is no dead letter of this id"
}

export const renderReplayed = (replayed: ReadonlyArray<Replayed>): string =>
  replayed.length === 0
    ? "There are no dead letters."
    : replayed.map(({ id, outcome }) => `${plain(id)}  ${outcomes[outcome]}`).join("\n")
