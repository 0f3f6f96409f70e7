/**
 * What every volume of a home does, whatever it is. An adapter's test gives an empty home; each `open` is a new start of
 * the process over what the last one left.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statfsSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { folderOf, gigabyte, type HomeVolume } from "../../src/layers/embedded/Volumes.ts"

export interface VolumeWorld {
  /** A folder. */
  readonly home: string
  readonly open: () => HomeVolume
}

const sizeOf = (folder: string) => {
  const { blocks, bsize } = statfsSync(folder)
  return (blocks * bsize) / gigabyte
}

/** With what is told of it, and what the kernel thinks. */
const told = Effect.fnUntraced(function* (volume: HomeVolume) {
  const stats = yield* volume.stats
  return stats === null ? null : { total: stats.total / gigabyte, used: stats.used / gigabyte }
})

export const volumesConformance = (
  name: string,
  world: Effect.Effect<VolumeWorld, never, Scope.Scope>,
  isLimited: boolean
) =>
  describe(name, () => {
    const behaves = (behaviour: string, test: (world: VolumeWorld) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.live(behaviour, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const made = yield* world
            mkdirSync(folderOf(made.home))
            yield* test(made)
          })
        )
      )

    const kept = (home: string) => join(folderOf(home), "kept")

    behaves("is made once, and holds what it held: over starts, and after the machine was away", ({ home, open }) =>
      Effect.gen(function* () {
        yield* open().make(1)
        writeFileSync(kept(home), "tea")
        yield* open().make(1)
        yield* open().mount
        assert.strictEqual(readFileSync(kept(home), "utf8"), "tea")
        yield* open().unmount
        yield* open().unmount
        assert.strictEqual(existsSync(kept(home)), !isLimited)
        yield* open().mount
        assert.strictEqual(readFileSync(kept(home), "utf8"), "tea")
      })
    )

    behaves("grows under whoever works in it, or once nobody does, keeps what it holds, and never shrinks", (world) =>
      Effect.gen(function* () {
        const { home, open } = world
        yield* open().make(1)
        const before = sizeOf(folderOf(home))
        const file = openSync(kept(home), "a")
        writeSync(file, "before, ")
        const online = yield* open().grow(2)
        writeSync(file, "after")
        closeSync(file)
        if (!online) yield* open().growStopped(2)
        assert.strictEqual(readFileSync(kept(home), "utf8"), "before, after")
        for (const smaller of [2, 1]) {
          if (!(yield* open().grow(smaller))) yield* open().growStopped(smaller)
          if (isLimited) assert.approximately(sizeOf(folderOf(home)), 2 * before, 0.1)
        }
        assert.strictEqual((yield* told(open()))?.total ?? null, isLimited ? 2 : null)
        assert.strictEqual(readFileSync(kept(home), "utf8"), "before, after")
      })
    )

    behaves("grows while nobody works in it, and is there afterwards", ({ home, open }) =>
      Effect.gen(function* () {
        yield* open().make(1)
        writeFileSync(kept(home), "tea")
        yield* open().unmount
        yield* open().growStopped(3)
        yield* open().growStopped(3)
        assert.strictEqual(readFileSync(kept(home), "utf8"), "tea")
        if (isLimited) assert.isAbove(sizeOf(folderOf(home)), 2.5)
      })
    )

    behaves("says how full it is, and takes no more than its size", ({ home, open }) =>
      Effect.gen(function* () {
        yield* open().make(1)
        const volume = open()
        const empty = yield* told(volume)
        assert.strictEqual(volume.unlimited === null, isLimited)
        if (!isLimited) return assert.isNull(empty)
        assert.isBelow(empty?.used ?? 1, 0.15)
        const chunk = Buffer.alloc(1 << 20, "x")
        const file = openSync(kept(home), "w")
        const full = yield* Effect.flip(
          Effect.try(() => {
            for (let written = 0; written < 2 * gigabyte; ) written += writeSync(file, chunk)
          })
        )
        closeSync(file)
        assert.include(String(full.cause), "ENOSPC")
        const stats = yield* told(volume)
        assert.isAbove(stats?.used ?? 0, 0.97)
        assert.isAtMost(stats?.used ?? 2, 1)
        yield* volume.unmount
        assert.isNull(yield* told(volume))
      })
    )
  })
