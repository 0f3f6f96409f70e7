/** What every store keeps of the stories of instances: a part of store.ts. */
import { expect } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { History, maxEntries, maxReports } from "../../src/services/History.ts"
import { InstanceId, OperationId, operationId } from "../../src/services/Ids.ts"
import { create, uuid } from "./asApi.ts"
import type { StoreTests } from "./store.ts"

export const historyTests = <R>(it: StoreTests<R>) => {
  it.effect("keeps no more of a history than is told, also of an instance whose guest tells nothing", () =>
    Effect.gen(function* () {
      const lifecycles = yield* Lifecycles
      const history = yield* History
      const id = yield* create()
      const operation = OperationId.make(`restart-${uuid()}`)
      const step = { operation, operationName: "restart", step: "a step", waitsFor: null, deadline: null }
      for (let attempt = 1; attempt <= maxEntries + 20; attempt++) yield* history.stepStarted(id, { ...step, attempt })
      const { generation } = Option.getOrThrow(yield* lifecycles.load(id))
      const transition = { from: "New", to: "Active", because: "at rest" }
      yield* lifecycles.commit(id, { generation, state: { _tag: "Active" }, transition, handled: [] })
      const entries = yield* history.list(id)
      expect([entries.length, entries[0]]).toMatchObject([maxEntries, { attempt: 22 }])
    })
  )

  it.effect("writes a step's line once, closes it, and keeps no more lines than its bound", () =>
    Effect.gen(function* () {
      const history = yield* History
      const id = yield* create()
      const key = { operation: operationId("build", uuid()), step: "s", attempt: 1 }
      const started = { ...key, operationName: "build", waitsFor: "rain", deadline: 5 }
      yield* history.stepStarted(id, started)
      yield* history.stepStarted(id, started)
      expect(yield* history.list(id)).toMatchObject([{ outcome: "running", waitsFor: "rain", endedAt: null }])
      yield* history.stepEnded(id, { ...key, outcome: "failed", error: "no rain", detail: "dry" })
      expect(yield* history.list(id)).toMatchObject([
        { outcome: "failed", error: "no rain", detail: "dry", waitsFor: null }
      ])
      yield* history.stepEnded(id, { ...key, outcome: "done", error: null, detail: null })
      expect(yield* history.list(id)).toMatchObject([{ outcome: "failed" }])
      for (let n = 0; n < maxReports + 5; n++) yield* history.report(id, `line ${n}`)
      const lines = yield* history.list(id)
      expect(lines).toHaveLength(maxReports + 1)
      expect(lines[0]).toMatchObject({ outcome: "failed" })
      expect(lines[1]).toMatchObject({ text: "line 5" })
      for (let attempt = 3; attempt <= maxEntries; attempt++) yield* history.stepStarted(id, { ...started, attempt })
      yield* history.report(id, "the last")
      const most = yield* history.list(id)
      expect(most).toHaveLength(maxEntries)
      expect(most.at(-1)).toMatchObject({ text: "the last" })
      expect(most.filter(({ kind }) => kind === "step")).toHaveLength(maxEntries - 2)
      const odd = { ...key, attempt: 2 }
      yield* history.stepStarted(id, { ...started, ...odd })
      yield* history.stepEnded(id, { ...odd, outcome: "failed", error: "it printed \0 and \ud800", detail: null })
      expect((yield* history.list(id)).at(-1)).toMatchObject({ outcome: "failed", attempt: 2 })
      const other = operationId("delete", uuid())
      const open = { ...key, attempt: maxEntries + 1 }
      yield* history.stepStarted(id, { ...started, ...open })
      yield* history.stepStarted(id, { ...started, ...open, operation: other })
      yield* history.operationEnded(id, key.operation)
      expect((yield* history.list(id)).slice(-3)).toMatchObject([
        { outcome: "failed", attempt: 2 },
        { outcome: "interrupted", attempt: maxEntries + 1, waitsFor: null },
        { outcome: "running", operation: other }
      ])
      yield* history.report(InstanceId.make(uuid()), "of nobody")
    })
  )

  it.effect("counts how often a step was begun, and opens its line again if it had not ended by itself", () =>
    Effect.gen(function* () {
      const history = yield* History
      const id = yield* create()
      const key = { operation: operationId("build", uuid()), step: "s", attempt: 1 }
      const started = { ...key, operationName: "build", waitsFor: "rain", deadline: 5 }
      yield* history.stepStarted(id, started)
      yield* history.stepEnded(id, { ...key, outcome: "interrupted", error: null, detail: null })
      const [cutOff] = yield* history.list(id)
      yield* history.stepStarted(id, { ...started, deadline: 9 })
      expect(yield* history.list(id)).toEqual([
        { ...cutOff, outcome: "running", waitsFor: "rain", endedAt: null, deadline: 9, begun: 2 }
      ])
      yield* history.stepEnded(id, { ...key, outcome: "done", error: null, detail: null })
      const [done] = yield* history.list(id)
      yield* history.stepStarted(id, started)
      expect(yield* history.list(id)).toEqual([{ ...done, outcome: "done", begun: 3 }])
      // A wait is opened each time that its workflow is read.
      const wait = { ...key, step: "wait", operationName: "build", waitsFor: "rain", deadline: 9 }
      yield* history.waitStarted(id, wait)
      yield* history.waitStarted(id, wait)
      expect((yield* history.list(id))[1]).toMatchObject({ step: "wait", outcome: "running", begun: 1 })
    })
  )
}
