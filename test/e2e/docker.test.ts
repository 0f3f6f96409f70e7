/** The core of the service with databases as containers, of images that the tests build themselves. */
import { execFile } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { CatalogContents, DatastoreManagerName } from "../../src/services/Catalog.ts"
import { buildImages, testImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import { ensurePackages, mariadbClient, mustNotSkip, psql } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { type Login, mysql, postgres } from "./logins.ts"
import { newService, runCoffer, type Service } from "./service.ts"

const run = promisify(execFile)

const engine = await ensureDocker()
const missing = "missing" in engine ? engine.missing : null
if (missing === null) await buildImages()
else if (mustNotSkip) throw new Error(missing)

const missingClients = (await ensurePackages(psql)) ?? (await ensurePackages(mariadbClient))

const datastore = (name: "postgresql" | "mariadb", version: string) => {
  const id = `${name}-${version}`
  const manager: DatastoreManagerName = name
  const image = testImages[name]
  return {
    id: name,
    name,
    defaultVersion: id,
    versions: [{ id, name: version, version, manager, image, active: true }]
  }
}

const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [datastore("postgresql", "15"), datastore("mariadb", "10.11")],
  defaultDatastore: "postgresql"
}

const kinds = [
  { type: "postgresql", port: 5432, query: postgres },
  { type: "mariadb", port: 3306, query: mysql }
] as const

const docker = async (...args: ReadonlyArray<string>) => (await run("docker", args)).stdout.trim()

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = (address: string): Login => ({ user: "ann", password: "secret-1", database: "shop", address })

describe.skipIf(missing !== null)(
  `coffer up with databases in containers${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-e2e-"))
    const passwordFile = join(folder, "password")
    let service: Service

    beforeAll(async () => {
      chmodSync(folder, 0o755)
      writeFileSync(passwordFile, "secret-1\n", { mode: 0o600 })
      const path = join(folder, "catalog.json")
      writeFileSync(path, JSON.stringify(catalog))
      service = await newService({ runtime: "docker", env: { COFFER_CATALOG: path } })
      await service.start()
    }, 90_000)

    afterAll(async () => {
      await service?.dispose()
      rmSync(folder, { recursive: true, force: true })
    }, 90_000)

    describe.each(kinds)("$type", ({ port, query, type }) => {
      it("serves a stock driver as soon as it is ACTIVE, survives the service, and leaves nothing", async () => {
        const before = await service.existing()
        const id = await service.create({ name: type, datastore: { type }, ...order })
        const { address } = await service.healthy(id)
        await query(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
        const between = await service.existing()
        expect(between.containers).toHaveLength(1)
        expect(between.containers[0]).toContain("running")
        expect(between.listeners).toContain(`${address}:${port}`)

        await service.kill()
        expect(await query(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
        await service.start()
        await service.healthy(id)
        expect(await query(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
        expect((await service.existing()).containers).toEqual(between.containers)

        await service.remove(id)
        expect(await service.existing()).toEqual({ ...before, processes: expect.any(Array) })
      })

      it.skipIf(missingClients !== null)(
        `is opened by its own client${missingClients === null ? "" : ` (skipped: ${missingClients})`}`,
        async () => {
          const id = await service.create({ name: type, datastore: { type }, ...order })
          await service.healthy(id)
          const connecting = ["connect", type, "--url", service.url, "--password-file", passwordFile, "--"]
          const one = type === "postgresql" ? "-Atc" : "-Ne"
          const asked = await runCoffer([...connecting, one, "SELECT 7"])
          expect(asked).toEqual({ code: 0, answer: "7\n", output: "7\n" })
          const refused = await runCoffer([...connecting, one, "SELECT nonsense"])
          expect([refused.code, refused.answer]).toEqual([1, ""])
          await service.remove(id)
        }
      )

      it("is built once and not twice when the service is killed in the middle", async () => {
        const id = await service.create({ name: type, datastore: { type }, ...order })
        await eventually("its container exists", async () => {
          const { containers } = await service.existing()
          return containers.length > 0 ? true : null
        })
        await service.kill()
        await service.start()
        const { address } = await service.healthy(id)
        await query(ann(address), "SELECT 1")
        expect((await service.existing()).containers).toHaveLength(1)
        await service.remove(id)
      })

      it("leaves nothing when it is deleted in the middle of its build", async () => {
        const before = await service.existing()
        const id = await service.create({ name: type, datastore: { type }, ...order })
        await eventually("its container exists", async () => {
          const { containers } = await service.existing()
          return containers.length > 0 ? true : null
        })
        await service.remove(id)
        expect(await service.existing()).toEqual(before)
      })
    })

    it("keeps the container of a database down that is stopped, and brings it up with its data", async () => {
      const id = await service.create({ name: "resting", ...order })
      const { address } = await service.healthy(id)
      await postgres(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
      const action = (body: unknown) => service.request("POST", `/instances/${id}/action`, body)
      expect((await action({ stop: {} })).status).toBe(202)
      const isStopped = async () => {
        const shown = await service.show(id)
        return shown?.status === "SHUTDOWN" && shown.operating_status === "SHUTDOWN" ? true : null
      }
      await eventually("it is stopped", isStopped)
      const running = async () => (await service.existing()).containers.filter((line) => line.includes("running"))
      expect(await running()).toEqual([])
      await service.kill()
      await service.start()
      const beside = await service.create({ name: "beside", ...order })
      await service.healthy(beside)
      await service.remove(beside)
      expect([await isStopped(), await running()]).toEqual([true, []])
      expect((await action({ start: {} })).status).toBe(202)
      await service.healthy(id)
      expect(await postgres(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
      await service.remove(id)
    })

    it("makes a container anew that somebody has removed, over its data, for an administrator", async () => {
      const id = await service.create({ name: "removed", ...order })
      const { address } = await service.healthy(id)
      await postgres(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
      const containers = () => docker("ps", "--all", "--no-trunc", "--quiet", "--filter", `name=coffer-${id}`)
      const asAdmin = (...args: ReadonlyArray<string>) =>
        runCoffer(["instance", ...args, "--url", service.url, "--token-file", join(service.data, "token")])
      const first = await containers()
      await docker("rm", "--force", first)
      expect(await asAdmin("rebuild", "removed", "--wait")).toMatchObject({ code: 0, answer: "removed was rebuilt.\n" })
      const second = await containers()
      // One that is well is made anew as well: what it is cannot change otherwise.
      expect(await asAdmin("rebuild", "removed", "--wait")).toMatchObject({ code: 0 })
      expect(new Set([first, second, await containers()]).size).toBe(3)
      expect(await containers()).toMatch(/^[0-9a-f]{64}$/)
      expect((await service.healthy(id)).address).toBe(address)
      expect(await postgres(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
      expect(JSON.parse((await asAdmin("hwinfo", "removed", "--json")).answer)).toEqual({
        hwinfo: { mem_total: 512 * 1024, num_cpus: 1 }
      })
      await service.remove(id)
    })

    it("stops containers with itself, and brings them back with their data", async () => {
      const id = await service.create({ name: "stopped", ...order })
      const { address } = await service.healthy(id)
      await postgres(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
      await service.stop()
      expect((await service.existing()).containers.filter((line) => line.includes("running"))).toEqual([])
      await service.start()
      await service.healthy(id)
      expect(await postgres(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
      await service.remove(id)
    })
  }
)
