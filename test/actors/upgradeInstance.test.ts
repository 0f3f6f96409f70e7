/** An upgrade on virtual time: one of two versions serves, with all of its data, whatever happens on the way. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { becauses, filled, serves } from "./inServiceOperations.ts"

const unfit = Effect.gen(function* () {
  const { faults } = yield* FakeDatabases
  faults.unfit = (version) => version === "18.4"
})

describe("an upgrade", () => {
  it.effect("brings the data to the new version, and removes what it had kept", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* filled
        expect(yield* World.upgrade(id)).toBe(true)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["UPGRADE", ""])
        expect(yield* World.upgrade(id)).toBe(false)
        expect(yield* World.restart(id)).toBe(false)
        yield* World.passes("15 seconds")
        yield* serves(id, "18.4")
        expect(yield* becauses(id, "Upgrading")).toEqual(["the new version serves"])
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
        const id = yield* filled
        yield* World.upgrade(id)
        yield* World.passes("15 seconds")
        faults.lost = (version) => version === "18"
        yield* World.upgrade(id)
        yield* World.passes("15 seconds")
        yield* serves(id, "18.4")
        expect(yield* becauses(id, "Upgrading")).toEqual(["the new version serves", "the new version serves"])
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
        const id = yield* filled
        yield* unfit
        yield* World.upgrade(id)
        yield* World.passes("30 seconds")
        yield* serves(id, "18")
        expect(yield* becauses(id, "Upgrading")).toEqual([
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
        const id = yield* filled
        faults.free = 1024
        const run = servers.get(id)?.run
        yield* World.upgrade(id)
        yield* World.passes("10 seconds")
        yield* serves(id, "18")
        expect((yield* becauses(id, "Upgrading"))[0]).toMatch(
          /no room for a copy of the data: it takes \d+ MB, and 1 MB are free/
        )
        expect(servers.get(id)?.run).toBe(run)
      })
    )
  )

  it.effect("that takes too long is called off, and the version of before serves", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* filled
        faults.startTime = Duration.hours(3)
        yield* World.upgrade(id)
        yield* World.passes("119 minutes", "1 minute")
        expect(yield* World.status(id)).toBe("UPGRADE")
        faults.startTime = Duration.seconds(1)
        yield* World.passes("4 minutes", "5 seconds")
        yield* serves(id, "18")
        expect((yield* becauses(id, "Upgrading")).at(-1)).toMatch(
          /^the upgrade passed its deadline.*; the version of before serves$/
        )
      })
    )
  )
})
