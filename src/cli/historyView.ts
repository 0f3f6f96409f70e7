/** An instance and its history as lines for a terminal. */

import { plain } from "../layers/config/terminalText.ts"
import { inWords } from "./accessFlags.ts"
import type { Entry, Instance } from "./answers.ts"

const time = (moment: string | undefined) => (moment ?? "").slice(11, 19)

const seconds = (entry: Entry) => {
  if (entry.started_at === undefined || entry.ended_at === undefined || entry.ended_at === null) return ""
  const took = (Date.parse(`${entry.ended_at}Z`) - Date.parse(`${entry.started_at}Z`)) / 1000
  return ` (${took.toFixed(1)} s)`
}

const marks: Record<string, string> = { done: "✓", failed: "✗", interrupted: "–", running: "…" }

const lineOf = (entry: Entry): string => {
  switch (entry.kind) {
    case "transition":
      return `${time(entry.at)}  ${entry.from} → ${entry.to}: ${entry.because}`
    case "report":
      return `${time(entry.at)}  ${entry.text}`
    case "step": {
      const attempt = (entry.attempt ?? 1) > 1 ? `, attempt ${entry.attempt}` : ""
      const begun = (entry.begun ?? 1) > 1 ? `, begun ${entry.begun} times` : ""
      const waits = entry.outcome === "running" && entry.waits_for ? `, waits for ${entry.waits_for}` : ""
      const deadline = entry.outcome === "running" && entry.deadline ? ` until ${time(entry.deadline)}` : ""
      const error = entry.error ? `: ${entry.error}` : ""
      return `${time(entry.started_at)}    ${marks[entry.outcome ?? ""] ?? " "} ${entry.step}${attempt}${begun}${seconds(entry)}${waits}${deadline}${error}`
    }
  }
}

/** One entry of the history. */
export const renderEntry = (entry: Entry): string => plain(lineOf(entry))

/** The instance in one line. */
export const renderInstance = ({ datastore, id, ip, name, operating_status, status }: Instance): string => {
  const health = operating_status === "" ? "" : ` (${operating_status})`
  const address = ip === undefined || ip.length === 0 ? "" : `   ${ip.join(", ")}`
  return plain(`${name}  ${status}${health}   ${datastore.type} ${datastore.version}${address}   ${id}`)
}

const configurationOf = ({ configuration }: Instance): ReadonlyArray<string> => {
  if (configuration === undefined) return []
  const { name, not_applied: why } = configuration
  return [plain(`configuration: ${name}${why === undefined ? "" : `, which was taken back: ${why}`}`)]
}

/** Where it was asked for one. */
const zoneOf = ({ availability_zone: zone }: Instance): ReadonlyArray<string> =>
  zone === undefined ? [] : [plain(`availability zone: ${zone}`)]

/** Where not everybody may. */
const reachedBy = ({ access }: Instance): ReadonlyArray<string> =>
  access?.allowed_cidrs === undefined || access.allowed_cidrs.length === 0
    ? []
    : [plain(`reached by: ${inWords(access)}`)]

export const renderHistory = (instance: Instance, entries: ReadonlyArray<Entry>): string =>
  [
    renderInstance(instance),
    ...(instance.fault === undefined ? [] : [plain(`fault: ${instance.fault.message}`)]),
    ...(instance.operating_status_reason === undefined ? [] : [plain(`why: ${instance.operating_status_reason}`)]),
    ...configurationOf(instance),
    ...zoneOf(instance),
    ...reachedBy(instance),
    ...entries.map(renderEntry)
  ].join("\n")
