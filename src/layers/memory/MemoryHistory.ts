/** The stories of instances, in memory: the part of MemoryStore that is the twin of PgHistory. */
import { Clock, Effect, Schema } from "effect"
import { History, maxEntries, maxReports, type StepEntry, type StepStart, stepKey } from "../../services/History.ts"
import { type InstanceId, OperationId } from "../../services/Ids.ts"
import type { MemoryRows, Rows } from "./MemoryRows.ts"

const isOperation = Schema.is(OperationId)

/** Closes the steps that are meant and open still. */
const closeSteps =
  (isMeant: (entry: StepEntry, key: string | null) => boolean, end: Partial<StepEntry>) => (row: Rows) => {
    row.history = row.history.map((line) =>
      line.entry.kind === "step" && line.entry.outcome === "running" && isMeant(line.entry, line.key)
        ? { ...line, entry: { ...line.entry, ...end } }
        : line
    )
  }

export const makeMemoryHistory = ({ change, rows }: MemoryRows) => {
  const openStep = Effect.fnUntraced(function* (id: InstanceId, step: StepStart, again: 0 | 1) {
    const startedAt = yield* Clock.currentTimeMillis
    const key = stepKey(step)
    yield* change(id, (row) => {
      const opened = { ...step, endedAt: null, outcome: "running", error: null, detail: null } as const
      if (!row.history.some((line) => line.key === key)) {
        row.history.push({ key, entry: { kind: "step", ...opened, begun: 1, startedAt } })
        return
      }
      row.history = row.history.map((line) => {
        if (line.key !== key || line.entry.kind !== "step") return line
        const { begun, outcome } = line.entry
        const isOpen = outcome === "running" || outcome === "interrupted"
        return { ...line, entry: { ...line.entry, ...(isOpen ? opened : {}), begun: begun + again } }
      })
    })
  })

  return History.of({
    report: Effect.fnUntraced(function* (id, text) {
      const at = yield* Clock.currentTimeMillis
      yield* change(id, (row) => {
        const all = [...row.history, { key: null, entry: { kind: "report" as const, at, text } }]
        const reports = all.filter(({ entry }) => entry.kind === "report")
        const spared = new Set(reports.slice(0, -maxReports))
        row.history = all.filter((line) => !spared.has(line)).slice(-maxEntries)
      })
    }),
    stepStarted: (id, step) => openStep(id, step, 1),
    waitStarted: (id, step) => openStep(id, step, 0),
    stepEnded: Effect.fnUntraced(function* (id, { detail, error, outcome, ...step }) {
      const endedAt = yield* Clock.currentTimeMillis
      const isMeant = (_: StepEntry, key: string | null) => key === stepKey(step)
      yield* change(id, closeSteps(isMeant, { endedAt, outcome, error, detail, waitsFor: null }))
    }),
    operationEnded: Effect.fnUntraced(function* (id, operation) {
      const endedAt = yield* Clock.currentTimeMillis
      const isMeant = (entry: StepEntry) => entry.operation === operation
      yield* change(id, closeSteps(isMeant, { endedAt, outcome: "interrupted", waitsFor: null }))
    }),
    list: (id) =>
      Effect.sync(() =>
        (rows.get(id)?.history ?? []).flatMap(({ entry }) =>
          entry.kind !== "step" || isOperation(entry.operation) ? [entry] : []
        )
      )
  })
}
