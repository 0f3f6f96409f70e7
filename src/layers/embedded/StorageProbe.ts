/** Whether a folder could take one more database: found out by writing a little there, and by asking for its room. */
import { mkdir, rm, statfs } from "node:fs/promises"
import { join } from "node:path"
import { Context, Effect } from "effect"
import { replaceFile } from "./DurableFile.ts"

/** In bytes. A server that was just made takes up to half of it. */
const leastFree = 256 * 1024 ** 2

/** A name that no instance can have. */
const probeName = ".probe"

/** What it takes to make a home, in small. What a power cut leaves of it is a home without a guest. */
const write = async (folder: string) => {
  const probe = join(folder, probeName)
  await rm(probe, { recursive: true, force: true })
  await mkdir(probe)
  try {
    await replaceFile(join(probe, "written"), "here\n")
  } finally {
    await rm(probe, { recursive: true, force: true })
  }
}

/** Servers have users of their own: what the disk keeps for root is not theirs. Some disks do not tell their size. */
const isFull = async (folder: string, least: number) => {
  const { bavail, blocks, bsize } = await statfs(folder)
  return blocks > 0 && bavail * bsize < least
}

const codeOf = (error: unknown) =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : String(error)

/**
 * What keeps a new database out of the folder, for an operator; null when nothing does.
 * @param least how many bytes must be free there
 */
export const obstacleOf = (folder: string, least = leastFree): Effect.Effect<string | null> =>
  Effect.tryPromise(async () => {
    await write(folder)
    return (await isFull(folder, least)) ? `${folder} has less than ${least / 1024 ** 2} MB free` : null
  }).pipe(Effect.catch(({ cause }) => Effect.succeed(`${folder} cannot be written (${codeOf(cause)})`)))

/** Of the folder of all homes, by whoever keeps them in one. What is in memory only has room. */
export const StorageProbe = Context.Reference<Effect.Effect<string | null>>("coffer/layers/embedded/StorageProbe", {
  defaultValue: () => Effect.succeed(null)
})
