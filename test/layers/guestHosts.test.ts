import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as FolderGuestHosts from "../../src/layers/embedded/FolderGuestHosts.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import type { DiskTrouble } from "../../src/services/Disk.ts"
import { SmallDisk } from "../chaos/SmallDisk.ts"
import { fullDiskConformance, guestHostsConformance } from "../conformance/guestHosts.ts"

const opened = (layer: Layer.Layer<GuestHosts>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, GuestHosts))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-homes-"))),
  (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
)

guestHostsConformance(
  "homes in folders",
  Effect.map(folder, (root) => opened(FolderGuestHosts.layer(root)))
)
// What is in memory outlives the process that a test plays, not the test's own.
guestHostsConformance(
  "homes in memory",
  Effect.map(opened(MemoryGuestHosts.layer), (hosts) => Effect.succeed(hosts))
)

/** A file system of its own; the reason where this machine lets nobody have one. */
const smallDisk = (root: string) => SmallDisk.make(root, 1)

const missing = (() => {
  const root = mkdtempSync(join(tmpdir(), "coffer-homes-"))
  const disk = smallDisk(root)
  if (disk instanceof SmallDisk) disk.dispose()
  rmSync(root, { recursive: true, force: true })
  return disk instanceof SmallDisk ? null : disk.missing
})()

const ofItsOwn = Effect.gen(function* () {
  const root = yield* folder
  const disk = smallDisk(root)
  if (!(disk instanceof SmallDisk)) return yield* Effect.die(new Error(disk.missing))
  yield* Effect.addFinalizer(() => Effect.sync(() => disk.dispose()))
  const homes = join(root, "homes")
  mkdirSync(homes)
  return {
    open: opened(FolderGuestHosts.layer(homes)),
    fill: Effect.sync(() => disk.fill()),
    empty: Effect.sync(() => disk.empty())
  }
})

describe.skipIf(missing !== null)(`a disk${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  fullDiskConformance("of homes in folders that is full", ofItsOwn)
})

fullDiskConformance(
  "homes in memory of a disk that is full",
  Effect.suspend(() => {
    const disk: { trouble: DiskTrouble | null } = { trouble: null }
    const becomes = (trouble: DiskTrouble | null) =>
      Effect.sync(() => {
        disk.trouble = trouble
      })
    const inMemory = MemoryGuestHosts.layer.pipe(Layer.provide(Layer.succeed(MemoryGuestHosts.MemoryDisk, disk)))
    return Effect.map(opened(inMemory), (hosts) => ({
      open: Effect.succeed(hosts),
      fill: becomes("DiskFull"),
      empty: becomes(null)
    }))
  })
)
