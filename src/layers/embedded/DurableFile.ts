/**
 * Files that are still there after a power cut: what was confirmed is on the disk, whole. A file is its owner's
 * alone to read, unless told otherwise.
 */
import { open, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect } from "effect"
import { DiskError } from "../../services/Disk.ts"

/** Of the disk as a whole, and of what its owner may have of it. */
export const isFull = (error: unknown) =>
  error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")

/** Writes at `path`, and says what is the matter with the disk where it takes nothing. */
export const writing = <A>(path: string, write: () => Promise<A>): Effect.Effect<A, DiskError> =>
  Effect.tryPromise({
    try: write,
    catch: (error) =>
      new DiskError({ trouble: isFull(error) ? "DiskFull" : "DiskFailing", detail: `${path}: ${String(error)}` })
  })

/** What was made, renamed or removed in a folder stays so after this. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * The file holds this text after it, in place of one that is as long: it takes no room, so that a full disk can do it. For
 * what is far shorter than a sector, which is written whole or not at all.
 */
export const overwriteFile = async (path: string, text: string): Promise<void> => {
  const handle = await open(path, "r+")
  try {
    const { size } = await handle.stat()
    if (size !== Buffer.byteLength(text)) throw new Error("what is there is not as long")
    await handle.write(text, 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Who else may read a file than its owner. */
export interface Readers {
  readonly mode: number
  /** The user whose it becomes; null: it stays ours. */
  readonly owner: { readonly uid: number; readonly gid: number } | null
}

const ours: Readers = { mode: 0o600, owner: null }

/** The file holds this text after it, and the old one or this one whenever it is cut short. One writer at a time. */
export const replaceFile = async (path: string, text: string, { mode, owner } = ours): Promise<void> => {
  const fresh = `${path}.new`
  const handle = await open(fresh, "w", mode)
  try {
    await handle.writeFile(text)
    await handle.chmod(mode)
    if (owner !== null) await handle.chown(owner.uid, owner.gid)
    // Before the rename: a name may reach the disk earlier than what it names, and then the file is empty.
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(fresh, path)
  await syncFolder(dirname(path))
}
