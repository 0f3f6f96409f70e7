/** An upgrade on virtual time: one of two versions serves, with all of its data, whatever happens on the way. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

/** A database that serves, with something in it. */
const serving = Effect.gen(function* () {
  const { servers } = yield* FakeDatabases
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  servers
    .get(id)
    ?.databases.get("shop")
    ?.set("sold", [{ n: 7 }])
  return id
})

const unfit = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  faults.unfit = (version) => version === "18.4"
})

/** This version serves all that there was; the record says so, and nothing is left of the other one. */
const serves = Effect.fnUntraced(function* (id: InstanceId, version: "18" | "18.4") {
  const { servers } = yield* FakeDatabases
  const home = Option.getOrThrow(yield* (yield* GuestHosts).find(id))
  const record = Option.getOrThrow(yield* (yield* Lifecycles).desired(id))
  expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
  expect(record.datastoreVersion).toBe(version === "18" ? "v-1" : "v-2")
  expect(servers.get(id)).toMatchObject({ version, madeBy: version, port: 5432, running: true, kept: null })
  expect(servers.get(id)?.databases.get("shop")?.get("sold")).toEqual([{ n: 7 }])
  expect(yield* home.notes.release).toMatchObject({ trying: null, kept: false })
  expect(yield* World.unfinished(id)).toEqual([])
})

const why = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) => (entry.kind === "transition" && entry.from === "Upgrading" ? [entry.because] : []))
})

describe("an upgrade", () => {
  it.effect("brings the data to the new version, and removes what it had kept", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        expect(yield* World.upgrade(id)).toBe(true)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["UPGRADE", ""])
        expect(yield* World.upgrade(id)).toBe(false)
        expect(yield* World.restart(id)).toBe(false)
        yield* World.passes("15 seconds")
        yield* serves(id, "18.4")
        expect(yield* why(id)).toEqual(["the new version serves"])
        expect(yield* World.story(id)).toEqual(
          expect.arrayContaining([
            "the guest: the data is being copied",
            "the guest: the new version is being tried on the copy",
            "upgrade: upgrade the database done",
            "upgrade: remove the data of the version before done"
          ])
        )
        // It comes up with it again.
        const { crash } = yield* FakeDatabases
        crash(id)
        yield* World.passes("10 seconds")
        yield* serves(id, "18.4")
      })
    )
  )

  it.effect("needs nothing of the version before the one that serves", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        yield* World.upgrade(id)
        yield* World.passes("15 seconds")
        faults.lost = (version) => version === "18"
        yield* World.upgrade(id)
        yield* World.passes("15 seconds")
        yield* serves(id, "18.4")
        expect(yield* why(id)).toEqual(["the new version serves", "the new version serves"])
        faults.unfit = (version) => version === "18.4"
        yield* World.upgrade(id)
        yield* World.passes("5 seconds")
        faults.unfit = () => false
        yield* World.passes("60 seconds")
        yield* serves(id, "18.4")
      })
    )
  )

  it.effect("to a version that does not come up goes back, and tells why", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* serving
        yield* unfit
        yield* World.upgrade(id)
        yield* World.passes("30 seconds")
        yield* serves(id, "18")
        expect(yield* why(id)).toEqual([
          "the upgrade failed: The database server could not be started.; the version of before serves"
        ])
        expect(yield* World.fault(id)).toBeNull()
      })
    )
  )

  it.effect("without room for a copy touches nothing", () =>
    World.run(
      Effect.gen(function* () {
        const { faults, servers } = yield* FakeDatabases
        const id = yield* serving
        faults.free = 1024
        const run = servers.get(id)?.run
        yield* World.upgrade(id)
        yield* World.passes("10 seconds")
        yield* serves(id, "18")
        expect((yield* why(id))[0]).toMatch(/no room for a copy of the data: it takes \d+ MB, and 1 MB are free/)
        expect(servers.get(id)?.run).toBe(run)
      })
    )
  )

  it.effect("that takes too long is called off, and the version of before serves", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* serving
        faults.startTime = Duration.hours(3)
        yield* World.upgrade(id)
        yield* World.passes("119 minutes", "1 minute")
        expect(yield* World.status(id)).toBe("UPGRADE")
        faults.startTime = Duration.seconds(1)
        yield* World.passes("4 minutes", "5 seconds")
        yield* serves(id, "18")
        expect((yield* why(id)).at(-1)).toMatch(/^the upgrade passed its deadline.*; the version of before serves$/)
      })
    )
  )

  it.effect("is given up by a delete at once", () =>
    World.run(
      Effect.gen(function* () {
        const { servers } = yield* FakeDatabases
        const id = yield* serving
        yield* World.upgrade(id)
        yield* World.passes("1500 millis")
        yield* World.remove(id)
        yield* World.passes("20 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(servers.has(id)).toBe(false)
      })
    )
  )

  it.effect("goes on in another process when the first one is killed in the middle of it", () =>
    World.runWithDeath(
      (call, step) => call === "ended" && step === "upgrade the database",
      Effect.gen(function* () {
        const id = yield* serving
        yield* World.upgrade(id)
        yield* World.passes("20 seconds")
        return id
      }),
      (id) =>
        Effect.gen(function* () {
          yield* World.passes("30 seconds")
          yield* serves(id, "18.4")
        })
    )
  )
})
