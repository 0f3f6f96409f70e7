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
import { endWorkOn, HostProcessError, runToEnd } from "../embedded/HostProcess.ts"
import { attempt } from "../embedded/OwnedFiles.ts"

/** `stray`: something in it that leads elsewhere, where a copy would share it; empty where there is nothing. */
interface Sight {
  readonly bytes: number
  readonly stray: string
}

/** How it is done with files that may belong to somebody else. */
interface Hands {
  /** No server, and no container, works on the data after this. */
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

/** Each has a name of its own, by which also who works on it is found. */
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

/** A word of a script. */
export const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

/** What came and went while it was looked for: a server works on the files. */
const isVanished = (line: string) => line.endsWith(": No such file or directory")

/** A look at a folder as a script: what it takes, and the first link in it, or what InnoDB has in place of one. */
export const lookScript = (folder: string) =>
  `du -sk ${quoted(folder)} 2>&1; find ${quoted(folder)} \\( -type l -o -name '*.isl' \\) -print 2>&1 \
  | grep -v ': No such file or directory$' | head -n 1`

/** What that script has printed. Files that have vanished are none that are copied; whatever else is told is a failure. */
export const sightIn = (printed: string) => {
  const told = printed.split("\n").filter((line) => line !== "" && !isVanished(line))
  const at = told.findIndex((line) => /^\d+\s/.test(line))
  const complaint = told.find((line, place) => place !== at && /^(du|find|sh): /.test(line))
  if (at < 0 || complaint !== undefined)
    return Effect.fail(new HostProcessError({ message: "the data cannot be looked at", detail: printed }))
  return Effect.succeed({ bytes: Number.parseInt(told[at] ?? "", 10) * 1024, stray: (told[at + 1] ?? "").trim() })
}

/** What a folder takes on the disk, and whether it holds all of itself. */
export const lookAtTree = (folder: string) =>
  Effect.flatMap(runToEnd("sh", ["-c", lookScript(folder)], { identity: null }), sightIn)

export const keptFolders = ({ before, copy, failed, look, remove }: Hands): KeptData => {
  /** Nothing works on the data after this, nor on a copy: an agent that was killed may have left who copies. */
  const alone = (spec: DatabaseSpec) => Effect.andThen(endWorkOn(join(spec.volume, copyPrefix)), before(spec))

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
        yield* alone(spec)
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
        yield* alone(spec)
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
