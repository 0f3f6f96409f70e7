/**
 * The folder that `--data-dir` names: where it really is, what lies in it, and the lock that lets one control
 * plane at a time use it. Knows nothing of what its sub-folders hold.
 *
 * Servers run as users of their own, so they must be able to walk to their sub-folders. Below a folder that only
 * root may enter (root's home, `mktemp -d`) they cannot: then the data lies in `/var/lib/coffer`, and what was
 * asked for becomes a link to it.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Context, Effect, Layer, Schema } from "effect"
import { isRoot } from "./HostProcess.ts"

export class DataFolderError extends Schema.TaggedError<DataFolderError>()("DataFolderError", {
  message: Schema.String,
  folder: Schema.String
}) {}

export class DataFolderInUse extends Schema.TaggedError<DataFolderInUse>()("DataFolderInUse", {
  message: Schema.String,
  folder: Schema.String,
  /** The process that holds it, null when it did not come to tell. */
  pid: Schema.NullOr(Schema.Int)
}) {}

export class DataFolder extends Context.Service<
  DataFolder,
  {
    /** Absolute, without links. */
    readonly root: string
    /** What the user should be told about where the data lies; null when it lies where it was asked for. */
    readonly note: string | null
    /** Of the control plane's own PostgreSQL. */
    readonly control: string
    /** One sub-folder an instance. */
    readonly instances: string
    readonly logs: string
    readonly tokenFile: string
  }
>()("coffer/layers/embedded/DataFolder") {
  /** Opens the folder, making what is missing, and holds its lock until the scope closes. */
  static readonly layer = (requested: string) => Layer.effect(DataFolder, open(requested))
}

const varFolder = "/var/lib/coffer"
const lockName = "lock"

/** Everyone may walk through, only its owner may look around. */
const walkable = 0o711

/** Opens a data folder and locks it for the scope. */
export const open = Effect.fn("DataFolder.open")(function* (requested: string) {
  const asked = resolve(requested)
  const { root, note } = yield* Effect.try({
    try: () => locate(asked),
    catch: (error) =>
      error instanceof DataFolderError
        ? error
        : new DataFolderError({
            folder: asked,
            message: `Cannot use ${asked} as the data folder: ${advice(error)}`
          })
  })
  yield* lock(root)
  return DataFolder.of({
    root,
    note,
    control: join(root, "control"),
    instances: join(root, "instances"),
    logs: join(root, "logs"),
    tokenFile: join(root, "token")
  })
})

const locate = (asked: string) => {
  makePath(dirname(asked))
  const found = fs.statSync(asked, { throwIfNoEntry: false })
  if (found !== undefined && !found.isDirectory()) throw refusal(asked, "is a file. Name a folder with --data-dir.")
  if (found === undefined && fs.lstatSync(asked, { throwIfNoEntry: false })?.isSymbolicLink()) {
    // What a link of ours points at was removed by hand: that is a wish to begin anew.
    makePath(resolve(dirname(asked), fs.readlinkSync(asked)), walkable)
  }
  const moved =
    isRoot && !everyoneReaches(fs.realpathSync(dirname(fs.existsSync(asked) ? fs.realpathSync(asked) : asked)))
  if (moved) moveOut(asked)
  else makePath(asked, walkable)
  const root = fs.realpathSync(asked)
  makeOurs(root)
  const note = moved || fs.lstatSync(asked).isSymbolicLink() ? movedNote(asked, root) : null
  return { root, note }
}

const movedNote = (asked: string, root: string) =>
  `The data lies in ${root}; ${asked} is a link to it. Databases run as users of their own, who must be able to walk to their data.`

const moveOut = (asked: string) => {
  const hash = createHash("sha256").update(asked).digest("hex").slice(0, 8)
  const real = join(varFolder, `${basename(asked).replace(/^\.+/, "")}-${hash}`)
  if (fs.existsSync(asked)) {
    if (fs.readdirSync(asked).length > 0) {
      throw refusal(
        asked,
        "is not empty, and lies below a folder that only root may enter. Name a new folder, or one elsewhere."
      )
    }
    fs.rmdirSync(asked)
  }
  makePath(real, walkable)
  fs.symlinkSync(real, asked)
}

/** Like `mkdir -p`. Node's own recursive mkdir never returns where the kernel says ENOENT, as in /proc. */
const makePath = (path: string, mode = 0o755): void => {
  if (fs.existsSync(path)) return
  makePath(dirname(path))
  fs.mkdirSync(path, { mode })
}

/** Makes the sub-folders. A folder that holds other things is not opened to other users for it. */
const makeOurs = (root: string) => {
  fs.accessSync(root, fs.constants.W_OK | fs.constants.X_OK)
  const used = fs.readdirSync(root)
  if (isRoot && (fs.statSync(root).mode & 0o001) === 0) {
    if (used.length > 0 && !used.includes(lockName)) {
      throw refusal(root, "holds other things and only its owner may enter it. Name a new folder with --data-dir.")
    }
    fs.chmodSync(root, walkable)
  }
  for (const [name, mode] of [
    ["control", walkable],
    ["instances", walkable],
    ["logs", 0o700]
  ] as const) {
    makePath(join(root, name))
    fs.chmodSync(join(root, name), mode)
  }
}

/** Whether a user without rights of its own can walk to `folder`. */
const everyoneReaches = (folder: string): boolean =>
  (fs.statSync(folder).mode & 0o001) !== 0 && (folder === "/" || everyoneReaches(dirname(folder)))

/**
 * One holder at a time, by SQLite's file lock: the kernel drops it with the process, however that ends, and a pid
 * that is used again cannot hold it. The pid beside it only serves the message.
 */
const lock = (root: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const held = new DatabaseSync(join(root, lockName))
        try {
          held.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
        } catch (error) {
          held.close()
          throw error
        }
        fs.writeFileSync(join(root, "lock.pid"), `${process.pid}\n`)
        return held
      },
      catch: (error) => {
        const busy = error instanceof Error && "errcode" in error && error.errcode === 5
        if (!busy) return new DataFolderError({ folder: root, message: `Cannot lock ${root}: ${advice(error)}` })
        const pid = Number.parseInt(readText(join(root, "lock.pid")), 10) || null
        return new DataFolderInUse({
          folder: root,
          pid,
          message: `Another control plane uses ${root} (process ${pid ?? "unknown"}). Stop it, or name another folder with --data-dir.`
        })
      }
    }),
    (held) => Effect.sync(() => held.close())
  )

const readText = (path: string) => {
  try {
    return fs.readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const refusal = (folder: string, why: string) => new DataFolderError({ folder, message: `${folder} ${why}` })

const advice = (error: unknown) => {
  const code = error instanceof Error && "code" in error ? error.code : undefined
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return "it is not writable for the current user. Name another folder with --data-dir, or run as its owner."
  }
  if (code === "ENOTDIR" || code === "EEXIST") return "part of the path is a file. Name a folder with --data-dir."
  if (code === "ENOSPC") return "the disk is full."
  return error instanceof Error ? error.message : String(error)
}
