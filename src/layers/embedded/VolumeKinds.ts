/**
 * Which kind of volume this machine can have, found out once by trying: a small one is made, mounted and let go. Homes ask
 * for theirs by `Volumes`; without one that was chosen, volumes are plain folders.
 */
import { access, constants, mkdir, readlink, rm } from "node:fs/promises"
import { join } from "node:path"
import { Context, Effect, Layer, Metric, Schema } from "effect"
import { isRoot } from "./HostProcess.ts"
import * as LoopVolume from "./LoopVolume.ts"
import { folderOf, plainFolder, VolumeError, type VolumeKind, type VolumesShape } from "./Volumes.ts"

export const volumeChoices = ["auto", "xfs", "ext4", "folder"] as const
export type VolumeChoice = (typeof volumeChoices)[number]

/** A kind was asked for that this machine cannot have. */
export class NoSuchVolumes extends Schema.TaggedError<NoSuchVolumes>()("NoSuchVolumes", {
  kind: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `This machine cannot have volumes of ${this.kind}: ${this.reason}. Let it choose with volumes = "auto".`
  }
}

const kinds = Metric.gauge("coffer_volumes_kind", {
  description: "1 for the kind of volume that new databases of this process get, 0 for the others"
})

/** As programs are run here. */
const path = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]

const isInstalled = (program: string) =>
  Promise.any(path.map((folder) => access(join(folder, program), constants.X_OK))).then(
    () => true,
    () => false
  )

const missingOf = async (kind: LoopVolume.LoopKind) => {
  for (const program of LoopVolume.programsOf[kind]) if (!(await isInstalled(program))) return program
  return null
}

/**
 * Whether this service has mounts of its own, as a unit of systemd's has with a private `/tmp`: a container engine does not
 * see them, and neither does the next start. Where the first process lets nobody look, it is taken not to be so.
 */
const isApart = () =>
  Promise.all(["/proc/self/ns/mnt", "/proc/1/ns/mnt"].map((path) => readlink(path))).then(
    ([ours, first]) => ours !== first,
    () => false
  )

/** A name that no instance can have. */
const trialName = ".volume-probe"

const remove = (home: string) =>
  Effect.andThen(
    LoopVolume.letGo(home),
    Effect.ignore(Effect.tryPromise(() => rm(home, { recursive: true, force: true })))
  )

/** Of a size that every file system takes, in GB. */
const trialSize = 1

/** Why this kind cannot be had in the folder, for an operator; null where it can. */
const obstacleTo = Effect.fnUntraced(
  function* (kind: LoopVolume.LoopKind, root: string) {
    if (!isRoot) return "only root can mount"
    const missing = yield* Effect.promise(() => missingOf(kind))
    if (missing !== null) return `${missing} is not installed`
    if (yield* Effect.promise(isApart)) return "this service has mounts of its own, which others do not see"
    const home = join(root, trialName)
    const volume = LoopVolume.of(kind, home)
    return yield* Effect.gen(function* () {
      // Of a process that was killed meanwhile.
      yield* remove(home)
      yield* Effect.tryPromise({
        try: () => mkdir(folderOf(home), { recursive: true }),
        catch: (error) => new VolumeError({ detail: String(error) })
      })
      yield* volume.make(trialSize)
      return null
    }).pipe(Effect.ensuring(Effect.ignore(remove(home))))
  },
  Effect.catch(({ detail }) => Effect.succeed(detail))
)

export const Volumes = Context.Reference<VolumesShape>("coffer/layers/embedded/Volumes", {
  defaultValue: () => volumesOf("folder", "volumes are plain folders")
})

const volumesOf = (chosen: VolumeKind, why: string): VolumesShape => ({
  kind: chosen,
  of: (kind, home) => (kind === "folder" ? plainFolder(why) : LoopVolume.of(kind, home))
})

/** @param root the folder of all homes; it exists */
export const choose = Effect.fn("Volumes.choose")(function* (choice: VolumeChoice, root: string) {
  const told = Effect.fnUntraced(function* (kind: VolumeKind, why: string) {
    for (const each of ["xfs", "ext4", "folder"])
      yield* Metric.update(Metric.withAttributes(kinds, { kind: each }), each === kind ? 1 : 0)
    return volumesOf(kind, why)
  })
  if (choice === "folder") {
    yield* Effect.logInfo("volumes of new databases are plain folders, and their size is no limit, as was asked for")
    return yield* told("folder", "its volumes are plain folders")
  }
  const reasons: Array<string> = []
  for (const kind of ["xfs", "ext4"] as const) {
    if (choice !== "auto" && choice !== kind) continue
    const obstacle = yield* obstacleTo(kind, root)
    if (obstacle === null) {
      yield* Effect.logInfo(`volumes of new databases are limited to their size: ${kind} in a file`)
      return yield* told(kind, "its volumes were plain folders when it was made")
    }
    if (choice !== "auto") return yield* new NoSuchVolumes({ kind, reason: obstacle })
    reasons.push(`no ${kind} (${obstacle})`)
  }
  yield* Effect.logWarning(
    `volumes of new databases are plain folders, and their size is no limit: ${reasons.join(", ")}`
  )
  return yield* told("folder", "it cannot mount file systems of a size")
})

/** @param root the folder of all homes; it exists */
export const layer = (choice: VolumeChoice, root: string) => Layer.effect(Volumes, choose(choice, root))
