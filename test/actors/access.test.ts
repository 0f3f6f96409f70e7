/** Who may reach an instance, on its way to where that is enforced, on virtual time. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Accesses } from "../../src/services/Accesses.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Switching } from "../../src/services/Switching.ts"
import { catalog } from "../kit/ControlPlane.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

const ours = { allowed_cidrs: ["10.1.0.0/16", "10.0.0.0/8"] }

/** What it was made of is operated by agents of Trove's. */
const troves: CatalogContents = {
  ...catalog,
  datastores: catalog.datastores.map((datastore) => ({
    ...datastore,
    versions: datastore.versions.map((version) => ({ ...version, agent: "trove" as const }))
  }))
}

/** What the api does; the news of it is lost. */
const request = Effect.fnUntraced(function* (id: InstanceId, access: object) {
  yield* (yield* Accesses).request(id, access)
})

const enforced = (id: InstanceId) =>
  Effect.map(FakeDatabases, ({ firewall }) => firewall.guards.get(id)?.networks ?? [])

const isAtRest = Effect.fnUntraced(function* (id: InstanceId, status: string) {
  expect(yield* World.status(id)).toBe(status)
  expect(yield* World.unfinished(id)).toEqual([])
})

const restrictions = (id: InstanceId) =>
  Effect.map(World.entries(id), (entries) =>
    entries.flatMap((entry) =>
      entry.kind === "step" && entry.step === "restrict who reaches it" ? [[entry.outcome, entry.error]] : []
    )
  )

describe("who may reach an instance", () => {
  it.effect("is enforced where it is changed, and let go of with the instance", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        yield* request(id, ours)
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* enforced(id)).toEqual(["10.0.0.0/8"])
        yield* request(id, {})
        yield* World.passes("5 seconds")
        expect(yield* enforced(id)).toEqual([])
        yield* request(id, ours)
        yield* World.passes("5 seconds")
        yield* World.remove(id)
        yield* World.passes("10 seconds")
        expect(yield* enforced(id)).toEqual([])
      })
    )
  )

  it.effect("is enforced before a database is started that is ordered so", () =>
    World.run(
      Effect.gen(function* () {
        const { servers } = yield* FakeDatabases
        const id = yield* World.create(["shop"])
        yield* request(id, ours)
        while ((yield* restrictions(id))[0]?.[0] !== "done") {
          expect(servers.has(id)).toBe(false)
          yield* World.passes("20 millis", "20 millis")
        }
        expect(yield* enforced(id)).toEqual(["10.0.0.0/8"])
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "ACTIVE")
      })
    )
  )

  it.effect("fails, and says so, where nothing can enforce it; a restart tries again", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        const { firewall } = yield* FakeDatabases
        firewall.faults.isMissing = true
        yield* request(id, ours)
        yield* World.passes("5 seconds")
        yield* isAtRest(id, "RESTART_REQUIRED")
        const message = "The machine of the database cannot restrict who reaches it (allowed_cidrs)."
        expect(yield* restrictions(id)).toEqual([["failed", message]])
        const last = (yield* World.entries(id)).findLast(({ kind }) => kind === "transition")
        expect(last).toMatchObject({ from: "Configuring", because: `the configuration failed: ${message}` })
        expect(yield* World.restart(id)).toBe(true)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "RESTART_REQUIRED")
        firewall.faults.isMissing = false
        expect(yield* World.restart(id)).toBe(true)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* enforced(id)).toEqual(["10.0.0.0/8"])
      })
    )
  )

  it.effect("is enforced by the start of a database that was stopped when it changed, which else is not started", () =>
    World.run(
      Effect.gen(function* () {
        const { firewall } = yield* FakeDatabases
        const id = yield* World.serving
        const switching = yield* Switching
        expect(yield* switching.requestStop(id)).toBe(true)
        yield* World.passes("10 seconds")
        yield* request(id, ours)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "SHUTDOWN")
        expect(yield* enforced(id)).toEqual([])
        firewall.faults.isMissing = true
        expect(yield* switching.requestStart(id)).toBe(true)
        yield* World.passes("30 seconds")
        yield* isAtRest(id, "SHUTDOWN")
        firewall.faults.isMissing = false
        expect(yield* switching.requestStart(id)).toBe(true)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* enforced(id)).toEqual(["10.0.0.0/8"])
      })
    )
  )

  it.effect("is not asked of an agent of Trove's, whatever a record from before says, which starts, and restarts", () =>
    Effect.gen(function* () {
      const id = yield* Effect.gen(function* () {
        yield* World.passes("200 millis")
        const id = yield* World.serving
        expect(yield* World.stop(id)).toBe(true)
        yield* World.passes("10 seconds")
        yield* request(id, ours)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "SHUTDOWN")
        return id
      }).pipe(Effect.scoped, Effect.provide(World.process))
      yield* Effect.gen(function* () {
        yield* World.passes("200 millis")
        // It plays an agent that does not know the call.
        const { firewall } = yield* FakeDatabases
        firewall.faults.isMissing = true
        expect(yield* World.start(id)).toBe(true)
        yield* World.passes("40 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* World.restart(id)).toBe(true)
        yield* World.passes("10 seconds")
        yield* isAtRest(id, "ACTIVE")
        expect(yield* restrictions(id)).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(World.processWith(troves)))
    }).pipe(Effect.provide(World.surviving))
  )

  it.effect("is the end of a build that nothing can enforce it for", () =>
    World.run(
      Effect.gen(function* () {
        const { firewall, servers } = yield* FakeDatabases
        firewall.faults.isMissing = true
        const id = yield* World.create(["shop"])
        yield* request(id, ours)
        yield* World.passes("10 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect((yield* World.fault(id))?.message).toContain("cannot restrict who reaches it")
        expect(servers.has(id)).toBe(false)
      })
    )
  )

  it.effect("is enforced again before the database of a machine that came back is started", () =>
    World.runWithDeath(
      (call, step) => call === "ended" && step === "apply the configuration",
      Effect.gen(function* () {
        const id = yield* World.serving
        yield* request(id, ours)
        yield* World.passes("10 seconds")
        return id
      }),
      (id) =>
        Effect.gen(function* () {
          yield* World.passes("10 seconds")
          expect(yield* enforced(id)).toEqual(["10.0.0.0/8"])
          yield* isAtRest(id, "ACTIVE")
          const desired = yield* (yield* Instances).get("any", id)
          expect(desired).toMatchObject({ value: { desired: { access: ours } } })
        })
    )
  )
})
