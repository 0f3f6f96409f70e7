/** A file system of its own, in memory and small, that can be filled. */
import { execFileSync } from "node:child_process"
import { closeSync, constants, mkdirSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { errorText } from "./wording.ts"

const ballast = "ballast"
const chunk = Buffer.alloc(1 << 20)
const leastChunk = 4096

export class SmallDisk {
  readonly path: string

  private constructor(path: string) {
    this.path = path
    process.once("exit", this.#unmount)
  }

  /** The reason where this machine cannot do it; the folder is there all the same. */
  static make(path: string, megabytes: number): SmallDisk | { readonly missing: string } {
    mkdirSync(path, { recursive: true })
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "coffer-chaos", path], {
        stdio: "pipe"
      })
      return new SmallDisk(path)
    } catch (error) {
      return { missing: errorText(error) }
    }
  }

  /** Nothing can be written any more. What is freed meanwhile is taken as well, when it is called again. */
  fill() {
    const file = openSync(join(this.path, ballast), constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND)
    try {
      for (let size = chunk.length; size >= leastChunk; ) {
        try {
          if (writeSync(file, chunk, 0, size) < size) size /= 2
        } catch {
          size /= 2
        }
      }
    } finally {
      closeSync(file)
    }
  }

  empty() {
    rmSync(join(this.path, ballast), { force: true })
  }

  dispose() {
    this.#unmount()
    process.off("exit", this.#unmount)
  }

  readonly #unmount = () => {
    try {
      // Whoever still uses it is being ended.
      execFileSync("umount", ["--lazy", this.path], { stdio: "ignore" })
    } catch {
      // it is not mounted any more
    }
  }
}
