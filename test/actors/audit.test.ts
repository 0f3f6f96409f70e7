/** Audits of a whole control plane on virtual time: what nobody owns is found and taken back, what is in the making is not. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Redacted } from "effect"
import { Auditor } from "../../src/actors/Auditor.ts"
import { AuditListener } from "../../src/actors/Audits.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { Fixes } from "../../src/actors/Remedies.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import type { AuditReport } from "../../src/services/Audit.ts"
import { AuditApi, auditTopic } from "../../src/services/AuditApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { Placements } from "../../src/services/Placements.ts"
import { serverSpec } from "../conformance/guestHosts.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as Fleet from "../kit/Fleet.ts"
import * as World from "../kit/World.ts"

const stray = InstanceId.make("aaaaaaaa-0000-4000-8000-000000000001")

/** An audit, with the time that its second look and what it puts right take. */
const audit = Effect.fnUntraced(function* (fixes: Fixes = "nothing") {
  const auditor = yield* Auditor
  const running = yield* Effect.forkChild(auditor.audit(fixes))
  yield* World.passes("15 seconds", "1 second")
  return yield* Fiber.join(running)
})

const told = ({ findings }: AuditReport) =>
  findings.map(({ finding, instance, outcome, place, resource }) =>
    [finding, resource, place, instance, ...(outcome === null ? [] : [outcome])].join(" ")
  )

/** A home with its server that nobody ordered, as a machine has it that was away for a delete. */
const leave = Effect.fnUntraced(function* (
  id: InstanceId,
  homes: GuestHosts["Service"],
  { runtime }: FakeDatabases["Service"]
) {
  const spec = serverSpec(id)
  const { volume } = yield* homes.ensure(spec, null, "process")
  const adminPassword = Redacted.make("admin")
  yield* runtime.start(
    { ...spec, volume, datastore: "postgresql", port: 5432, adminPassword, settings: {} },
    () => Effect.void
  )
})

const begun = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(effect)
    yield* World.passes("5 seconds")
    return yield* Fiber.join(running)
  })

describe("an audit", () => {
  it.effect("finds nothing where all is well, whatever an instance is at", () =>
    World.run(
      Effect.gen(function* () {
        const [up, gone] = [yield* World.create(["shop"]), yield* World.create()]
        yield* World.passes("10 seconds")
        yield* World.remove(gone)
        yield* World.passes("10 seconds")
        expect([yield* World.status(up), yield* World.status(gone)]).toEqual(["ACTIVE", null])
        const report = yield* audit()
        expect(report).toMatchObject({ findings: [], unseen: [], total: 0 })
        expect(report.looked).toEqual(["host local", "the store"])
      })
    )
  )

  it.effect("does not touch what is in the making", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        faults.startTime = Duration.minutes(5)
        const id = yield* World.create()
        yield* World.passes("10 seconds")
        expect(yield* World.status(id)).toBe("BUILD")
        expect((yield* (yield* GuestHosts).list).length).toBe(1)
        expect(told(yield* audit("everything"))).toEqual([])
        expect((yield* (yield* GuestHosts).list).length).toBe(1)
        yield* World.passes("6 minutes", "1 second")
        expect(yield* World.status(id)).toBe("ACTIVE")
        expect(servers.size).toBe(1)
      })
    )
  )

  it.effect("finds a server that nobody owns, and removes it when it is to, and nothing else", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.create()
        yield* World.passes("10 seconds")
        const homes = yield* GuestHosts
        const databases = yield* FakeDatabases
        yield* begun(leave(stray, homes, databases))
        const both = [`orphan home host local ${stray}`, `orphan process host local ${stray}`]
        expect(told(yield* audit())).toEqual(both)
        expect(databases.servers.has(stray)).toBe(true)
        expect(told(yield* audit("everything"))).toEqual(both.map((line) => `${line} done`))
        expect([...databases.servers.keys()]).toEqual([id])
        expect((yield* homes.list).map(({ spec }) => spec.instanceId)).toEqual([id])
        expect(told(yield* audit())).toEqual([])
        expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
      })
    )
  )

  it.effect("leaves what holds data, unless it is told to remove that as well", () =>
    World.run(
      Effect.gen(function* () {
        const databases = yield* FakeDatabases
        yield* begun(leave(stray, yield* GuestHosts, databases))
        const id = yield* World.create()
        yield* World.passes("10 seconds")
        // As of an older store, to which the build had failed; what was deleted by then is not wanted back.
        const lifecycles = yield* Lifecycles
        const { generation } = yield* Effect.orDie(Effect.fromOption(yield* lifecycles.load(id)))
        const fault = { message: "no", details: null, at: 0 }
        const state = { _tag: "Failed" as const, fault, previous: null, again: "build" as const }
        yield* lifecycles.commit(id, { generation, state, transition: null, handled: [] })
        yield* World.passes("1 second")
        const parts = ["home host local", "process host local"]
        const both = [...parts, "address the store"].map((line) => `orphan ${line} ${id}`)
        expect(told(yield* audit("but data"))).toEqual(
          [
            ...both.map((line) => `${line} left`),
            `orphan observation the store ${id} done`,
            ...parts.map((line) => `orphan ${line} ${stray} left`)
          ].toSorted((one, other) => (one.includes(id) === other.includes(id) ? 0 : one.includes(id) ? -1 : 1))
        )
        expect([...databases.servers.keys()].toSorted()).toEqual([id, stray].toSorted())
        yield* lifecycles.commit(id, {
          generation: generation + 1,
          state: { _tag: "Deleted", at: 0 },
          transition: null,
          handled: []
        })
        yield* World.passes("1 second")
        expect(told(yield* audit("but data"))).toEqual(
          expect.arrayContaining([...both.map((line) => `${line} done`), `orphan home host local ${stray} left`])
        )
        expect([...databases.servers.keys()]).toEqual([stray])
      })
    )
  )

  it.effect("finds a process whose home is gone, and ends it", () =>
    World.run(
      Effect.gen(function* () {
        const homes = yield* GuestHosts
        const databases = yield* FakeDatabases
        yield* begun(leave(stray, homes, databases))
        yield* homes.remove(stray)
        expect(told(yield* audit("everything"))).toEqual([`orphan process host local ${stray} done`])
        expect(databases.servers.size).toBe(0)
      })
    )
  )

  it.effect("tells of a server that is lost, and can do nothing about it", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.create()
        yield* World.passes("10 seconds")
        yield* (yield* GuestHosts).remove(id)
        const { findings } = yield* audit("everything")
        expect(findings).toEqual([
          expect.objectContaining({ finding: "missing", resource: "home", host: "local", remedy: null, outcome: null })
        ])
        expect(yield* World.status(id)).toBe("ACTIVE")
      })
    )
  )

  it.effect("releases the address of what is deleted only with its server, and writes it into the history", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.create()
        yield* World.passes("10 seconds")
        // Somebody says that it is deleted who has removed nothing.
        const lifecycles = yield* Lifecycles
        const { generation } = yield* Effect.orDie(Effect.fromOption(yield* lifecycles.load(id)))
        yield* lifecycles.commit(id, { generation, state: { _tag: "Deleted", at: 0 }, transition: null, handled: [] })
        const { faults, servers } = yield* FakeDatabases
        faults.removeFails = new RuntimeError({ message: "The engine is away.", detail: "no answer", transient: true })
        const left = ["home host local", "process host local", "address the store", "hold the store"]
        yield* World.passes("1 second")
        const failed = yield* audit("everything")
        expect(told(failed)).toEqual(
          left.map((line) => `orphan ${line} ${id} ${line.startsWith("hold") ? "done" : "failed"}`)
        )
        expect(failed.findings[0]?.detail).toBe("The engine is away. no answer")
        expect((yield* (yield* Placements).find(id))._tag).toBe("Some")

        faults.removeFails = null
        expect(told(yield* audit("everything"))).toEqual(left.slice(0, 3).map((line) => `orphan ${line} ${id} done`))
        expect([servers.size, (yield* (yield* Placements).find(id))._tag]).toEqual([0, "None"])
        const story = yield* World.story(id)
        expect(story).toContain("the audit: orphan home: could not be put right: The engine is away.")
        expect(story).toContain("the audit: orphan home: put right")
      })
    )
  )

  it.effect("is had over the fabric, and made every while by itself, which puts nothing right", () => {
    const heard: Array<AuditReport | null> = []
    return World.run(
      Effect.gen(function* () {
        const databases = yield* FakeDatabases
        yield* begun(leave(stray, yield* GuestHosts, databases))
        yield* World.passes("61 minutes", "5 seconds")
        expect(heard.map((report) => report?.total)).toEqual([2])
        expect(databases.servers.has(stray)).toBe(true)
        const asked = yield* Effect.forkChild(
          (yield* Fabric).client(auditTopic, AuditApi).audit({ fix: true, remove_data: true })
        )
        yield* World.passes("15 seconds", "1 second")
        expect((yield* Fiber.join(asked)).findings.map(({ outcome }) => outcome)).toEqual(["done", "done"])
      })
    ).pipe(Effect.provideService(AuditListener, (report) => Effect.sync(() => void heard.push(report))))
  })
})

describe("an audit of many machines", () => {
  it.effect("lists a machine that does not answer as not looked at, and takes nothing of it for gone", () =>
    Fleet.run(
      Effect.gen(function* () {
        const [near, far] = [
          yield* Fleet.machine("near", "10.1.0.0/24"),
          yield* Fleet.machine("far", "10.2.0.0/24", 9000)
        ]
        yield* near.start
        yield* far.start
        yield* World.passes("1 second")
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        yield* begun(leave(stray, near.homes, near.databases))
        yield* far.cut
        const report = yield* audit("everything")
        expect(told(report)).toEqual([`orphan home host near ${stray} done`, `orphan process host near ${stray} done`])
        expect(report.unseen).toEqual([{ place: "host far", reason: expect.stringContaining("cannot be reached") }])
        expect(yield* World.status(id)).toBe("ACTIVE")
        yield* far.start
        yield* World.passes("1 second")
        expect(yield* audit()).toMatchObject({
          findings: [],
          unseen: [],
          looked: ["host far", "host near", "the broker", "the store"]
        })
      })
    )
  )

  it.effect("gives a guest its login again, and takes back one that is nobody's", () =>
    Fleet.run(
      Effect.gen(function* () {
        const host = yield* Fleet.machine("host", "10.1.0.0/24")
        yield* host.start
        yield* World.passes("1 second")
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        const { instances } = yield* Fleet.Admitted
        instances.delete(id)
        instances.add(stray)
        expect(told(yield* audit("everything")).toSorted()).toEqual([
          `missing login the broker ${id} done`,
          `orphan login the broker ${stray} done`
        ])
        expect([...instances]).toEqual([id])
      })
    )
  )
})
