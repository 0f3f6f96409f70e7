/**
 * Files that are still there after a power cut: what was confirmed is on the disk, whole. A file is its owner's
 * alone to read, unless told otherwise.
 */
import { open, rename } from "node:fs/promises"
import { dirname } from "node:path"

/** What was made, renamed or removed in a folder stays so after this. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, "r")
  try {
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
