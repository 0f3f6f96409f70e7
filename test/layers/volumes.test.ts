/** Volumes that are file systems in files, and plain folders: what all of them do, and what may go wrong with the former. */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import * as FolderGuestHosts from "../../src/layers/embedded/FolderGuestHosts.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import * as LoopVolume from "../../src/layers/embedded/LoopVolume.ts"
import * as VolumeKinds from "../../src/layers/embedded/VolumeKinds.ts"
import { folderOf, plainFolder, type VolumeKind } from "../../src/layers/embedded/Volumes.ts"
import { serverSpec } from "../conformance/guestHosts.ts"
import { volumesConformance } from "../conformance/volumes.ts"
import { loopsBelow, mountsBelow, unmountBelow } from "../support/mounts.ts"
import { ensurePackages, fileSystems } from "../support/packages.ts"

/** Gone at the end, with what is mounted in it. */
const folder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "coffer volumes-")))),
  (root) =>
    Effect.sync(() => {
      unmountBelow(root)
      rmSync(root, { recursive: true, force: true })
    })
)

const missing = await (async () => {
  const packages = await ensurePackages(fileSystems)
  if (packages !== null) return packages
  const found = Effect.flatMap(folder, (root) => VolumeKinds.choose("xfs", root))
  const choice = await Effect.runPromise(Effect.scoped(Effect.option(found)))
  return Option.isSome(choice) ? null : "this machine cannot mount file systems in files"
})()

const why = missing === null ? "" : ` (skipped: ${missing})`

const homeIn = (kind: LoopVolume.LoopKind) =>
  Effect.map(folder, (home) => ({ home, open: () => LoopVolume.of(kind, home) }))

volumesConformance(
  "a folder",
  Effect.map(folder, (home) => ({ home, open: () => plainFolder("it is a folder") })),
  false
)

describe.skipIf(missing !== null)(`a file system in a file${why}`, () => {
  for (const kind of ["xfs", "ext4"] as const) {
    volumesConformance(kind, homeIn(kind), true)

    const behaves = (
      behaviour: string,
      test: (world: Effect.Success<ReturnType<typeof homeIn>>) => Effect.Effect<void, unknown>
    ) =>
      it.live(`${kind}: ${behaviour}`, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const world = yield* homeIn(kind)
            mkdirSync(folderOf(world.home))
            yield* test(world)
          })
        )
      )

    behaves("is made anew where the process was killed before it was whole", ({ home, open }) =>
      Effect.gen(function* () {
        writeFileSync(join(home, "volume.img.new"), "half a file system")
        yield* open().make(1)
        assert.lengthOf(mountsBelow(home), 1)
        assert.isFalse(existsSync(join(home, "volume.img.new")))
      })
    )

    behaves("is mounted once, and leaves no loop device behind", ({ home, open }) =>
      Effect.gen(function* () {
        yield* open().make(1)
        yield* Effect.all([open().mount, open().mount])
        assert.deepEqual(mountsBelow(home), [folderOf(home)])
        assert.deepEqual(loopsBelow(home), [join(home, "volume.img")])
        yield* open().unmount
        assert.deepEqual([mountsBelow(home), loopsBelow(home)], [[], []])
      })
    )

    behaves("is never replaced by an empty one: where its file is gone it is not there", ({ home, open }) =>
      Effect.gen(function* () {
        yield* open().make(1)
        yield* open().unmount
        rmSync(join(home, "volume.img"))
        assert.strictEqual((yield* Effect.flip(open().mount)).detail, `${join(home, "volume.img")} is gone`)
        assert.deepEqual(mountsBelow(home), [])
      })
    )

    behaves("takes nothing for itself that somebody else has mounted there", ({ home, open }) =>
      Effect.gen(function* () {
        yield* open().make(1)
        yield* open().unmount
        execFileSync("mount", ["-t", "tmpfs", "another", folderOf(home)])
        assert.include((yield* Effect.flip(open().mount)).detail, "is mounted at")
      })
    )
  }

  const homes = (root: string, kind: VolumeKind) =>
    Effect.map(
      Layer.build(
        Layer.fresh(FolderGuestHosts.layer(root)).pipe(Layer.provide(Layer.fresh(VolumeKinds.layer(kind, root))))
      ),
      (context) => Context.get(context, GuestHosts)
    )

  it.live("a home goes with its volume, although something still works in it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const root = yield* folder
        const hosts = yield* homes(root, "xfs")
        const { volume } = yield* hosts.ensure(serverSpec("a"), null, "process")
        const sleeper = spawn("sleep", ["600"], { cwd: volume, stdio: "ignore" })
        yield* Effect.addFinalizer(() => Effect.sync(() => sleeper.kill("SIGKILL")))
        yield* hosts.remove("a")
        assert.deepEqual(yield* hosts.remains, [])
        assert.deepEqual(mountsBelow(root), [])
        const ended = new Promise((resolve) => sleeper.once("exit", resolve))
        sleeper.kill("SIGKILL")
        yield* Effect.promise(() => ended)
        yield* Effect.sync(() => loopsBelow(root)).pipe(
          Effect.delay("50 millis"),
          Effect.repeat({ while: (loops) => loops.length > 0, times: 100 })
        )
        assert.deepEqual(loopsBelow(root), [])
      })
    )
  )

  it.live("a home keeps the kind that it was made with, whatever the machine can have now", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const root = yield* folder
        yield* (yield* homes(root, "folder")).ensure(serverSpec("plain"), null, "process")
        yield* (yield* homes(root, "ext4")).ensure(serverSpec("limited"), null, "process")
        const hosts = yield* homes(root, "xfs")
        assert.deepEqual(
          (yield* hosts.list).map(({ disk, spec }) => [spec.instanceId, disk.unlimited === null]).sort(),
          [
            ["limited", true],
            ["plain", false]
          ]
        )
        yield* hosts.ensure(serverSpec("plain"), null, "process")
        assert.deepEqual(mountsBelow(root), [join(root, "limited", "volume")])
        const before = yield* homes(root, "folder")
        const { disk } = Option.getOrThrow(yield* before.find("limited"))
        yield* disk.unmount
        yield* disk.mount
        assert.deepEqual(mountsBelow(root), [join(root, "limited", "volume")])
      })
    )
  )

  it.live("a home that was half made keeps the kind that it was begun with", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const root = yield* folder
        for (const [before, after] of [
          ["xfs", "folder"],
          ["ext4", "xfs"]
        ] as const) {
          yield* (yield* homes(root, before)).ensure(serverSpec(before), null, "process")
          // The last thing that is made of a home.
          rmSync(join(root, before, "server.json"))
          const { disk } = yield* (yield* homes(root, after)).ensure(serverSpec(before), null, "process")
          // As of a reboot.
          unmountBelow(root)
          yield* disk.mount
          assert.deepEqual(mountsBelow(root), [join(root, before, "volume")])
        }
      })
    )
  )

  it.live("nothing is left of the trial, also of one that was cut short", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const root = yield* folder
        const trial = join(root, ".volume-probe")
        mkdirSync(folderOf(trial), { recursive: true })
        yield* LoopVolume.of("ext4", trial).make(1)
        assert.strictEqual((yield* VolumeKinds.choose("auto", root)).kind, "xfs")
        assert.deepEqual([mountsBelow(root), loopsBelow(root), existsSync(trial)], [[], [], false])
      })
    )
  )
})

it.live("a kind that cannot be had is refused where it was asked for, and passed over where not", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const nowhere = join(yield* folder, "a file")
      writeFileSync(nowhere, "")
      const refused = yield* Effect.flip(VolumeKinds.choose("xfs", nowhere))
      assert.match(refused.message, /^This machine cannot have volumes of xfs: .*\. Let it choose/s)
      assert.strictEqual((yield* VolumeKinds.choose("auto", nowhere)).kind, "folder")
      assert.strictEqual((yield* VolumeKinds.choose("folder", nowhere)).kind, "folder")
    })
  )
)
