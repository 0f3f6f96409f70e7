/**
 * Logs as files in `logs/` on the volume: `<log>.log`, which the server appends to, and `<log>.log.<offset>`, which holds what
 * lies before that offset, where the former begins. So one rename tells what is where, and nothing else is noted.
 *
 * The folder is ours and the server may only walk through it: whoever becomes the server's user can write to its logs, and
 * put nothing in their place that we would read or cut instead. Servers append, so a file that is cut to nothing goes on.
 */
import { constants } from "node:fs"
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { type DatabaseSpec, RuntimeError } from "../../guest/DatabaseRuntime.ts"
import { type Extent, keptBytes, type LogFiles } from "../../guest/LogFiles.ts"
import type { Values } from "../../services/configuration/Parameter.ts"
import { lineOf } from "../../services/configuration/ServerFile.ts"
import { logsOf } from "../../services/InstanceLogs.ts"
import { isFull } from "../embedded/DurableFile.ts"
import { sizeOf } from "../embedded/OwnedFiles.ts"

export const logFolder = (volume: string) => join(volume, "logs")
export const logFile = (volume: string, log: string) => join(logFolder(volume), `${log}.log`)

/** The log that has what a server says of itself. */
export const ownLog = (datastore: DatabaseSpec["datastore"]) => (datastore === "postgresql" ? "general" : "error")

/**
 * The lines of a server's file by which it writes its logs to `folder`, as it sees that; with `itself` also what it says of
 * itself, which is nobody else's to catch then.
 */
export const logLines = (datastore: DatabaseSpec["datastore"], folder: string, itself: boolean) => {
  const file = (log: string) => join(folder, `${log}.log`)
  const own: Values =
    datastore === "postgresql"
      ? // Nothing that its collector rotates it would ever remove.
        {
          logging_collector: true,
          log_directory: folder,
          log_filename: "general.log",
          log_rotation_age: 0,
          log_rotation_size: 0
        }
      : { log_error: file("error") }
  const asked: Values =
    datastore === "postgresql" ? {} : { general_log_file: file("general"), slow_query_log_file: file("slow_query") }
  return Object.entries({ ...asked, ...(itself ? own : {}) }).map(([name, value]) => lineOf(datastore)(name, value))
}

/** Who the server runs as; null: the mode alone lets it write. */
interface Writer {
  readonly mode: number
  readonly owner: { readonly uid: number; readonly gid: number } | null
}

const withFile = async <A>(path: string, flags: number, use: (file: FileHandle) => Promise<A>, mode?: number) => {
  const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, mode)
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is no file`)
    return await use(file)
  } finally {
    await file.close()
  }
}

const isMissing = (error: unknown) => error instanceof Error && "code" in error && error.code === "ENOENT"

/** The files of all logs are there after this, for the server to append to. */
export const prepareLogs = async (
  { datastore, volume }: Pick<DatabaseSpec, "datastore" | "volume">,
  { mode, owner }: Writer
) => {
  const folder = logFolder(volume)
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o711)
  const flags = constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND
  for (const log of logsOf(datastore).keys())
    await withFile(
      logFile(volume, log),
      flags,
      async (file) => {
        await file.chmod(mode)
        if (owner !== null) await file.chown(owner.uid, owner.gid)
      },
      mode
    )
}

/** Nothing is there after this of what a tenant could read of it. */
export const emptyLogs = async ({ datastore, volume }: Pick<DatabaseSpec, "datastore" | "volume">) => {
  for (const [log, type] of logsOf(datastore))
    if (type === "USER")
      await withFile(logFile(volume, log), constants.O_WRONLY, (file) => file.truncate(0)).catch((error: unknown) => {
        // As of a server that an earlier release has started.
        if (!isMissing(error)) throw error
      })
}

/** When it was last written to, in milliseconds since the epoch; 0 where it was not. */
export const loggedAt = (volume: string, log: string) =>
  stat(logFile(volume, log)).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0
  )

/**
 * Where offsets end: numbers are whole well beyond it. Nobody writes as much, but who can write to a log can make it as long,
 * with nothing in it. A log that has come here begins again at 0 when it is cut.
 */
const farthest = 2 ** 52

interface Segment {
  readonly path: string
  readonly begins: number
  readonly ends: number
}

/** What was cut last, the rest of which a cut that was cut short may have left; and what the server appends to. */
const segmentsOf = async (volume: string, log: string) => {
  const current = logFile(volume, log)
  const size = await stat(current).then(
    ({ size }) => size,
    (error: unknown) => {
      if (isMissing(error)) return null
      throw error
    }
  )
  if (size === null) return null
  const prefix = `${log}.log.`
  const offsets = (await readdir(logFolder(volume)))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => b - a)
  const [cutAt = null, ...stale] = offsets
  const base = Math.min(farthest, cutAt ?? 0)
  const before = cutAt === null ? 0 : (await stat(`${current}.${cutAt}`)).size
  const segments: ReadonlyArray<Segment> = [
    { path: `${current}.${cutAt ?? 0}`, begins: Math.max(0, base - before), ends: base },
    { path: current, begins: base, ends: Math.min(farthest, base + size) }
  ]
  return { segments, cutAt, stale: stale.map((offset) => `${current}.${offset}`) }
}

const extentOf = (segments: ReadonlyArray<Segment>): Extent => ({
  begins: segments[0]?.begins ?? 0,
  ends: segments.at(-1)?.ends ?? 0
})

const pieces = 1024 * 1024

const anew = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY

const readFrom = async (segments: ReadonlyArray<Segment>, offset: number, most: number) => {
  const found: Array<Buffer> = []
  let at = offset
  let left = most
  for (const { begins, ends, path } of segments) {
    if (left <= 0 || at < begins || at >= ends) continue
    const buffer = Buffer.alloc(Math.min(left, ends - at))
    const { bytesRead } = await withFile(path, constants.O_RDONLY, (file) =>
      file.read(buffer, 0, buffer.length, at - begins)
    )
    found.push(buffer.subarray(0, bytesRead))
    at += bytesRead
    left -= bytesRead
  }
  return Buffer.concat(found)
}

/** Copies from `start` on to `to`, and what is written meanwhile, within bounds; answers where it has come to. */
const copyFrom = (volume: string, log: string, start: number, to: string): Promise<number> =>
  withFile(
    to,
    anew,
    async (file) => {
      let at = start
      while (at - start < keptBytes + pieces) {
        const seen = await segmentsOf(volume, log)
        const piece = seen === null ? Buffer.alloc(0) : await readFrom(seen.segments, at, pieces)
        if (piece.length === 0) return at
        await file.writeFile(piece)
        at += piece.length
      }
      const seen = await segmentsOf(volume, log)
      return seen === null ? at : Math.max(at, extentOf(seen.segments).ends)
    },
    0o600
  )

const removeAll = async (paths: ReadonlyArray<string>) => {
  for (const path of paths) await rm(path, { force: true })
}

const cut = async (volume: string, log: string, offset: number) => {
  const seen = await segmentsOf(volume, log)
  if (seen === null) return
  const { begins, ends } = extentOf(seen.segments)
  const current = logFile(volume, log)
  const fresh = `${current}.new`
  const former = seen.cutAt === null ? [] : [`${current}.${seen.cutAt}`]

  const keepRest = async () => {
    const cutAt = await copyFrom(volume, log, Math.min(ends, Math.max(offset, begins, ends - keptBytes)), fresh)
    const kept = `${current}.${cutAt}`
    await rename(fresh, kept)
    await removeAll([...seen.stale, ...former].filter((path) => path !== kept))
  }
  /** Whoever ends in the middle of it, or finds no room for the name even, has offsets go back. */
  const keepNothing = async (file: FileHandle) => {
    await removeAll([fresh, ...seen.stale])
    const { segments } = (await segmentsOf(volume, log)) ?? seen
    await file.truncate(0)
    // What was cut last is there already, and needs no room to have another name.
    const emptied = former[0] ?? fresh
    await withFile(emptied, anew, async () => {}, 0o600)
    await rename(emptied, `${current}.${extentOf(segments).ends}`)
  }

  // Opened first: of a log that cannot be emptied nothing is copied, time and again.
  await withFile(current, constants.O_WRONLY, async (file) => {
    if (ends === farthest) await removeAll([...seen.stale, ...former])
    else
      await keepRest()
        .catch((error: unknown) => (isFull(error) ? keepNothing(file) : Promise.reject(error)))
        .catch((error: unknown) => (isFull(error) ? undefined : Promise.reject(error)))
    await file.truncate(0)
  })
}

const attempt = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({
    try: work,
    catch: (error) =>
      new RuntimeError({ message: "The log cannot be read or cut.", detail: String(error), transient: true })
  })

export const logFiles: LogFiles = {
  extent: ({ volume }, log) =>
    attempt(async () => {
      const seen = await segmentsOf(volume, log)
      return seen === null ? null : extentOf(seen.segments)
    }),
  // What was cut last is no larger than what is kept.
  isLarge: ({ volume }, log) => Effect.sync(() => sizeOf(logFile(volume, log)) > keptBytes),
  read: ({ volume }, log, offset, most) =>
    attempt(async () => {
      const seen = await segmentsOf(volume, log)
      return seen === null ? Buffer.alloc(0) : await readFrom(seen.segments, offset, most)
    }),
  cut: ({ volume }, log, offset) => attempt(() => cut(volume, log, offset))
}
