/**
 * Who may reach an instance (`access.allowed_cidrs`), enforced on real servers: a client of another network is refused,
 * from the first moment on, through restarts and a service that is killed, and the agent comes in all the same.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import { buildImages, testImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import { ensurePackages, mustNotSkip, nftables } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { mysql, postgres, postgresUrl } from "./logins.ts"
import { newService, type Service } from "./service.ts"

const engine = await ensureDocker()
const noEngine = "missing" in engine ? engine.missing : null
if (noEngine === null) await buildImages()
else if (mustNotSkip) throw new Error(noEngine)
const noNft = await ensurePackages(nftables)

const version = (name: "postgresql" | "mariadb", number: string) => ({
  ...{ id: `${name}-${number}`, name: number, version: number, manager: name, image: testImages[name], active: true }
})
const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    { id: "postgresql", name: "postgresql", defaultVersion: "postgresql-15", versions: [version("postgresql", "15")] },
    { id: "mariadb", name: "mariadb", defaultVersion: "mariadb-10.11", versions: [version("mariadb", "10.11")] }
  ],
  defaultDatastore: "postgresql"
}

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = (address: string) => ({ user: "ann", password: "secret-1", database: "shop", address })

const others = { is_public: false, allowed_cidrs: ["10.0.0.0/8", "10.1.0.0/16"] }
const us = { is_public: false, allowed_cidrs: ["10.0.0.0/8", "127.0.0.0/8"] }

const kinds = [
  { runtime: "process", datastore: "postgresql", query: postgres, missing: noNft },
  { runtime: "docker", datastore: "postgresql", query: postgres, missing: noNft ?? noEngine },
  { runtime: "docker", datastore: "mariadb", query: mysql, missing: noNft ?? noEngine }
] as const

for (const { datastore, missing, query, runtime } of kinds)
  describe.skipIf(missing !== null)(
    `who reaches a ${datastore} (${runtime})${missing === null ? "" : ` (skipped: ${missing})`}`,
    { timeout: 180_000 },
    () => {
      const folder = mkdtempSync(join(tmpdir(), "coffer-e2e-"))
      let service: Service
      let id = ""
      let address = ""

      beforeAll(async () => {
        chmodSync(folder, 0o755)
        const file = join(folder, "catalog.json")
        writeFileSync(file, JSON.stringify(catalog))
        service = await newService({ runtime, env: runtime === "docker" ? { COFFER_CATALOG: file } : {} })
        await service.start()
      }, 120_000)

      afterAll(async () => {
        await service.dispose()
        rmSync(folder, { recursive: true, force: true })
      }, 60_000)

      /** What becomes of a login from 127.0.0.1. */
      const login = () =>
        query(ann(address), "SELECT 1").then(
          () => "in",
          (error: { code?: string }) => error.code ?? String(error)
        )
      const brought = async () =>
        (await service.story(id)).filter((line) => line === "restrict who reaches it: done").length
      const change = async (access: object) => {
        const before = await brought()
        expect(await service.request("PUT", `/instances/${id}`, { instance: { access } })).toEqual({
          status: 202,
          body: null
        })
        await eventually("it is enforced", async () => ((await brought()) > before ? true : null))
        await service.healthy(id)
      }
      const guards = () => execFileSync("nft", ["list", "table", "ip", service.guards], { encoding: "utf8" })

      it("refuses from the first moment, and not its agent", async () => {
        id = await service.create({ name: "guarded", datastore: { type: datastore }, access: others, ...order })
        ;({ address } = await service.healthy(id))
        expect(await login()).toBe("ECONNREFUSED")
        expect(guards()).toContain("ip saddr { 10.0.0.0/8,")
        const { body } = await service.request("GET", `/instances/${id}`)
        expect(body).toMatchObject({ instance: { access: others } })
        const created = { databases: [{ name: "later" }] }
        expect((await service.request("POST", `/instances/${id}/databases`, created)).status).toBe(202)
      })

      it("lets in who is told of, and cuts off who is not any more", async () => {
        await change(us)
        expect(await login()).toBe("in")
        if (datastore !== "postgresql") return await change(others)
        const client = new Client({ connectionString: postgresUrl(ann(address)) })
        client.on("error", () => {})
        await client.connect()
        await client.query("SELECT 1")
        await change(others)
        await expect(client.query("SELECT 1")).rejects.toThrow()
        await client.end().catch(() => {})
      })

      it("goes on through restarts of the database, and of a service that is killed", async () => {
        expect((await service.request("POST", `/instances/${id}/action`, { restart: {} })).status).toBe(202)
        await service.tells(id, "the database was restarted")
        await service.healthy(id)
        expect(await login()).toBe("ECONNREFUSED")
        await service.kill()
        expect(await login()).toBe("ECONNREFUSED")
        // As after a reboot.
        execFileSync("nft", ["delete", "table", "ip", service.guards])
        for (const { pid } of service.serversOf(id)) process.kill(pid, "SIGKILL")
        let isStarting = true
        const seen = new Set<string>()
        const watching = (async () => {
          while (isStarting) seen.add(await login())
        })()
        await service.start()
        await eventually("its agent comes in", async () => {
          const answer = await service.request("GET", `/instances/${id}/databases`)
          return answer.status === 200 ? true : null
        })
        isStarting = false
        await watching
        expect([...seen]).toEqual(["ECONNREFUSED"])
        expect(await login()).toBe("ECONNREFUSED")
      })

      it("opens again, and leaves nothing", async () => {
        await change({})
        expect(await login()).toBe("in")
        await change(others)
        await service.remove(id)
        expect(guards()).not.toContain("reject")
        const open = await service.create({ name: "guarded", datastore: { type: datastore }, access: others, ...order })
        await service.healthy(open)
        expect(await service.stop()).toBe(0)
        expect(() => guards()).toThrow()
      })
    }
  )
