/**
 * The simulation notices what is wrong: each mutation of a copy of the code fails within a bounded number of seeds, or
 * at a crash point of an operation.
 */
import { spawn } from "node:child_process"
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Mutation, mutations } from "./mutations.ts"

const maxSeeds = 120

const root = join(import.meta.dirname, "../..")
let copy = ""

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "coffer-mutations-"))
  for (const part of ["src", "package.json", "test/kit", "test/simulation"])
    await cp(join(root, part), join(copy, part), { recursive: true })
  await symlink(join(root, "node_modules"), join(copy, "node_modules"))
})

afterAll(() => rm(copy, { recursive: true, force: true }))

/** Runs the copy until a seed or a point fails; its exit code, and what it printed last. */
const run = ({ operation, seed = 1 }: Mutation) =>
  new Promise<{ readonly code: number | null; readonly told: string }>((resolve, reject) => {
    const seeds = ["test/simulation/main.ts", "--first", "--seeds", String(maxSeeds), "--seed", String(seed)]
    const lives = operation === undefined ? seeds : ["test/simulation/crash.ts", operation]
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...lives], { cwd: copy })
    let told = ""
    const keep = (text: Buffer) => {
      told = `${told}${text.toString()}`.slice(-4000)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, told }))
  })

describe("the simulation notices", () => {
  it.each(mutations)("$what", { timeout: 120_000 }, async (mutation) => {
    const { file, find, replace } = mutation
    const path = join(copy, file)
    const code = await readFile(path, "utf8")
    expect(code.split(find), `"${find}" occurs once in ${file}`).toHaveLength(2)
    await writeFile(
      path,
      code.replace(find, () => replace)
    )
    try {
      const verdict = await run(mutation)
      expect(verdict.told).toMatch(/seed \d+ failed; again|point failed: |, undisturbed: /)
      expect(verdict.code).toBe(1)
      // It is what was mutated that fails, and not the simulation.
      expect(verdict.told).not.toContain("the simulation broke down")
    } finally {
      await writeFile(path, code)
    }
  })
})
