/**
 * The service from outside, with databases as processes: what a newcomer does, and what must hold when the
 * service, a database or the machine's room for them fails.
 */
import { execFile } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import { curl, ensurePackages } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { killAllIn, processesIn } from "./footprint.ts"
import { type Login, postgres, postgresUrl, withPostgres } from "./logins.ts"
import { freePort, newService, runCoffer, type Service } from "./service.ts"

const run = promisify(execFile)

const missingCurl = await ensurePackages(curl)

/** What the tests order, and how one logs in to it then. */
const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = (address: string): Login => ({ user: "ann", password: "secret-1", database: "shop", address })

const write = (address: string) => postgres(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
const read = (address: string) => postgres(ann(address), "SELECT what FROM kept")
const kept = [{ what: "tea" }]

/** The copy-paste commands that a start prints. */
const printed = (output: string, beginning: string) =>
  [...output.matchAll(/^ {2}(\S.*(?:\n {4,}.*)*)$/gm)]
    .map(([, command = ""]) => command)
    .filter((command) => command.startsWith(beginning))

/** A catalog with a version that nothing here can run. */
const catalogBesides = (path: string) => {
  const version = { version: "8.4", name: "8.4", active: true, image: "mysql:8.4" }
  const flavors = [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }]
  const datastores = [
    {
      id: "d-1",
      name: "postgresql",
      defaultVersion: "v-1",
      versions: [{ ...version, id: "v-1", manager: "postgresql" }]
    },
    { id: "d-2", name: "mysql", defaultVersion: "v-2", versions: [{ ...version, id: "v-2", manager: "mysql" }] }
  ]
  writeFileSync(path, JSON.stringify({ flavors, datastores, defaultDatastore: "postgresql" }))
}

describe("coffer up with databases as processes", { timeout: 90_000 }, () => {
  let service: Service

  beforeAll(async () => {
    service = await newService({ runtime: "process" })
    await service.start()
  }, 90_000)

  afterAll(() => service.dispose(), 60_000)

  // One failure is not to be the failure of all that follow.
  beforeEach(async () => {
    if (!service.isRunning) await service.start()
  })

  it.skipIf(missingCurl !== null)(
    `gives a database that a stock driver can use, by the commands that it prints${missingCurl === null ? "" : ` (skipped: ${missingCurl})`}`,
    async () => {
      const [create = "", look = ""] = printed(service.output, "curl ")
      const [watch = ""] = printed(service.output, "./coffer ")
      const [connect = ""] = printed(service.output, "psql ")
      const created = await run("sh", ["-c", create])
      expect(created.stdout).toContain('"status":"BUILD"')

      const [command, ...args] = watch.split(" ")
      expect(command).toBe("./coffer")
      const watched = await runCoffer(args)
      expect(watched.code, watched.output).toBe(0)

      expect((await run("sh", ["-c", look])).stdout).toContain('"status":"ACTIVE"')
      const [first] = await service.list()
      const url = connect.split(" ")[1]?.replace("ADDRESS", first?.ip?.[0] ?? "") ?? ""
      const rows = await withPostgres(url, (query) => query("SELECT current_user AS me, current_database() AS here"))
      expect(rows).toEqual([{ me: "ann", here: "shop" }])
      await service.remove(first?.id ?? "")
    }
  )

  const looksAtHistory = async () => {
    const metrics = await (await fetch(`${service.url}/metrics`)).text()
    return Number(/^coffer_http_requests\{.*\/history".*\} (\d+)$/m.exec(metrics)?.[1] ?? 0)
  }

  it("shows a build live in the terminal until it is at rest", async () => {
    const looksBefore = await looksAtHistory()
    const id = await service.create({ name: "watched", ...order })
    // The build is held where it is until it has been looked at, however long the command takes to start.
    const initdb = await eventually("initdb runs", async () => {
      const found = processesIn(join(service.root, "instances", id))
      return found.length > 0 ? found : null
    })
    for (const { pid } of initdb) process.kill(pid, "SIGSTOP")
    const watching = runCoffer(["instance", "show", "--watch", "watched", "--url", service.url])
    await eventually("it is watched", async () => (await looksAtHistory()) > looksBefore + 1 || null)
    for (const { pid } of initdb) process.kill(pid, "SIGCONT")
    const watched = await watching
    expect(watched.code).toBe(0)
    const pictures = watched.output.split(/^(?=watched {2})/m)
    expect(pictures.length).toBeGreaterThan(1)
    expect(pictures[0]).toMatch(/^watched {2}BUILD/)
    expect(pictures[0]).toMatch(/… .*, waits for/)
    const last = pictures.at(-1) ?? ""
    expect(last).toMatch(/^watched {2}ACTIVE \(HEALTHY\) {3}postgresql 18 {3}127\./)
    expect(last).toMatch(/✓ wait for the database \(\d+\.\d s\)/)
    expect(last).toMatch(/Building → Active: the database is ready\s*$/)
    await service.remove(id)
  })

  it("is told by name what it cannot show", async () => {
    const shown = await runCoffer(["instance", "show", "nowhere", "--url", service.url])
    expect(shown).toMatchObject({
      code: 1,
      output: "coffer: There is no instance named nowhere in the project demo. See: coffer instance list\n"
    })
  })

  it("is ordered, restarted and deleted from the command line", async () => {
    const typed = (...args: ReadonlyArray<string>) =>
      runCoffer(["instance", ...args, "--wait"], { COFFER_URL: service.url })
    const what = ["--datastore", "postgresql", "--flavor", "1", "--size", "1", "--database", "shop", "--user", "ann"]
    const created = await typed("create", "typed", ...what)
    expect(created.code, created.output).toBe(0)
    const password = /^The password of ann, told only now: (\S+)$/m.exec(created.output)?.[1] ?? ""
    expect(created.output).toMatch(/✓ wait for the database \(\d+\.\d s\)\n/)
    const [, address = "", id = ""] = /^typed {2}ACTIVE \(HEALTHY\) .* (127\.\S+) +(\S+)$/m.exec(created.output) ?? []
    const login = { ...ann(address), password }
    await postgres(login, "CREATE TABLE kept AS SELECT 'tea' AS what")
    const [server] = service.serversOf(id)

    const restarted = await typed("restart", "typed")
    expect(restarted.code, restarted.output).toBe(0)
    expect(restarted.output).toMatch(/^typed was restarted\.$/m)
    expect(service.serversOf(id).map(({ pid }) => pid)).not.toContain(server?.pid)
    expect(await postgres(login, "SELECT what FROM kept")).toEqual(kept)

    const deleted = await typed("delete", "typed")
    expect(deleted.code, deleted.output).toBe(0)
    expect(deleted.output).toMatch(/^typed is gone\.$/m)
    expect(await service.show(id)).toBeNull()
    expect(await postgres(login, "SELECT 1").catch(() => null)).toBeNull()
  })

  it("leaves databases serving when it is killed, and adopts them at the next start", async () => {
    const id = await service.create({ name: "adopted", ...order })
    const { address } = await service.healthy(id)
    await write(address)
    const before = service.serversOf(id)
    await service.kill()
    expect(await read(address)).toEqual(kept)
    await service.start()
    await service.healthy(id)
    expect(await read(address)).toEqual(kept)
    expect(service.serversOf(id)).toEqual(before)
    expect((await service.story(id)).filter((line) => line.includes("crash"))).toEqual([])
    await service.remove(id)
  })

  it("stops databases cleanly with itself, and brings them back with their data", async () => {
    const id = await service.create({ name: "stopped", ...order })
    const { address } = await service.healthy(id)
    await write(address)
    expect([0, 130]).toContain(await service.stop())
    expect(processesIn(service.root)).toEqual([])
    await service.start()
    await service.healthy(id)
    expect(await read(address)).toEqual(kept)
    const log = await run("cat", [join(service.volumeOf(id), "logs", "general.log")])
    expect(log.stdout).toContain("database system is shut down")
    expect(log.stdout).not.toContain("not properly shut down")
    await service.remove(id)
  })

  it.each([
    ["as soon as it is accepted", () => true],
    ["while the guest initialises", (id: string) => existsSync(`${service.volumeOf(id)}/data.tmp/PG_VERSION`)],
    ["while the server starts", (id: string) => existsSync(`${service.volumeOf(id)}/data/postmaster.pid`)]
  ])("goes on with a build when it was killed %s, and ends with one database", async (_, isNow) => {
    const id = await service.create({ name: "resumed", ...order })
    await eventually("the moment of the kill", () => (isNow(id) ? true : null))
    await service.kill()
    await service.start()
    const { address } = await service.healthy(id)
    expect(await postgres(ann(address), "SELECT current_database() AS here")).toEqual([{ here: "shop" }])
    expect(service.serversOf(id)).toHaveLength(1)
    await service.remove(id)
  })

  it("brings everything back after the machine went down", async () => {
    const id = await service.create({ name: "surviving", ...order })
    const { address } = await service.healthy(id)
    await write(address)
    await service.kill()
    await eventually("all is down", () => (killAllIn(service.root) === 0 ? true : null))
    await service.start()
    await eventually("the data is there", () => read(address).catch(() => null))
    expect(await read(address)).toEqual(kept)
    await service.remove(id)
  })

  it("goes on with a delete when it was killed in the middle", async () => {
    const before = await service.existing()
    const id = await service.create({ name: "halved", ...order })
    await service.healthy(id)
    await service.delete(id)
    await service.kill()
    await service.start()
    await eventually("it is gone", async () => ((await service.show(id)) === null ? true : null))
    expect(await service.existing()).toEqual(before)
  })

  it("leaves nothing of an instance that was deleted", async () => {
    const before = await service.existing()
    const id = await service.create({ name: "deleted", ...order })
    const { address } = await service.healthy(id)
    const between = await service.existing()
    expect(between.listeners).toContain(`${address}:5432`)
    expect(between.folders).toContain(id)
    expect(between.processes.length).toBeGreaterThan(before.processes.length)
    await service.remove(id)
    expect(await service.existing()).toEqual(before)
  })

  it("gives back a tenant's quota with the instance", async () => {
    const quotas = () => service.request("GET", "/mgmt/quotas/demo")
    const before = await quotas()
    const id = await service.create({ name: "counted" })
    expect(await quotas()).not.toEqual(before)
    await service.remove(id)
    expect(await quotas()).toEqual(before)
  })

  it.each([
    ["as soon as it is accepted", () => true],
    ["while the guest initialises", (id: string) => existsSync(`${service.volumeOf(id)}/data.tmp/PG_VERSION`)],
    ["while the server starts", (id: string) => existsSync(`${service.volumeOf(id)}/data/postmaster.pid`)]
  ])("leaves nothing of an instance that is deleted %s", async (_, isNow) => {
    const before = await service.existing()
    const id = await service.create({ name: "unwanted", ...order })
    await eventually("the moment of the delete", () => (isNow(id) ? true : null))
    await service.remove(id)
    expect(await service.existing()).toEqual(before)
  })

  it("sees a database crash, says so, and starts it again with its data", async () => {
    const id = await service.create({ name: "crashed", ...order })
    const { address } = await service.healthy(id)
    await write(address)
    const [server] = service.serversOf(id)
    process.kill(server?.pid ?? 0, "SIGKILL")
    await service.tells(id, "it is being started again")
    await service.tells(id, "a client can log in")
    await service.healthy(id)
    expect(await read(address)).toEqual(kept)
    const [successor, ...others] = service.serversOf(id)
    expect(successor?.pid).not.toBe(server?.pid)
    expect(others).toEqual([])
    await service.remove(id)
  })

  it("restarts a database when it is asked to, with its data", async () => {
    const id = await service.create({ name: "restarted", ...order })
    const { address } = await service.healthy(id)
    await write(address)
    const [server] = service.serversOf(id)
    const restart = () => service.request("POST", `/instances/${id}/action`, { restart: {} })
    const answers = await Promise.all([restart(), restart()])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 422])
    const told = await service.tells(id, "restart the database: done")
    expect(told).toContain("→ Restarting")
    await service.healthy(id)
    expect(await read(address)).toEqual(kept)
    const [successor, ...others] = service.serversOf(id)
    expect(successor?.pid).not.toBe(server?.pid)
    expect(others).toEqual([])
    expect(told.filter((line) => line.includes("crash"))).toEqual([])
    const log = await run("cat", [join(service.volumeOf(id), "logs", "general.log")])
    expect(log.stdout).toContain("database system is shut down")
    expect(log.stdout).not.toContain("not properly shut down")
    await service.remove(id)
  })

  it("starts a crashed database again although a client's statement goes on in what is left of it", async () => {
    const id = await service.create({ name: "haunted", ...order })
    const { address } = await service.healthy(id)
    const endless = "SELECT count(*) FROM generate_series(1, 1e15::int8) AS n"
    const busy = expect(postgres(ann(address), endless)).rejects.toThrow()
    const running = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT count%' AND state = 'active'"
    await eventually("the statement runs", async () =>
      (await postgres(ann(address), running))[0] === undefined ? null : true
    )
    const [server] = service.serversOf(id)
    process.kill(server?.pid ?? 0, "SIGKILL")
    await service.tells(id, "a client can log in")
    expect(await postgres(ann(address), "SELECT 1 AS n")).toEqual([{ n: 1 }])
    await busy
    await service.remove(id)
  })

  it("makes and removes users and databases in the real database", async () => {
    const id = await service.create({ name: "inside", ...order })
    const { address } = await service.healthy(id)
    const path = `/instances/${id}`
    const bob = { user: "bob", password: "secret-2", database: "desk", address }
    const make = { databases: [{ name: "desk" }] }
    expect((await service.request("POST", `${path}/databases`, make)).status).toBe(202)
    const user = { name: "bob", password: bob.password, databases: [{ name: "desk" }] }
    expect((await service.request("POST", `${path}/users`, { users: [user] })).status).toBe(202)
    expect(await postgres(bob, "CREATE TABLE papers AS SELECT 1 AS page")).toEqual([])
    expect(await postgres(bob, "SELECT page FROM papers")).toEqual([{ page: 1 }])
    await expect(postgres({ ...bob, database: "shop" }, "SELECT 1")).rejects.toThrow(/permission denied/)

    expect((await service.request("DELETE", `${path}/users/bob`)).status).toBe(202)
    await expect(postgres(bob, "SELECT 1")).rejects.toThrow(/password authentication failed/)
    expect((await service.request("DELETE", `${path}/databases/desk`)).status).toBe(202)
    await expect(postgres({ ...ann(address), database: "desk" }, "SELECT 1")).rejects.toThrow(/does not exist/)
    await service.remove(id)
  })

  it("makes its tenant root of the real database, and takes that back", async () => {
    const id = await service.create({ name: "rooted", ...order })
    const { address } = await service.healthy(id)
    const root = { user: "root", password: "secret-3", database: "shop", address }
    const enabled = await service.request("POST", `/instances/${id}/root`, { password: root.password })
    expect(enabled).toEqual({ status: 200, body: { user: { name: "root", password: root.password } } })
    const mayAll = "SELECT rolsuper OR rolcreaterole AS may FROM pg_roles WHERE rolname = current_user"
    expect(await postgres(root, mayAll)).toEqual([{ may: true }])
    expect((await service.request("DELETE", `/instances/${id}/root`)).status).toBe(204)
    await expect(postgres(root, "SELECT 1")).rejects.toThrow(/password authentication failed|not permitted to log in/)
    await service.remove(id)
  })

  it("keeps a stranger out", async () => {
    const id = await service.create({ name: "guarded", ...order })
    const { address } = await service.healthy(id)
    const stranger = postgresUrl({ ...ann(address), password: "guess" })
    await expect(withPostgres(stranger, (query) => query("SELECT 1"))).rejects.toThrow(/password authentication failed/)
    await service.remove(id)
  })

  it("refuses a second service on its folder", async () => {
    const second = await runCoffer(["up", "--data-dir", service.data, "--port", String(await freePort())])
    expect(second.code).not.toBe(0)
    expect(second.output).toMatch(
      /^coffer: Another control plane uses \/\S+ \(process \d+\)\. Stop it, or name another/m
    )
  })
})

describe("coffer up where it cannot work", { timeout: 90_000 }, () => {
  const temporary = () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-e2e-"))
    chmodSync(folder, 0o755)
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  it("names a port that is taken", async () => {
    const port = await freePort()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve))
    onTestFinished(() => void other.close())
    const service = await newService({ runtime: "process" })
    onTestFinished(() => service.dispose())
    const ended = await runCoffer(["up", "--data-dir", service.data, "--port", String(port), "--runtime", "process"])
    expect(ended.code).not.toBe(0)
    expect(ended.output).toContain(
      `coffer: Port ${port} on 127.0.0.1 is taken. Stop what listens there, or name another`
    )
    expect(processesIn(service.root)).toEqual([])
  })

  it("names a folder that it cannot write to", async () => {
    const file = join(temporary(), "file")
    writeFileSync(file, "")
    for (const folder of [file, join(file, "below")]) {
      const ended = await runCoffer(["up", "--data-dir", folder, "--port", String(await freePort())])
      expect(ended.code).not.toBe(0)
      expect(ended.output).toMatch(/^coffer: .*is a file\. Name a folder with --data-dir\./m)
    }
  })

  it("ends a build that cannot work in ERROR, with a reason and nothing left behind", async () => {
    const catalog = join(temporary(), "catalog.json")
    catalogBesides(catalog)
    const service = await newService({ runtime: "process", env: { COFFER_CATALOG: catalog } })
    onTestFinished(() => service.dispose())
    await service.start()
    const before = await service.existing()
    const id = await service.create({ name: "hopeless", datastore: { type: "mysql" } })
    const failed = await eventually("ERROR", async () => {
      const instance = await service.show(id)
      return instance?.status === "ERROR" ? instance : null
    })
    expect(failed.fault?.message).toBe("The datastore mysql needs a runtime with containers.")
    expect(await service.existing()).toEqual(before)
    await service.remove(id)
    expect(await service.existing()).toEqual(before)
  })
})
