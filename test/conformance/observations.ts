/** What every store keeps of what guests tell: a part of store.ts. */
import { expect } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { BackupReport } from "../../src/services/ConductorApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { maxBackupReports, Observations } from "../../src/services/Observations.ts"
import { moveTo } from "./asActor.ts"
import { create, uuid } from "./asApi.ts"
import type { StoreTests } from "./store.ts"

export const observationsTests = <R>(it: StoreTests<R>) => {
  it.effect("keeps the newest heartbeat of a guest, and tells what changed", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const id = yield* create()
      const stranger = InstanceId.make(uuid())
      const beat = (instance: InstanceId, status: "building" | "healthy", sent: number) => ({
        instance,
        status,
        sent,
        receivedAt: sent + 1000
      })
      expect(
        yield* observations.record([beat(id, "building", 10), beat(id, "healthy", 20), beat(stranger, "healthy", 20)])
      ).toEqual([{ instance: id, status: "healthy", changed: true }])
      expect(yield* observations.record([beat(id, "building", 20)])).toEqual([])
      expect(yield* observations.record([beat(id, "building", 15)])).toEqual([])
      expect(yield* observations.record([beat(id, "healthy", 30)])).toMatchObject([{ changed: false }])
      expect(yield* observations.record([])).toEqual([])
      expect(yield* observations.recordFailure(id, "it broke", null)).toBe(true)
      expect(Option.getOrThrow(yield* observations.get(id))).toMatchObject({
        status: "healthy",
        heartbeatAt: 1030,
        failure: "it broke"
      })
      yield* observations.forget(id)
      expect(Option.isNone(yield* observations.get(id))).toBe(true)
    })
  )

  it.effect("takes a heartbeat without a time as the newest, and what is newer than the last time after it", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const id = yield* create()
      const statusAfter = Effect.fnUntraced(function* (
        ...beats: ReadonlyArray<readonly ["healthy" | "crashed" | "paused", number | null]>
      ) {
        yield* observations.record(
          beats.map(([status, sent], n) => ({ instance: id, status, sent, receivedAt: 1000 + n }))
        )
        return Option.getOrThrow(yield* observations.get(id)).status
      })
      expect(yield* statusAfter(["crashed", null])).toBe("crashed")
      expect(yield* statusAfter(["healthy", 10])).toBe("healthy")
      expect(yield* statusAfter(["paused", 30], ["crashed", null], ["healthy", 20])).toBe("crashed")
      expect(yield* statusAfter(["healthy", null], ["crashed", null])).toBe("crashed")
      expect(yield* statusAfter(["healthy", 10])).toBe("crashed")
      expect(yield* statusAfter(["paused", 11])).toBe("paused")
    })
  )

  it.effect("takes note of what a guest tells, each method by itself, where it is newer", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const [id, dead] = [yield* create(), yield* create()]
      const stranger = InstanceId.make(uuid())
      expect(yield* observations.takeNote(id, "one", 10.00001)).toBe(true)
      expect(yield* observations.takeNote(id, "one", 10.00001)).toBe(false)
      expect(yield* observations.takeNote(id, "one", 9)).toBe(false)
      expect(yield* observations.takeNote(id, "one", 10.02)).toBe(true)
      expect(yield* observations.takeNote(id, "two", 1)).toBe(true)
      expect(yield* observations.takeNote(id, "one", null)).toBe(true)
      expect(yield* observations.takeNote(id, "one", 10)).toBe(false)
      expect(yield* observations.takeNote(id, "one", null)).toBe(true)
      yield* moveTo(dead, "Deleted")
      for (const nobody of [dead, stranger]) expect(yield* observations.takeNote(nobody, "one", null)).toBe(false)
    })
  )

  it.effect("keeps the newest reason of a guest that failed", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const id = yield* create()
      yield* observations.record([{ instance: id, status: "building", sent: 1, receivedAt: 1 }])
      expect(yield* observations.recordFailure(id, "first", 10)).toBe(true)
      expect(yield* observations.recordFailure(id, "first", 10)).toBe(false)
      expect(yield* observations.recordFailure(id, "older", 9)).toBe(false)
      expect(Option.getOrThrow(yield* observations.get(id)).failure).toBe("first")
      expect(yield* observations.recordFailure(id, "of unknown age", null)).toBe(true)
      expect(Option.getOrThrow(yield* observations.get(id)).failure).toBe("of unknown age")
      expect(yield* observations.recordFailure(InstanceId.make(uuid()), "of nobody", 10)).toBe(false)
    })
  )

  it.effect("gathers what is told of a backup, and tells when its state changes", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const [id, dead] = [yield* create(), yield* create()]
      const tell = (sent: number | null, report: BackupReport, backup = "b-1", instance = id) =>
        Effect.map(observations.recordBackup(instance, backup, { report, sent }), Option.getOrNull)
      expect(yield* tell(10, { size: 1.5, note: "begun" })).toBeNull()
      expect(yield* tell(11, { state: "BUILDING", note: null })).toBe("BUILDING")
      expect(yield* tell(12, { state: "BUILDING", size: 2 })).toBeNull()
      expect(yield* tell(12, { state: "FAILED" })).toBeNull()
      expect(yield* tell(11.5, { state: "FAILED" })).toBeNull()
      expect(yield* tell(12.02, { state: "COMPLETED", success: true, location: "swift://a" })).toBe("COMPLETED")
      expect(yield* tell(1, { state: "BUILDING" }, "b-2")).toBe("BUILDING")
      expect(yield* tell(null, { state: "FAILED" }, "b-2")).toBe("FAILED")
      const known = { state: "COMPLETED", size: 2, note: null, success: true, location: "swift://a" }
      expect(Option.getOrNull(yield* observations.backup(id, "b-1"))).toEqual(known)
      expect(Option.getOrNull(yield* observations.backup(id, "b-2"))).toEqual({ state: "FAILED" })
      expect(Option.isNone(yield* observations.backup(id, "b-3"))).toBe(true)
      yield* moveTo(dead, "Deleted")
      expect(yield* tell(1, { state: "BUILDING" }, "b-1", dead)).toBeNull()
      expect(yield* tell(1, { state: "BUILDING" }, "b-1", InstanceId.make(uuid()))).toBeNull()
      expect(Option.isNone(yield* observations.backup(dead, "b-1"))).toBe(true)
    })
  )

  it.effect("remembers no more backups of an instance than its bound, those that were told of last", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const id = yield* create()
      const tell = (n: number, sent = n) =>
        observations.recordBackup(id, `b-${n}`, { report: { state: "BUILDING" }, sent })
      yield* Effect.forEach(
        Array.from({ length: maxBackupReports }, (_, n) => n),
        (n) => tell(n),
        { concurrency: 10 }
      )
      yield* tell(0, maxBackupReports)
      yield* tell(maxBackupReports, maxBackupReports + 1)
      const kept = (n: number) => Effect.map(observations.backup(id, `b-${n}`), Option.isSome)
      expect([yield* kept(0), yield* kept(1), yield* kept(2), yield* kept(maxBackupReports)]).toEqual([
        true,
        false,
        true,
        true
      ])
    })
  )

  it.effect("tells a guest that has gone silent to one of all who ask at once", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const ids = yield* Effect.all(Array.from({ length: 20 }, () => create()))
      for (const id of ids) yield* moveTo(id, "Active")
      yield* observations.record(ids.map((instance) => ({ instance, status: "healthy", sent: 10, receivedAt: 10 })))
      const asked = Array.from({ length: 8 }, () => observations.silentSince(100, 1000))
      const answers = yield* Effect.all(asked, { concurrency: "unbounded" })
      const told = answers.flat().filter((id) => ids.includes(id))
      expect(told.toSorted()).toEqual(ids.toSorted())
    })
  )

  it.effect("tells of no more silent guests than it was asked for, and again of those who were not told of", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const ids = yield* Effect.all(Array.from({ length: 3 }, () => create()))
      for (const id of ids) yield* moveTo(id, "Active")
      // Older than all others, and each older than the next.
      const beats = ids.map((instance, n) => ({ instance, status: "healthy" as const, sent: 1, receivedAt: n - 100 }))
      yield* observations.record(beats)
      expect((yield* observations.silentSince(0, 2)).toSorted()).toEqual(ids.slice(0, 2).toSorted())
      expect(yield* observations.silentSince(0, 2)).toEqual(ids.slice(2))
      yield* observations.unmarkSilent(ids.slice(1))
      yield* observations.unmarkSilent([])
      expect((yield* observations.silentSince(0, 10)).toSorted()).toEqual(ids.slice(1).toSorted())
      yield* observations.unmarkSilent(ids.slice(0, 1))
      yield* observations.record(beats.map((beat) => ({ ...beat, sent: 2, receivedAt: 1 })))
      expect(yield* observations.silentSince(0, 10)).toEqual([])
    })
  )

  it.effect("tells once which guests have gone silent, and when they come back", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const id = yield* create()
      const beat = (sent: number) => ({ instance: id, status: "healthy" as const, sent, receivedAt: sent })
      yield* observations.record([beat(10)])
      expect(yield* observations.silentSince(100, 1000)).not.toContain(id)
      yield* moveTo(id, "Active")
      expect(yield* observations.silentSince(100, 1000)).toContain(id)
      expect(yield* observations.silentSince(100, 1000)).not.toContain(id)
      expect(yield* observations.record([beat(200)])).toEqual([{ instance: id, status: "healthy", changed: true }])
      yield* moveTo(id, "Deleted")
      expect(yield* observations.record([beat(300)])).toEqual([])
      expect(Option.isNone(yield* observations.get(id))).toBe(true)
    })
  )
}
