import { expect, it } from "@effect/vitest"
import type { Entry, Instance } from "../../src/cli/answers.ts"
import { renderHistory } from "../../src/cli/historyView.ts"

const instance: Instance = {
  id: "i-1",
  name: "first",
  status: "BUILD",
  operating_status: "",
  datastore: { type: "postgresql", version: "18" }
}

const step: Entry = {
  kind: "step",
  step: "wait for the database",
  attempt: 2,
  outcome: "running",
  started_at: "2026-11-22T09:00:01.000",
  waits_for: "a login",
  deadline: "2026-11-22T09:30:00.000"
}

it("tells what is waited for, until when", () => {
  expect(renderHistory(instance, [step])).toBe(
    "first  BUILD   postgresql 18   i-1\n" +
      "09:00:01    … wait for the database, attempt 2, waits for a login until 09:30:00"
  )
})

it("tells how long a step took, and why it failed", () => {
  const failed: Entry = { ...step, outcome: "failed", ended_at: "2026-11-22T09:00:03.500", error: "no disk" }
  expect(renderHistory(instance, [failed])).toContain("✗ wait for the database, attempt 2 (2.5 s): no disk")
})

it("tells how often an attempt was begun, where that was more than once", () => {
  expect(renderHistory(instance, [{ ...step, begun: 3 }])).toContain("attempt 2, begun 3 times, waits for")
  expect(renderHistory(instance, [{ ...step, begun: 1 }])).not.toContain("begun")
})

it("shows the fault, the address and the health", () => {
  const shown = renderHistory(
    { ...instance, status: "ERROR", operating_status: "x", ip: ["127.0.0.9"], fault: { message: "it broke" } },
    []
  )
  expect(shown).toBe("first  ERROR (x)   postgresql 18   127.0.0.9   i-1\nfault: it broke")
  const why = "the database is down: the volume is full"
  expect(renderHistory({ ...instance, operating_status_reason: why }, []).split("\n")[1]).toBe(`why: ${why}`)
  const group = { name: "tuned", not_applied: "invalid value" }
  expect(renderHistory({ ...instance, configuration: group }, []).split("\n")[1]).toBe(
    "configuration: tuned, which was taken back: invalid value"
  )
})

it("does not let what a server wrote steer the terminal", () => {
  const report: Entry = { kind: "report", at: "2026-11-22T09:00:01.000", text: "a\u001b[2Jb\nc" }
  expect(renderHistory(instance, [report]).split("\n").at(-1)).toBe("09:00:01  a [2Jb c")
})
