/** What is mounted below a folder of a test's, and that it does not stay. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { unescaped } from "../../src/layers/embedded/Mounts.ts"

export const mountsBelow = (folder: string): ReadonlyArray<string> => {
  if (!existsSync(folder)) return []
  const real = realpathSync(folder)
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => unescaped(line.split(" ")[4] ?? ""))
    .filter((path) => path.startsWith(`${real}/`))
    .sort()
}

/** Whoever still uses it is being ended. The deepest first. */
export const unmountBelow = (folder: string): void => {
  for (const path of mountsBelow(folder).toReversed()) execFileSync("umount", ["--lazy", path], { stdio: "ignore" })
}

/** Files of the folder that are behind a loop device. */
export const loopsBelow = (folder: string): ReadonlyArray<string> =>
  execFileSync("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"], { encoding: "utf8" })
    .split("\n")
    .filter((file) => file.startsWith(`${folder}/`))
    .sort()
