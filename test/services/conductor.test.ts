/** What the conductor makes of a report: who is believed about what, how often, and what is written of it. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import type { ServiceStatus } from "../../src/services/ConductorApi.ts"
import { maxReports } from "../../src/services/conductor/Admission.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Observations } from "../../src/services/Observations.ts"
import {
  anInstance,
  beat,
  conductor,
  counted,
  failure,
  logged,
  nextId,
  recorded,
  refusals,
  run,
  seen,
  story
} from "../kit/ConductorWorld.ts"
import { as } from "../kit/ProvenFabric.ts"

describe("a guest", () => {
  it.effect("is believed about itself", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* beat(id).pipe(as(id))
        expect(yield* seen(id)).toMatchObject({ status: "healthy" })
        yield* TestClock.adjust("1 millis")
        expect(recorded).toEqual([`${id} is healthy`])
      })
    )
  )

  it.effect("is believed about nobody else, and what it says is counted and logged once a minute", () =>
    run(
      Effect.gen(function* () {
        const [liar, victim] = [yield* anInstance(), yield* anInstance()]
        const before = yield* refusals("foreign")
        const api = yield* conductor
        const lies = Effect.gen(function* () {
          yield* beat(victim, "crashed")
          yield* failure(victim, "it is broken")
          yield* failure(victim, "it is broken", "BackupCreate")
          yield* api.report_root({ instance_id: victim })
          yield* api.update_backup({ instance_id: victim, backup_id: "b", sent: 1, state: "COMPLETED" })
          yield* api.notify_end({ serialized_notification: { instance_id: victim } })
          yield* api.host_report({ name: "evil", addresses: "10.0.0.0/8", memory_mb: 1, sent: 1 })
        }).pipe(as(liar))
        yield* lies
        expect(yield* seen(victim)).toBeNull()
        expect(yield* story(victim)).toEqual([])
        expect(yield* (yield* Instances).rootEnabled(victim)).toBe("never")
        expect(Option.isNone(yield* (yield* Observations).backup(victim, "b"))).toBe(true)
        expect(recorded).toEqual([`Warn: a report of ${liar} about somebody else was dropped`])
        expect((yield* refusals("foreign")) - before).toBe(7)
        yield* lies.pipe(as(liar))
        expect(logged()).toHaveLength(1)
        yield* TestClock.adjust("1 minute")
        yield* lies.pipe(as(liar))
        expect(logged()).toHaveLength(2)
      })
    )
  )

  it.effect("need not be proven to be itself where everybody who can send is trusted", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* beat(id)
        expect(yield* seen(id)).toMatchObject({ status: "healthy" })
      })
    )
  )

  it.effect("that tells of an instance that is none, or is gone, changes nothing and holds nobody up", () =>
    run(
      Effect.gen(function* () {
        const fault = { message: "", details: null, at: 0 }
        const failed = yield* anInstance({ _tag: "Failed", fault, previous: null })
        const api = yield* conductor
        for (const instance_id of ["nobody", nextId(), failed]) {
          yield* beat(instance_id)
          yield* failure(instance_id, "it is broken")
          yield* failure(instance_id, "it is broken", "BackupCreate")
          yield* api.report_root({ instance_id })
          yield* api.update_backup({ instance_id, backup_id: "b", sent: 1, state: "COMPLETED" })
        }
        yield* failure(null, "it is broken")
        expect(yield* story(failed)).toEqual([])
        expect(yield* (yield* Instances).rootEnabled(failed)).toBe("never")
        expect(recorded).toEqual(["Warn: a report about no valid instance was dropped"])
      })
    )
  )
})

describe("a guest host", () => {
  it.effect("is not made alive by a report that waited, or was sent again", () =>
    run(
      Effect.gen(function* () {
        yield* TestClock.adjust("2 minutes")
        const report = { name: "rack-1", addresses: "10.9.0.0/16", memory_mb: 4096, sent: 59 }
        yield* (yield* conductor).host_report(report).pipe(as("host:rack-1"))
        expect(recorded).toEqual(["Warn: a report of host:rack-1 was dropped: it is older than such a report counts"])
      })
    )
  )

  it.effect("is believed about itself alone", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        const report = { name: "rack-1", addresses: "10.9.0.0/16", memory_mb: 4096, sent: 1 }
        yield* TestClock.adjust("5 seconds")
        yield* (yield* conductor).host_report(report).pipe(as("host:rack-1"))
        yield* (yield* conductor).host_report({ ...report, zone: "az2" }).pipe(as("host:rack-1"))
        yield* (yield* conductor).host_report(report).pipe(as("host:rack-2"))
        yield* beat(id).pipe(as("host:rack-1"))
        expect(yield* seen(id)).toBeNull()
        expect(recorded).toEqual([
          "host rack-1 of nova has 10.9.0.0/16, 4096 MB at 5000",
          "host rack-1 of az2 has 10.9.0.0/16, 4096 MB at 5000",
          "Warn: a report of host:rack-2 about somebody else was dropped",
          "Warn: a report of host:rack-1 about somebody else was dropped"
        ])
      })
    )
  )
})

describe("a guest that reports too often", () => {
  it.effect("is heard so often a minute, and said to be so once; others are heard as ever", () =>
    run(
      Effect.gen(function* () {
        const [loud, calm] = [yield* anInstance(), yield* anInstance()]
        const before = yield* refusals("rate")
        const flood = Effect.gen(function* () {
          for (let n = 0; n < maxReports + 10; n++) {
            yield* TestClock.adjust(1)
            yield* beat(loud, n < maxReports ? "healthy" : "crashed").pipe(as(loud))
          }
        })
        yield* flood
        expect(yield* seen(loud)).toMatchObject({ status: "healthy" })
        expect(logged()).toEqual([`Warn: ${loud} reports more often than it may; for now the rest is dropped`])
        expect((yield* refusals("rate")) - before).toBe(10)
        yield* beat(calm).pipe(as(calm))
        expect(yield* seen(calm)).toMatchObject({ status: "healthy" })
        // Of what else it has to tell, it has told nothing yet.
        yield* failure(loud, "no space", "BackupCreate").pipe(as(loud))
        expect(yield* story(loud)).toHaveLength(1)
        yield* TestClock.adjust("1 minute")
        yield* beat(loud, "crashed").pipe(as(loud))
        expect(yield* seen(loud)).toMatchObject({ status: "crashed" })
      })
    )
  )

  it.effect("by other reports is still alive", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        for (let n = 0; n < maxReports + 10; n++) yield* failure(id, `no space ${n}`, "BackupCreate").pipe(as(id))
        expect(yield* story(id)).toHaveLength(maxReports)
        yield* beat(id).pipe(as(id))
        expect(yield* seen(id)).toMatchObject({ status: "healthy" })
      })
    )
  )
})

describe("a report", () => {
  it.effect("of a backup adds to what is known, and the history tells when its state changes", () =>
    run(
      Effect.gen(function* () {
        const instance_id = yield* anInstance()
        const api = yield* conductor
        const about = { instance_id, backup_id: "b-1" }
        yield* api.update_backup({ ...about, sent: 1, size: 0.2, state: "BUILDING", backup_type: "full" })
        yield* api.update_backup({ ...about, sent: 2, size: 0.3, state: "BUILDING" })
        yield* api.update_backup({ ...about, sent: 3, state: "COMPLETED", checksum: "abc", success: true })
        yield* api.update_backup({ ...about, sent: 3, state: "FAILED" })
        yield* api.update_backup({ ...about, sent: 2, state: "FAILED" })
        yield* api.update_backup({ ...about, backup_id: "b-2", sent: 1, state: "BUILDING" })
        const known = Option.getOrNull(yield* (yield* Observations).backup(instance_id, "b-1"))
        expect(known).toEqual({ size: 0.3, state: "COMPLETED", backup_type: "full", checksum: "abc", success: true })
        expect(yield* story(instance_id)).toEqual([
          "the guest: backup b-1 is BUILDING",
          "the guest: backup b-1 is COMPLETED",
          "the guest: backup b-2 is BUILDING"
        ])
      })
    )
  )

  it.effect("of root shows root as enabled", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* (yield* conductor).report_root({ instance_id: id, user: "root" }).pipe(as(id))
        expect(yield* (yield* Instances).rootEnabled(id)).toBe("enabled")
      })
    )
  )

  it.effect("of a failed create is the reason of a build that fails; of another, a line in the history", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* beat(id, "building")
        yield* failure(id, "no space", "BackupCreate")
        yield* failure(id, "who knows", "SomethingNew")
        expect(yield* seen(id)).toMatchObject({ failure: null })
        yield* failure(id, "no image")
        expect(yield* seen(id)).toMatchObject({ failure: "no image" })
        expect(yield* story(id)).toEqual([
          "the guest: backup create failed: no space",
          "the guest: an operation failed: who knows",
          "the guest: instance create failed: no image"
        ])
      })
    )
  )

  it.effect("of a failure that bears a stamp is heard once", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        yield* beat(id, "building")
        const api = yield* conductor
        for (const kind of ["InstanceCreate", "BackupCreate"]) {
          const notification_classname = `trove.common.notification.DBaaS${kind}`
          for (const sent of [5, 5, 4]) {
            const serialized_notification = { notification_classname, instance_id: id, sent }
            yield* api.notify_exc_info({ serialized_notification, message: `${kind} at ${sent}` })
          }
        }
        expect(yield* seen(id)).toMatchObject({ failure: "InstanceCreate at 5" })
        expect(yield* story(id)).toEqual([
          "the guest: instance create failed: InstanceCreate at 5",
          "the guest: backup create failed: BackupCreate at 5"
        ])
      })
    )
  )

  it.effect("of work that is done is counted, whoever sends it, and leaves nothing", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        const done = { operation: "UserCreate", outcome: "done" }
        const before = yield* counted("coffer_guest_operations", done)
        const notification_classname = "trove.common.notification.DBaaSUserCreate"
        const end = (yield* conductor).notify_end({ serialized_notification: { notification_classname } })
        yield* end.pipe(as(id))
        yield* end
        expect((yield* counted("coffer_guest_operations", done)) - before).toBe(2)
        expect(yield* story(id)).toEqual([])
        expect(recorded).toEqual([])
      })
    )
  )

  it.effect("without a time is taken as the newest, and keeps nothing from being newer", () =>
    run(
      Effect.gen(function* () {
        const id = yield* anInstance()
        const api = yield* conductor
        const say = (service_status: ServiceStatus, sent: number | null) =>
          api.heartbeat({ instance_id: id, payload: { service_status }, sent })
        yield* say("healthy", 100)
        yield* say("crashed", null)
        expect(yield* seen(id)).toMatchObject({ status: "crashed" })
        yield* say("healthy", 100)
        expect(yield* seen(id)).toMatchObject({ status: "crashed" })
        yield* say("healthy", 101)
        expect(yield* seen(id)).toMatchObject({ status: "healthy" })
      })
    )
  )
})
