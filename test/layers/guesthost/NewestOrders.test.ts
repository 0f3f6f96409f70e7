import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { replayFile } from "../../../src/layers/embedded/ReplayFile.ts"
import * as NewestOrders from "../../../src/layers/guesthost/NewestOrders.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-orders-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

describe("orders for servers", () => {
  it.effect("are late when a newer one for the same server was heard", () =>
    Effect.gen(function* () {
      const newest = yield* NewestOrders.make(NewestOrders.unkept)
      yield* newest.hear("a", 5)
      expect(newest.isLate("a", 5)).toBe(false)
      yield* newest.hear("a", 7)
      yield* newest.hear("a", 6)
      expect([5, 6, 7, 8].map((order) => newest.isLate("a", order))).toEqual([true, true, false, false])
      expect(newest.isLate("b", 1)).toBe(false)
    })
  )

  it.effect(
    "are remembered one by one up to a bound; of all others, all that are older than one forgotten are late",
    () =>
      Effect.gen(function* () {
        const newest = yield* NewestOrders.make(NewestOrders.unkept)
        for (let n = 0; n < NewestOrders.maxRemembered; n++) yield* newest.hear(`server-${n}`, 9)
        yield* newest.hear("server-0", 9)
        yield* newest.hear("another", 20)
        expect(newest.isLate("server-0", 1)).toBe(true)
        expect(["server-1", "unknown"].map((server) => newest.isLate(server, 8))).toEqual([true, true])
        expect(["server-1", "unknown"].map((server) => newest.isLate(server, 9))).toEqual([false, false])
      })
  )

  it.live("are late as well when the newer one was heard by a process that was killed since", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "orders")
      const before = yield* NewestOrders.make(replayFile(path))
      yield* Effect.all([before.hear("a", 5), before.hear("b", 7), before.hear("a", 6)], { concurrency: 3 })
      // Nothing is told to it: what it has heard is on the disk.
      const after = yield* NewestOrders.make(replayFile(path))
      expect([after.isLate("a", 5), after.isLate("b", 6), after.isLate("b", 7)]).toEqual([true, true, false])
      // Whoever is there still asks again with a newer number, and is heard.
      yield* after.hear("a", 8)
      expect([after.isLate("a", 7), after.isLate("a", 8)]).toEqual([true, false])
      expect(readFileSync(path, "utf8")).toBe("8")
      yield* after.hear("a", 3)
      expect(readFileSync(path, "utf8")).toBe("8")
    }).pipe(Effect.scoped)
  )

  it.live("are carried out when the disk is full, and the file is not taken for nothing when it is damaged", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "orders")
      const full = NewestOrders.make({ ...replayFile(path), write: () => Effect.die(new Error("ENOSPC")) })
      const newest = yield* full
      yield* newest.hear("a", 5)
      expect([newest.isLate("a", 5), newest.isLate("a", 4)]).toEqual([false, true])
      writeFileSync(path, "half of a numb")
      expect(String(yield* Effect.flip(Effect.sandbox(NewestOrders.make(replayFile(path)))))).toContain("damaged")
    }).pipe(Effect.scoped)
  )
})
