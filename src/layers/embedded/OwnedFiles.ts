/**
 * Files that belong to a server's user rather than to us: read without trust, handed over, written in secret.
 */
import * as fs from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { HostProcessError, type Identity } from "./HostProcess.ts"

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
