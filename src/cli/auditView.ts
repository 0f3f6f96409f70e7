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
  return outcome === "done" ? `done: ${remedy}` : `failed: ${detail ?? remedy}`
}

export const renderAudit = (report: AuditReport): string => {
  const { findings, looked, total, unseen } = report
  const rows = findings.map((one) =>
    [one.finding, one.resource, one.place, one.instance, one.state ?? "no record", moment(one.since), fixOf(one)].map(
      plain
    )
  )
  const wouldFix = findings.some(({ outcome, remedy }) => remedy !== null && outcome === null)
  return [
    ...(total === 0
      ? ["Nothing is left over, and nothing is missing, where it was looked."]
      : [table([header, ...rows])]),
    ...(findings.length < total ? [`${findings.length} of ${total}; the others are told of when these are gone.`] : []),
    `Looked at: ${plain(looked.join(", "))}.`,
    ...unseen.map(({ place, reason }) => `NOT looked at: ${plain(place)}: ${plain(reason)}`),
    ...(wouldFix ? ["--fix does what the last column says."] : [])
  ].join("\n")
}
