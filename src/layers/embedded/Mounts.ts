/** What is mounted on this machine, as the kernel tells it. Looks, and changes nothing. */
import { readFile } from "node:fs/promises"
import { basename } from "node:path"

/** Blanks, tabs, line feeds and backslashes are told as three octal digits. */
export const unescaped = (path: string) =>
  path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

export interface Mount {
  /** "/dev/loop3" */
  readonly source: string
  readonly fileSystem: string
}

/** What is mounted at a path without links, the last on top; undefined where nothing is. */
export const mountAt = async (path: string): Promise<Mount | undefined> => {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n")
  return lines
    .flatMap((line) => {
      const [before = "", after = ""] = line.split(" - ")
      const [fileSystem = "", source = ""] = after.split(" ")
      return unescaped(before.split(" ")[4] ?? "") === path ? [{ source: unescaped(source), fileSystem }] : []
    })
    .at(-1)
}

/** The file behind a loop device, "" where there is none. */
export const fileBehind = (device: string): Promise<string> =>
  readFile(`/sys/block/${basename(device)}/loop/backing_file`, "utf8").then(
    (text) => text.replace(/\n$/, ""),
    () => ""
  )
