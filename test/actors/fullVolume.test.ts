/** Volumes that fill up, and databases that are down for it: what their tenants read, and what becomes of them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { gigabyte } from "../../src/guest/VolumeWatch.ts"
import { MemoryVolumes } from "../../src/layers/memory/MemoryGuestHosts.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

/** The volume, of 1 GB, is full to this part of it. */
const fillTo = (id: InstanceId, part: number) => Effect.map(MemoryVolumes, (used) => void used.set(id, part * gigabyte))

/** What was said of the volume, without its time. */
const said = (id: InstanceId) =>
  Effect.map(World.entries(id), (entries) =>
    entries.flatMap((entry) => (entry.kind === "report" && entry.text.includes("volume") ? [entry.text] : []))
  )

const noRoom = new RuntimeError({
  message: "The database server could not be started.",
  detail: "ENOSPC",
  transient: true
})

describe("a volume that fills up", () => {
  it.effect("is told before it is full, each part once, and again when it has had room meanwhile", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        const ninety = "the guest: the volume is 91 % full (0.9 of 1 GB used): resize it"
        const most = "the guest: the volume is 98 % full (1.0 of 1 GB used): resize it"
        for (const [part, lines] of [
          [0.5, []],
          [0.915, [ninety]],
          [0.88, [ninety]],
          [0.915, [ninety]],
          [0.985, [ninety, most]],
          [0.95, [ninety, most]],
          [0.2, [ninety, most]],
          [0.985, [ninety, most, most]]
        ] as const) {
          yield* fillTo(id, part)
          yield* World.passes("1 minute")
          expect(yield* said(id)).toEqual(lines)
        }
        expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
      })
    )
  )

  it.effect("is not started into again and again, and comes up by itself when there is room", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults, initialised, servers } = yield* FakeDatabases
        const id = yield* World.serving
        yield* fillTo(id, 1)
        faults.startFails = noRoom
        crash(id)
        yield* World.passes("1 minute", "1 second")
        const down = "the guest: the database is down: the volume is full (1.0 of 1 GB used): resize it"
        expect((yield* said(id)).filter((text) => text === down)).toHaveLength(1)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "SHUTDOWN"])
        const before = (yield* World.story(id)).length
        yield* World.passes("30 minutes", "10 seconds")
        expect((yield* World.story(id)).length).toBe(before)
        faults.startFails = null
        yield* fillTo(id, 0.5)
        yield* World.passes("1 minute", "1 second")
        expect(yield* said(id)).toContain("the guest: the volume has room again")
        expect(yield* World.operatingStatus(id)).toBe("HEALTHY")
        expect([initialised(id), servers.get(id)?.databases.has("shop")]).toEqual([1, true])
      })
    )
  )

  it.effect("keeps no delete waiting", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults, servers } = yield* FakeDatabases
        const id = yield* World.serving
        yield* fillTo(id, 1)
        faults.startFails = noRoom
        crash(id)
        yield* World.passes("1 minute", "1 second")
        yield* World.remove(id)
        yield* World.passes("1 minute", "1 second")
        expect(servers.has(id)).toBe(false)
      })
    )
  )
})
