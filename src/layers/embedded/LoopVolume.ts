/**
 * A volume that is a file system in a file: `volume.img` beside `volume`, where it is mounted. The file is sparse: it takes
 * what was ever written. The loop device comes with the mount and goes with it. Nothing is kept: the kernel knows what is
 * mounted, and with the file's name there is a whole file system in it.
 */
import { open, realpath, rename, rm, stat, statfs, truncate } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Effect, Schedule } from "effect"
import { syncFolder, writing } from "./DurableFile.ts"
import { runToEnd } from "./HostProcess.ts"
import { fileBehind, type Mount, mountAt } from "./Mounts.ts"
import { folderOf, gigabyte, type HomeVolume, VolumeError } from "./Volumes.ts"

export type LoopKind = "xfs" | "ext4"

/** No program takes as long that is not stuck. Checking a large file system takes longest. */
const patience = "2 minutes"

const options = "loop,nosuid,nodev"

/** What a file system needs to be made, and to be grown. */
const programs = {
  xfs: {
    make: (image: string) => ["mkfs.xfs", "-q", "-f", image],
    // Online, by where it is mounted; it does nothing else.
    grow: (_device: string, folder: string) => ["xfs_growfs", "-d", folder]
  },
  ext4: {
    // What is reserved for root lets the agent write a server's file on a volume that is full.
    make: (image: string) => ["mkfs.ext4", "-q", "-F", "-m", "1", image],
    // A kernel may refuse it to whom it lets mount; then the file system is grown while it is not mounted.
    grow: (device: string) => ["resize2fs", device]
  }
} satisfies Record<LoopKind, unknown>

/** What must be installed for a kind. */
export const programsOf: Record<LoopKind, ReadonlyArray<string>> = {
  xfs: ["mkfs.xfs", "xfs_growfs", "mount", "umount", "losetup"],
  ext4: ["mkfs.ext4", "resize2fs", "e2fsck", "mount", "umount", "losetup"]
}

const run = ([command = "", ...args]: ReadonlyArray<string>) =>
  runToEnd(command, args, { identity: null }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail({ message: `${command} did not end within ${patience}`, detail: "" })
    }),
    Effect.mapError(
      ({ detail, message }) => new VolumeError({ detail: `${message} (${args.join(" ")}): ${detail.trim()}` })
    )
  )

const attempt = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (error) => new VolumeError({ detail: String(error) }) })

const fail = (detail: string) => Effect.fail(new VolumeError({ detail }))

const imageOf = (home: string) => join(home, "volume.img")

/** As the kernel calls it. Undefined where there is no such folder, in which nothing is mounted. */
const mountIn = async (home: string): Promise<Mount | undefined> => {
  const real = await realpath(home).catch(() => undefined)
  return real === undefined ? undefined : mountAt(folderOf(real))
}

/** Where a file system begins says which kind it is. */
const kindOf = (start: Buffer): LoopKind | null => {
  if (start.toString("latin1", 0, 4) === "XFSB") return "xfs"
  return start.length >= 1082 && start.readUInt16LE(1080) === 0xef53 ? "ext4" : null
}

/** The kind of the file system in a home, of which nothing else may tell yet; null where there is none. */
export const kindIn = (home: string) =>
  attempt(async () => {
    const file = await open(imageOf(home), "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null
      throw error
    })
    if (file === null) return null
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2048), 0, 2048, 0).finally(() => file.close())
    return kindOf(buffer.subarray(0, bytesRead))
  })

const sizeOf = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => undefined
  )

/** Two who unmount at once, or what looks into it for a moment, are waited for. */
const patiently = { times: 10, schedule: Schedule.spaced("200 millis") }

const unmounted = (home: string, ...how: ReadonlyArray<string>) =>
  Effect.flatMap(
    attempt(() => mountIn(home)),
    (mount) => (mount === undefined ? Effect.void : Effect.asVoid(run(["umount", ...how, folderOf(home)])))
  )

/** Nothing is mounted in this home after it, unless something works there. */
const unmount = (home: string) => unmounted(home).pipe(Effect.retry(patiently), Effect.uninterruptible)

/** The same for a home that goes, of whatever kind: what still works there keeps the file system until it ends. */
export const letGo = (home: string): Effect.Effect<void, VolumeError> =>
  unmount(home).pipe(
    Effect.catch(() => unmounted(home, "-l")),
    Effect.uninterruptible
  )

export const of = (kind: LoopKind, home: string): HomeVolume => {
  const folder = folderOf(home)
  const image = imageOf(home)

  /** Where it is mounted, if that is from our own file. */
  const mounted = Effect.gen(function* () {
    const mount = yield* attempt(() => mountIn(home))
    if (mount === undefined) return undefined
    const [behind, own] = yield* attempt(() => Promise.all([fileBehind(mount.source), realpath(image)]))
    return behind === own ? mount : yield* fail(`${mount.source} is mounted at ${folder}, which is not of ${image}`)
  })

  const mount = Effect.gen(function* () {
    if ((yield* attempt(() => sizeOf(image))) === undefined) return yield* fail(`${image} is gone`)
    if ((yield* mounted) !== undefined) return
    yield* run(["mount", "-t", kind, "-o", options, image, folder])
  }).pipe(Effect.uninterruptible)

  /** Made under another name: what has ours is whole. */
  const make = Effect.fnUntraced(function* (size: number) {
    if ((yield* attempt(() => sizeOf(image))) === undefined) {
      const fresh = `${image}.new`
      yield* writing(fresh, async () => {
        await rm(fresh, { force: true })
        const file = await open(fresh, "w", 0o600)
        await file.truncate(size * gigabyte).finally(() => file.close())
      })
      yield* run(programs[kind].make(fresh))
      yield* writing(image, async () => {
        const file = await open(fresh, "r+")
        await file.sync().finally(() => file.close())
        await rename(fresh, image)
        await syncFolder(dirname(image))
      })
    }
    yield* mount
  })

  const enlarge = Effect.fnUntraced(function* (size: number) {
    const now = yield* attempt(() => stat(image))
    if (now.size < size * gigabyte) yield* writing(image, () => truncate(image, size * gigabyte))
  })

  const grow = Effect.fnUntraced(function* (size: number) {
    yield* enlarge(size)
    yield* mount
    const device = (yield* mounted)?.source ?? ""
    yield* run(["losetup", "-c", device])
    const growing = Effect.as(run(programs[kind].grow(device, folder)), true)
    return yield* kind === "xfs" ? growing : Effect.orElseSucceed(growing, () => false)
  }, Effect.uninterruptible)

  const growStopped = Effect.fnUntraced(function* (size: number) {
    if (kind === "xfs") return yield* Effect.asVoid(grow(size))
    yield* unmount(home)
    yield* enlarge(size)
    // What it mends, it says with 1; the resize then looks for itself.
    yield* Effect.ignore(run(["e2fsck", "-f", "-p", image]))
    yield* run(["resize2fs", image])
    yield* mount
  }, Effect.uninterruptible)

  return {
    unlimited: null,
    make,
    mount,
    grow,
    growStopped,
    unmount: unmount(home),
    stats: attempt(async () => {
      const [above, here, size, blocks] = await Promise.all([stat(home), stat(folder), sizeOf(image), statfs(folder)])
      // Not mounted: these are the machine's own numbers.
      if (above.dev === here.dev || size === undefined) return null
      return { total: size, used: size - blocks.bavail * blocks.bsize }
    }).pipe(Effect.orElseSucceed(() => null))
  }
}
