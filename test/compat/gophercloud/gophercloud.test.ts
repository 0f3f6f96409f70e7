/**
 * The program beside it, which a person can read and run, against a service of its own; and that no call of
 * gophercloud's is missing in it.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newService, type Service } from "../../e2e/service.ts"
import { ensurePackages, goEnvironment, gophercloud } from "../../support/packages.ts"

const run = promisify(execFile)

const missing = await ensurePackages(gophercloud)
const named = `every call of gophercloud's${missing === null ? "" : ` (skipped: ${missing})`}`

/** On a quiet machine it takes a quarter of a minute. */
const patience = 200_000

/** The functions of a package that make a request. */
const callsOf = (name: string) => {
  const source = readFileSync(
    join(goEnvironment.GOPATH, "src/github.com/gophercloud/gophercloud/openstack/db/v1", name, "requests.go"),
    "utf8"
  )
  return [...source.matchAll(/^func ([A-Z]\w+)\(client /gm)].map(([, call]) => `${name}.${call}`)
}

describe.skipIf(missing !== null)(named, { timeout: patience }, () => {
  const folder = mkdtempSync(join(tmpdir(), "coffer-gophercloud-"))
  let service: Service
  let said = ""
  let code = -1

  beforeAll(async () => {
    const program = join(folder, "calls")
    const env = { PATH: process.env["PATH"], ...goEnvironment, GOCACHE: join(folder, "cache") }
    service = await newService({ runtime: "process" })
    await Promise.all([
      service.start(),
      run("go", ["build", "-o", program, "."], { cwd: import.meta.dirname, env, timeout: patience })
    ])
    const options = { env: { OS_ENDPOINT: `${service.url}/v1.0/demo` }, timeout: patience }
    await new Promise<void>((resolve) => {
      const child = execFile(program, options, (_, stdout, stderr) => {
        said = stdout + stderr
        code = child.exitCode ?? -1
        resolve()
      })
    })
  }, patience)

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await service?.dispose()
  }, 60_000)

  it("ends as the program expects it", () => {
    const wrong = said.split(/^(?=ok |WRONG )/m).filter((each) => !each.startsWith("ok "))
    expect(wrong.join("")).toBe("")
    expect(code).toBe(0)
    expect(said).toContain("ok     terraform: the instance is gone")
  })

  it("is in the program", () => {
    const source = readdirSync(import.meta.dirname)
      .filter((file) => file.endsWith(".go"))
      .map((file) => readFileSync(join(import.meta.dirname, file), "utf8"))
      .join("")
    const calls = ["configurations", "databases", "datastores", "flavors", "instances", "users"].flatMap(callsOf)
    expect(calls.length).toBeGreaterThan(30)
    expect(calls.filter((call) => !source.includes(`${call}(`))).toEqual([])
  })
})
