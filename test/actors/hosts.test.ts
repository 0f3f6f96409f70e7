/** Databases on many machines, on virtual time: where they are put, and what becomes of them when machines go. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option } from "effect"
import { MessageStorage } from "effect/cluster"
import { OperatorRequests } from "../../src/actors/OperatorRequests.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { GuestHostDirectory } from "../../src/services/GuestHostDirectory.ts"
import { Placements } from "../../src/services/Placements.ts"
import * as Fleet from "../kit/Fleet.ts"
import * as World from "../kit/World.ts"

const hostOf = (id: Parameters<typeof World.status>[0]) =>
  Effect.flatMap(Placements, (placements) =>
    Effect.map(placements.find(id), (placement) => Option.getOrNull(placement)?.host ?? null)
  )

describe("databases on many machines", () => {
  it.effect("are put where there is most room, each with a key of its own, and leave nothing", () =>
    Fleet.run(
      Effect.gen(function* () {
        const [big, small] = [
          yield* Fleet.machine("big", "10.1.0.0/24", 1100),
          yield* Fleet.machine("small", "10.2.0.0/24", 1000)
        ]
        yield* big.start
        yield* small.start
        yield* World.passes("1 second")
        const one = yield* World.create(["shop"])
        yield* World.passes("5 seconds")
        const other = yield* World.create()
        yield* World.passes("5 seconds")
        expect([yield* World.status(one), yield* World.status(other)]).toEqual(["ACTIVE", "ACTIVE"])
        expect([yield* World.operatingStatus(one), yield* hostOf(one)]).toEqual(["HEALTHY", "big"])
        expect([yield* World.operatingStatus(other), yield* hostOf(other)]).toEqual(["HEALTHY", "small"])
        expect(big.databases.servers.get(one)?.address).toBe("10.1.0.1")
        expect(big.databases.servers.get(one)?.databases.has("shop")).toBe(true)
        expect([...big.keys]).toEqual([[one, Fleet.keyOf(one)]])
        expect([...small.keys]).toEqual([[other, Fleet.keyOf(other)]])

        yield* World.remove(one)
        yield* World.passes("5 seconds")
        expect(yield* World.status(one)).toBeNull()
        expect([big.databases.servers.size, big.keys.size]).toEqual([0, 0])
        expect(yield* big.homes.list).toEqual([])
        expect([...(yield* Fleet.Admitted).instances]).toEqual([other])
        expect(yield* hostOf(one)).toBeNull()
        const { journal, requests } = yield* MessageStorage.MemoryDriver
        const kept = JSON.stringify([journal, [...requests.values()].map(({ replies }) => replies)])
        expect(kept).toContain("10.1.0.1")
        expect(kept).not.toContain("key-of-")
      })
    )
  )

  it.effect("wait for a machine while there is none, and the history says so", () =>
    Fleet.run(
      Effect.gen(function* () {
        const id = yield* World.create()
        yield* World.passes("5 minutes", "1 second")
        expect(yield* World.status(id)).toBe("BUILD")
        const tried = (yield* World.entries(id)).filter((entry) => entry.kind === "step")
        expect(tried[0]).toMatchObject({
          step: "allocate an address",
          outcome: "failed",
          error: "No machine can take another database now; the build waits for one.",
          detail: "no guest host is alive"
        })
        expect(tried.at(-1)?.waitsFor ?? "a guest host").toContain("a guest host")
        const late = yield* Fleet.machine("late", "10.3.0.0/24")
        yield* late.start
        yield* World.passes("40 seconds")
        expect(yield* World.status(id)).toBe("ACTIVE")
      })
    )
  )

  it.effect("live in the zone that was asked for, also when they are built anew, and wait for a machine of it", () =>
    Fleet.run(
      Effect.gen(function* () {
        yield* (yield* Fleet.machine("big", "10.1.0.0/24", 9000)).start
        const other = yield* Fleet.machine("other", "10.2.0.0/24", 1000, "az2")
        yield* other.start
        yield* World.passes("1 second")
        other.databases.faults.startFails = new RuntimeError({ message: "It broke.", detail: "", transient: false })
        const id = yield* World.create([], null, "az2")
        yield* World.passes("1 minute")
        expect(yield* World.status(id)).toBe("ERROR")
        yield* other.cut
        other.databases.faults.startFails = null
        yield* World.passes("90 seconds", "1 second")
        yield* (yield* OperatorRequests).ask(id, "retry", "ann")
        yield* World.passes("90 seconds", "1 second")
        expect([yield* World.status(id), yield* hostOf(id)]).toEqual(["BUILD", null])
        expect(yield* World.entries(id)).toContainEqual(
          expect.objectContaining({
            step: "allocate an address",
            error: "No machine of the availability zone az2 can take another database now; the build waits for one.",
            detail: "no guest host of the zone az2 is alive"
          })
        )
        yield* other.start
        yield* World.passes("1 minute")
        expect([yield* World.status(id), yield* hostOf(id)]).toEqual(["ACTIVE", "other"])
      }).pipe(Effect.provide(OperatorRequests.layer))
    )
  )

  it.effect("need not wait any longer when they are not wanted any more", () =>
    Fleet.run(
      Effect.gen(function* () {
        const id = yield* World.create()
        yield* World.passes("3 minutes", "1 second")
        yield* World.remove(id)
        yield* World.passes("40 seconds")
        expect(yield* World.status(id)).toBeNull()
        expect(yield* World.unfinished(id)).toEqual([])
      })
    )
  )

  it.effect("come up again with their machine, and none is put on one that is silent", () =>
    Fleet.run(
      Effect.gen(function* () {
        const lost = yield* Fleet.machine("a-lost", "10.4.0.0/24", 9000)
        yield* lost.start
        yield* World.passes("1 second")
        const resident = yield* World.create()
        yield* World.passes("5 seconds")
        yield* lost.cut
        const spare = yield* Fleet.machine("spare", "10.5.0.0/24", 1000)
        yield* spare.start
        yield* World.passes("65 seconds", "1 second")
        const next = yield* World.create()
        yield* World.passes("10 seconds")
        expect([yield* World.status(next), yield* hostOf(next)]).toEqual(["ACTIVE", "spare"])
        yield* World.passes("4 minutes", "1 second")
        expect(yield* World.operatingStatus(resident)).toBe("ERROR")

        yield* lost.start
        yield* World.passes("10 seconds")
        expect([yield* World.operatingStatus(resident), yield* hostOf(resident)]).toEqual(["HEALTHY", "a-lost"])
        expect([...lost.keys]).toEqual([[resident, Fleet.keyOf(resident)]])
        expect(lost.databases.initialised(resident)).toBe(1)
      })
    )
  )

  it.effect("are made after all when their machine was away for a moment, and once", () =>
    Fleet.run(
      Effect.gen(function* () {
        const host = yield* Fleet.machine("host", "10.6.0.0/24")
        yield* host.start
        yield* World.passes("1 second")
        const admitted = yield* Fleet.Admitted
        admitted.meanwhile = host.cut
        const id = yield* World.create()
        yield* World.passes("20 seconds")
        expect(yield* World.status(id)).toBe("BUILD")
        expect(yield* World.entries(id)).toContainEqual(
          expect.objectContaining({ error: "The machine of the database cannot be reached." })
        )
        admitted.meanwhile = Effect.void
        yield* host.start
        yield* World.passes("1 minute")
        expect(yield* World.status(id)).toBe("ACTIVE")
        expect(host.databases.initialised(id)).toBe(1)
      })
    )
  )

  it.effect("that could not be made, nor taken back for their machine was away, go with the delete", () =>
    Fleet.run(
      Effect.gen(function* () {
        const host = yield* Fleet.machine("host", "10.10.0.0/24")
        host.databases.faults.startTime = Duration.hours(2)
        yield* host.start
        yield* World.passes("1 second")
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        yield* host.cut
        yield* World.passes("60 minutes", "5 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        expect([yield* hostOf(id), (yield* Fleet.Admitted).instances.has(id)]).toEqual(["host", false])
        yield* host.start
        yield* World.remove(id)
        yield* World.passes("1 minute")
        expect(yield* World.status(id)).toBeNull()
        expect([host.databases.servers.size, (yield* host.homes.list).length, yield* hostOf(id)]).toEqual([0, 0, null])
      })
    )
  )

  it.effect("lose their access at once when they are deleted, and go when their machine is back", () =>
    Fleet.run(
      Effect.gen(function* () {
        const host = yield* Fleet.machine("host", "10.7.0.0/24")
        yield* host.start
        yield* World.passes("1 second")
        const id = yield* World.create()
        yield* World.passes("5 seconds")
        yield* host.cut
        yield* World.remove(id)
        yield* World.passes("10 seconds")
        expect(yield* World.status(id)).toBe("SHUTDOWN")
        // Whoever has the machine cannot enter any more, and the machine is remembered.
        expect([yield* hostOf(id), (yield* Fleet.Admitted).instances.has(id)]).toEqual(["host", false])
        yield* host.start
        yield* World.passes("1 minute")
        expect(yield* World.status(id)).toBeNull()
        expect(yield* host.homes.list).toEqual([])
        expect([host.databases.servers.size, host.keys.size, yield* hostOf(id)]).toEqual([0, 0, null])
        expect((yield* Fleet.Admitted).instances.size).toBe(0)
      })
    )
  )
})

describe("a machine", () => {
  it.effect("tells again and again that it is alive", () =>
    Fleet.run(
      Effect.gen(function* () {
        const host = yield* Fleet.machine("host", "10.8.0.0/24", 2048)
        yield* host.start
        const directory = yield* GuestHostDirectory
        for (const millis of [1000, 16_000, 31_000]) {
          yield* World.passes(millis === 1000 ? "1 second" : "15 seconds")
          expect(yield* directory.live(millis - 2000)).toEqual([
            { name: "host", addresses: "10.8.0.0/24", memoryMb: 2048, zone: "nova", usedMb: 0 }
          ])
        }
      })
    )
  )

  it.effect("does not start where no database can live", () =>
    Fleet.run(
      Effect.gen(function* () {
        for (const [name, addresses, reason] of [
          ["no host", "10.9.0.0/24", "no host can be called"],
          ["command", "10.9.0.0/24", "is kept"],
          ["host", "10.9.0.1/24", "must be a network"]
        ] as const) {
          const error = yield* Effect.flip((yield* Fleet.machine(name, addresses)).start)
          expect(error.message).toContain(reason)
        }
      })
    )
  )
})
