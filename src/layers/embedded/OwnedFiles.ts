/**
 * Files that belong to a server's user rather than to us: read without trust, handed over, removed, written in secret.
 */
import * as fs from "node:fs"
import { mkdtemp, readdir, rename, rmdir, unlink } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { HostProcessError, type Identity, isRoot } from "./HostProcess.ts"

/** The end of a file that somebody else may own: never follows a link, never blocks on a pipe. */
export const readTail = (path: string, bytes: number): string => {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
    try {
      const { size } = fs.fstatSync(fd)
      const buffer = Buffer.alloc(Math.min(bytes, size))
      return buffer.toString("utf8", 0, fs.readSync(fd, buffer, 0, buffer.length, size - buffer.length))
    } finally {
      fs.closeSync(fd)
    }
  } catch {
    return ""
  }
}

/** The size of a file, 0 when it cannot be told. */
export const sizeOf = (path: string): number => {
  try {
    return fs.lstatSync(path).size
  } catch {
    return 0
  }
}

/** Work on the file system; `what` goes before the error's own words. */
export const attempt = <A>(what: string, f: () => A) =>
  Effect.try({ try: f, catch: (error) => new HostProcessError({ message: `${what}: ${error}`, detail: "" }) })

/**
 * A secret as a program's standard input: a file that has lost its name, so that whoever kills us, it does not
 * stay on the disk. Open for as long as the scope.
 * @param path a name for a moment
 * @param owner who may open /dev/stdin anew
 */
export const secretInput = (path: string, secret: Redacted.Redacted, owner: Identity | null) =>
  Effect.acquireRelease(
    attempt(`cannot write ${path}`, () => {
      fs.rmSync(path, { force: true })
      const fd = fs.openSync(path, "wx+", 0o600)
      fs.unlinkSync(path)
      // The program opens /dev/stdin anew, with its own rights.
      if (owner !== null) fs.fchownSync(fd, owner.uid, owner.gid)
      fs.writeSync(fd, Redacted.value(secret), 0)
      return fd
    }),
    (fd) => Effect.sync(() => fs.closeSync(fd))
  )

/** Hands a folder and all in it to a user. */
export const giveTree = (folder: string, { uid, gid }: Identity) => {
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    fs.lchownSync(join(entry.parentPath, entry.name), uid, gid)
  }
  fs.lchownSync(folder, uid, gid)
}

/**
 * Removes a folder that a tenant may have filled, and may still have processes in; one that is not there is fine.
 * Who can write to a folder can put a link in place of what is in it, and lead a recursive removal elsewhere, so
 * each folder becomes ours alone before we look into it. Folders further down are moved up rather than walked to,
 * for a tenant can nest them deeper than a path may be long; names stay bytes, for they need not be UTF-8.
 */
export const removeTree = (path: string) =>
  Effect.tryPromise({
    try: async () => {
      const found = fs.lstatSync(path, { throwIfNoEntry: false })
      if (found?.isDirectory()) await removeFolder(path)
      else if (found !== undefined) await unlink(path)
    },
    catch: (error) => new HostProcessError({ message: `cannot remove ${path}: ${error}`, detail: "" })
  }).pipe(
    // A removal that went on in the background would meet what is made anew.
    Effect.uninterruptible
  )

const removeFolder = async (top: string) => {
  takeFolder(top)
  for (let folders = await emptyOfFiles(top); folders.length > 0; folders = await emptyOfFiles(top)) {
    for (const folder of folders) {
      for (const inner of await emptyOfFiles(folder)) await rename(inner, await mkdtemp(join(top, "removed-")))
      await rmdir(folder)
    }
  }
  await rmdir(top)
}

/** Removes what is no folder, and takes the folders that are left. */
const emptyOfFiles = async (folder: string | Buffer) => {
  const folders: Array<Buffer> = []
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: "buffer" })) {
    const path = Buffer.concat([Buffer.from(folder), Buffer.from("/"), entry.name])
    if (!entry.isDirectory()) {
      await unlink(path)
    } else {
      takeFolder(path)
      folders.push(path)
    }
  }
  return folders
}

/** Nobody else can change what is in it from here on; what holds it must be ours already. */
const takeFolder = (folder: string | Buffer) => {
  if (isRoot) fs.lchownSync(folder, 0, 0)
  fs.chmodSync(folder, 0o700)
}
