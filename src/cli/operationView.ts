/** Operations as text for a terminal. */
import { fields, plain, table } from "../layers/config/terminalText.ts"
import type { OperationRow, OperationStory } from "./answers.ts"
import { renderEntry } from "./historyView.ts"

const header = ["INSTANCE", "OPERATION", "STANDING", "STEP", "SINCE", "DEADLINE", "WAITS FOR", "LAST ERROR", "ID"]

/** To the second: "2026-11-22T09:11:15". */
const moment = (stamp: string | null) => (stamp ?? "").slice(0, 19)

const stepOf = ({ waits_for }: OperationRow) => {
  if (waits_for === null || waits_for.step === null) return ""
  const attempt = waits_for.attempt ?? 1
  return attempt > 1 ? `${waits_for.step}, attempt ${attempt}` : waits_for.step
}

const cells = (row: OperationRow) =>
  [
    row.instance_name,
    row.operation ?? "",
    row.standing,
    stepOf(row),
    moment(row.since),
    moment(row.deadline),
    row.waits_for?.what ?? "",
    row.error ?? "",
    row.instance_id
  ].map((cell) => plain(cell).trim())

export const renderOperations = (rows: ReadonlyArray<OperationRow>): string =>
  rows.length === 0 ? "Nothing is under way, and nothing is stuck." : table([header, ...rows.map(cells)])

export const renderOperation = (story: OperationStory): string => {
  const values = cells(story)
  const told = fields([
    ...header.map((name, n) => [name.toLowerCase(), values[n] ?? ""] as const),
    ["project", story.project_id],
    ["detail", story.detail ?? ""]
  ])
  const aside = story.set_aside.map(({ key, reason, set_aside }) =>
    plain(`set aside at ${moment(set_aside)}: the command ${key}: ${reason}`)
  )
  return [told, ...story.steps.map(renderEntry), ...aside].join("\n")
}
