/** An audit as lines for a terminal, and the code that the command ends with. */
import { plain, table } from "../layers/config/terminalText.ts"
import type { AuditReport } from "../services/Audit.ts"

const findingsLeft = 1
export const couldNotLook = 2

/** 0 if all is well, 1 if something that was found is left, 2 if a place could not be looked at. */
export const auditCode = ({ findings, total, unseen }: AuditReport): number => {
  const done = findings.filter(({ outcome }) => outcome === "done").length
  if (total > done) return findingsLeft
  return unseen.length > 0 ? couldNotLook : 0
}

const moment = (at: number | null) => (at === null ? "-" : `${new Date(at).toISOString().slice(0, 19)}Z`)

const header = ["FINDING", "RESOURCE", "WHERE", "INSTANCE", "STATE", "SINCE", "FIX"]

const fixOf = ({ detail, outcome, remedy }: AuditReport["findings"][number]) => {
  if (remedy === null) return "cannot be made again: yours to decide"
  if (outcome === null) return remedy
  switch (outcome) {
    case "done":
      return `done: ${remedy}`
    case "failed":
      return `failed: ${detail ?? remedy}`
    case "left":
      return `left, for it holds data: ${remedy}`
  }
}

const save = "Save what you need of them first."

export const renderAudit = (report: AuditReport): string => {
  const { findings, looked, total, unseen } = report
  const rows = findings.map((one) =>
    [one.finding, one.resource, one.place, one.instance, one.state ?? "no record", moment(one.since), fixOf(one)].map(
      plain
    )
  )
  const wouldFix = findings.filter(({ outcome, remedy }) => remedy !== null && outcome === null)
  const left = findings.filter(({ outcome }) => outcome === "left").length
  return [
    ...(total === 0
      ? ["Nothing is left over, and nothing is missing, where it was looked."]
      : [table([header, ...rows])]),
    ...(findings.length < total ? [`${findings.length} of ${total}; the others are told of when these are gone.`] : []),
    `Looked at: ${plain(looked.join(", "))}.`,
    ...unseen.map(({ place, reason }) => `NOT looked at: ${plain(place)}: ${plain(reason)}`),
    ...(wouldFix.length > 0 ? ["--fix does what the last column says."] : []),
    ...(wouldFix.some(({ holdsData }) => holdsData)
      ? ["But it leaves what holds data, unless it is told --fix --remove-data. Save what you need of that first."]
      : []),
    ...(left > 0 ? [`${left} of these hold data, and were left: --fix --remove-data removes them. ${save}`] : [])
  ].join("\n")
}
