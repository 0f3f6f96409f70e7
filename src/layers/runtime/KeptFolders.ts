/**
 * What lies beside a volume's `data` while another version is tried on it: `data.old`, which the server worked on before,
 * and `data.copy-*`, which is nothing yet, or nothing any more. Which of `data` and `data.old` counts the guest's notes
 * say, and nothing here decides it.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { statfs } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { type DatabaseSpec, RuntimeError } from "../../guest/DatabaseRuntime.ts"
import type { KeptData } from "../../guest/KeptData.ts"
import { syncFolder } from "../embedded/DurableFile.ts"
import { HostProcessError, runToEnd } from "../embedded/HostProcess.ts"
import { attempt } from "../embedded/OwnedFiles.ts"

/** `stray`: something in it that leads elsewhere, where a copy would share it; empty where there is nothing. */
interface Sight {
  readonly bytes: number
  readonly stray: string
}

/** How it is done with files that may belong to somebody else. */
interface Hands {
  /** Nothing works on the data after this. */
  readonly before: (spec: DatabaseSpec) => Effect.Effect<void, HostProcessError>
  readonly look: (data: string, spec: DatabaseSpec) => Effect.Effect<Sight, HostProcessError | RuntimeError>
  /** A copy with owners and modes that is on the disk; links stay links. */
  readonly copy: (from: string, to: string, spec: DatabaseSpec) => Effect.Effect<void, HostProcessError | RuntimeError>
  readonly remove: (folder: string, spec: DatabaseSpec) => Effect.Effect<void, HostProcessError | RuntimeError>
  readonly failed: (error: HostProcessError | RuntimeError, spec: DatabaseSpec) => RuntimeError
}

const dataOf = (volume: string) => join(volume, "data")
const oldOf = (volume: string) => join(volume, "data.old")
const copyPrefix = "data.copy-"

/** Each has a name of its own: a copying that outlives its agent meets no other one. */
const newCopy = (volume: string) => join(volume, `${copyPrefix}${randomBytes(6).toString("hex")}`)

const rename = (from: string, to: string) => attempt(`cannot rename ${from}`, () => fs.renameSync(from, to))

const synced = (volume: string) =>
  Effect.tryPromise({
    try: () => syncFolder(volume),
    catch: (error) => new HostProcessError({ message: `cannot sync ${volume}: ${error}`, detail: "" })
  })

const freeOn = (volume: string) =>
  Effect.tryPromise({
    try: async () => {
      const { bavail, bsize } = await statfs(volume)
      return bavail * bsize
    },
    catch: (error) => new HostProcessError({ message: `cannot look at ${volume}: ${error}`, detail: "" })
  })

/** Blocks are shared where the file system can. */
export const copyTree = (from: string, to: string) =>
  runToEnd("cp", ["-a", "--reflink=auto", "--", from, to], { identity: null }).pipe(
    // A copy that is believed in after a power cut has to be whole.
    Effect.andThen(runToEnd("sync", ["-f", "--", to], { identity: null })),
    Effect.asVoid
  )

/** Links, and what InnoDB has in place of them. */
export const isStray = ["(", "-type", "l", "-o", "-name", "*.isl", ")"]

/** What a folder takes on the disk, and whether it holds all of itself. */
export const lookAtTree = Effect.fnUntraced(function* (folder: string) {
  const told = yield* runToEnd("du", ["-s", "-B1", "--", folder], { identity: null })
  const stray = yield* runToEnd("find", [folder, ...isStray, "-print", "-quit"], { identity: null })
  return { bytes: Number.parseInt(told, 10) || 0, stray: stray.trim() }
})

export const keptFolders = ({ before, copy, failed, look, remove }: Hands): KeptData => {
  const clear = Effect.fnUntraced(function* (spec: DatabaseSpec) {
    const names = yield* attempt(`cannot look at ${spec.volume}`, () => fs.readdirSync(spec.volume))
    for (const name of names) if (name.startsWith(copyPrefix)) yield* remove(join(spec.volume, name), spec)
  })

  /** Gone at once by its name, and then for good: half of it must never be taken for the whole. */
  const discard = Effect.fnUntraced(function* (folder: string, spec: DatabaseSpec) {
    if (fs.existsSync(folder)) yield* rename(folder, newCopy(spec.volume))
    yield* synced(spec.volume)
  })

  const refusing =
    <A>(work: (spec: DatabaseSpec) => Effect.Effect<A, HostProcessError | RuntimeError>) =>
    (spec: DatabaseSpec) =>
      Effect.mapError(work(spec), (error) => failed(error, spec))

  return {
    room: refusing(
      Effect.fnUntraced(function* (spec) {
        const { bytes, stray } = yield* look(dataOf(spec.volume), spec)
        if (stray !== "")
          return yield* new RuntimeError({
            message: "Some of the data does not lie on the volume, as of a tablespace elsewhere: it cannot be copied.",
            detail: stray,
            transient: false
          })
        return { needed: bytes, free: yield* freeOn(spec.volume) }
      })
    ),
    keep: refusing(
      Effect.fnUntraced(function* (spec) {
        const { volume } = spec
        if (fs.existsSync(oldOf(volume))) {
          if (fs.existsSync(dataOf(volume))) return
          yield* rename(oldOf(volume), dataOf(volume))
        }
        yield* before(spec)
        yield* clear(spec)
        const made = newCopy(volume)
        yield* copy(dataOf(volume), made, spec)
        yield* rename(dataOf(volume), oldOf(volume))
        yield* rename(made, dataOf(volume))
        yield* synced(volume)
      })
    ),
    putBack: refusing(
      Effect.fnUntraced(function* (spec) {
        const { volume } = spec
        yield* before(spec)
        if (fs.existsSync(oldOf(volume))) {
          yield* discard(dataOf(volume), spec)
          yield* rename(oldOf(volume), dataOf(volume))
          yield* synced(volume)
        }
        yield* clear(spec)
      })
    ),
    forget: refusing(
      Effect.fnUntraced(function* (spec) {
        yield* discard(oldOf(spec.volume), spec)
        yield* clear(spec)
      })
    )
  }
}
