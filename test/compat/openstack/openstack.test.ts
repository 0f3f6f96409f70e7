/**
 * openstack.sh, which a person can read and run, against a service of its own; and that no command of the client is
 * missing. Here the client is loaded once for all its commands.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../../e2e/api.ts"
import { newService, type Service } from "../../e2e/service.ts"
import { debianPython, ensurePackages, openstackClient } from "../../support/packages.ts"

const run = promisify(execFile)

const missing = await ensurePackages(openstackClient)
const named = `every command of OpenStack's client${missing === null ? "" : ` (skipped: ${missing})`}`

const script = join(import.meta.dirname, "openstack.sh")
const loaded = join(import.meta.dirname, "loaded")

/** On a quiet machine it takes half a minute. */
const patience = 300_000

/** Without what would tell the client of another cloud. */
const ownEnvironment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OS_")))

interface Failed {
  readonly code: number
  readonly stdout: string
}

const hasFailed = (error: unknown): error is Failed =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "number" && "stdout" in error

/** What the client says that it has, as `database db list`. */
const commandsOf = async (group: string) =>
  (await run("openstack", ["help", group], { env: ownEnvironment })).stdout
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith(`${group} `))

describe.skipIf(missing !== null)(named, { timeout: patience }, () => {
  let folder = ""
  let client: ChildProcess | null = null
  let service: Service
  let ended: Failed = { code: -1, stdout: "" }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "coffer-openstack-"))
    const socket = join(folder, "socket")
    client = spawn(debianPython, [join(loaded, "server.py"), socket], { env: ownEnvironment, stdio: "ignore" })
    service = await newService({ runtime: "process" })
    await service.start()
    await eventually("the client is loaded", () => (existsSync(socket) ? true : null))
    const token = readFileSync(join(service.data, "token"), "utf8").trim()
    const env = {
      ...ownEnvironment,
      PATH: `${loaded}:${process.env["PATH"]}`,
      OPENSTACK_LOADED: socket,
      COFFER: service.url,
      TOKEN: token
    }
    const options = { env, timeout: patience }
    ended = await run(script, options).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: unknown) => {
        if (hasFailed(error)) return error
        throw error
      }
    )
  }, patience)

  afterAll(async () => {
    client?.kill()
    if (folder !== "") rmSync(folder, { recursive: true, force: true })
    await service?.dispose()
  }, 60_000)

  it("ends as the script expects it", () => {
    const wrong = ended.stdout.split(/^(?=ok |WRONG )/m).filter((each) => !each.startsWith("ok "))
    expect(wrong.join("")).toBe("")
    expect(ended.code).toBe(0)
  })

  it("is in the script", async () => {
    const commands = [...(await commandsOf("database")), ...(await commandsOf("datastore"))]
    expect(commands.length).toBeGreaterThan(70)
    /** Of the commands that a line begins with, the longest is meant. */
    const commandIn = (line: string) =>
      commands.filter((command) => `${line} `.startsWith(`${command} `)).toSorted((a, b) => b.length - a.length)[0]
    const runs = new Set([...ended.stdout.matchAll(/^ok +openstack (.*)$/gm)].map(([, line]) => commandIn(line ?? "")))
    expect(commands.filter((command) => !runs.has(command))).toEqual([])
  })
})
