/** Dead letters as text for a terminal. */
import { plain, table } from "../layers/config/terminalText.ts"
import type { DeadLetter, Listed, Replayed } from "../layers/fabric/DeadLetterOffice.ts"

const header = ["id", "at", "topic", "method", "size", "server", "reason"]

const cells = ({ at, id, method, reason, server, size, topic }: Listed) =>
  [id, at, topic, method ?? "?", String(size), server, reason].map((cell) => plain(cell).trim())

export const renderList = (letters: ReadonlyArray<Listed>, total: number): string => {
  if (total === 0) return "There are no dead letters."
  const rest = letters.length < total ? `\n\n${letters.length} of ${total}; --limit shows more.` : ""
  return `${table([header, ...letters.map(cells)])}${rest}`
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
