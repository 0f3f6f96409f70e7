/** What `coffer audit` prints, and the code that it ends with. */
import { expect, it } from "@effect/vitest"
import { auditCode, renderAudit } from "../../src/cli/auditView.ts"
import type { AuditReport } from "../../src/services/Audit.ts"
import { InstanceId } from "../../src/services/Ids.ts"

const one: AuditReport["findings"][number] = {
  finding: "orphan",
  resource: "home",
  place: "host db1",
  host: "db1",
  instance: InstanceId.make("aaaaaaaa-0000-4000-8000-000000000001"),
  state: "Deleted",
  since: 1000,
  remedy: "remove the server with its data from db1",
  holdsData: true,
  outcome: null,
  detail: null
}
const lost = { ...one, finding: "missing", state: "Active", since: null, remedy: null, holdsData: false } as const
const clean: AuditReport = { at: 0, looked: ["host db1", "the store"], unseen: [], findings: [], total: 0 }
const away = [{ place: "host db2", reason: "It is \u001baway." }]

it("ends with 0 if all is well, with 1 if anything is left, with 2 if it could not look", () => {
  const done = { ...one, outcome: "done" } as const
  const failed = { ...one, outcome: "failed" } as const
  expect(auditCode(clean)).toBe(0)
  expect(auditCode({ ...clean, unseen: away })).toBe(2)
  expect(auditCode({ ...clean, findings: [one], total: 1 })).toBe(1)
  expect(auditCode({ ...clean, findings: [done], total: 1 })).toBe(0)
  expect(auditCode({ ...clean, findings: [done], total: 2 })).toBe(1)
  expect(auditCode({ ...clean, findings: [failed, done], total: 2 })).toBe(1)
  expect(auditCode({ ...clean, findings: [{ ...one, outcome: "left" }, done], total: 2 })).toBe(1)
  expect(auditCode({ ...clean, findings: [done], unseen: away, total: 1 })).toBe(2)
  expect(auditCode({ ...clean, findings: [lost], unseen: away, total: 1 })).toBe(1)
})

it("says what, where, whose, since when, and what a fix does or has done", () => {
  expect(renderAudit(clean)).toBe(
    "Nothing is left over, and nothing is missing, where it was looked.\nLooked at: host db1, the store."
  )
  const failed = { ...one, outcome: "failed", detail: "The engine is away." } as const
  const text = renderAudit({ ...clean, findings: [one, lost, failed], unseen: away, total: 4 })
  const [header, first, second, third, ...rest] = text.split("\n")
  expect(header).toMatch(/^FINDING +RESOURCE +WHERE +INSTANCE +STATE +SINCE +FIX$/)
  expect(first).toMatch(
    /^orphan +home +host db1 +aaaaaaaa-\S+ +Deleted +1970-01-01T00:00:01Z +remove the server with its data from db1$/
  )
  expect(second).toMatch(/^missing +home +host db1 +\S+ +Active +- +cannot be made again: yours to decide$/)
  expect(third).toMatch(/ failed: The engine is away\.$/)
  expect(rest).toEqual([
    "3 of 4; the others are told of when these are gone.",
    "Looked at: host db1, the store.",
    expect.stringMatching(/^NOT looked at: host db2: It is .?away\.$/),
    "--fix does what the last column says.",
    "But it leaves what holds data, unless it is told --fix --remove-data. Save what you need of that first."
  ])
  expect(text).not.toContain("\u001b")
})

it("says what a fix has left because it holds data, and what removes it", () => {
  const text = renderAudit({ ...clean, findings: [{ ...one, outcome: "left" }], total: 1 })
  expect(text.split("\n").slice(1)).toEqual([
    expect.stringMatching(/ left, for it holds data: remove the server with its data from db1$/),
    "Looked at: host db1, the store.",
    "1 of these hold data, and were left: --fix --remove-data removes them. Save what you need of them first."
  ])
  const access = { ...one, resource: "login", holdsData: false } as const
  expect(renderAudit({ ...clean, findings: [access], total: 1 })).not.toContain("remove-data")
})
