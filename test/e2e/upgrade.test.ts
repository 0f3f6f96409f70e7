/**
 * Upgrades of real servers: what is in the database is there with the new version, and with the old one where the new one
 * does not come up, or the service is killed in the middle of it.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { CatalogContents, DatastoreManagerName } from "../../src/services/Catalog.ts"
import { baseImage, buildImages, testImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import { ensurePackages, mustNotSkip } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { type Login, mysql, postgres } from "./logins.ts"
import { newService, type Service } from "./service.ts"

const engine = await ensureDocker()
const missingEngine = "missing" in engine ? engine.missing : null
if (missingEngine === null) await buildImages()
else if (mustNotSkip) throw new Error(missingEngine)

const missingMariadb = await ensurePackages({
  name: "MariaDB",
  probe: ["sh", "-c", "command -v mariadb-upgrade"],
  packages: ["mariadb-server-core", "mariadb-client"]
})

/** A version, the same again under another name, one that is older, and one whose server cannot come up. */
const datastore = (manager: DatastoreManagerName, version: string, image: string) => ({
  id: manager,
  name: manager,
  defaultVersion: `${manager}-first`,
  versions: [
    { id: `${manager}-first`, name: "first", version, manager, image, active: true },
    { id: `${manager}-next`, name: "next", version, manager, image, active: true },
    { id: `${manager}-old`, name: "old", version: "9.6", manager, image, active: true },
    { id: `${manager}-gone`, name: "gone", version, manager, image, active: false },
    { id: `${manager}-broken`, name: "broken", version: `${version}.99`, manager, image: baseImage, active: true }
  ]
})

const catalogOf = (versions: Record<"postgresql" | "mariadb", string>): CatalogContents => ({
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    datastore("postgresql", versions.postgresql, testImages.postgresql),
    datastore("mariadb", versions.mariadb, testImages.mariadb)
  ],
  defaultDatastore: "postgresql"
})

const runtimes = [
  { runtime: "process", catalog: catalogOf({ postgresql: "18", mariadb: "10.11" }), missing: null },
  { runtime: "docker", catalog: catalogOf({ postgresql: "15", mariadb: "10.11" }), missing: missingEngine }
] as const

const kinds = [
  { type: "postgresql", query: postgres, port: 5432 },
  { type: "mariadb", query: mysql, port: 3306 }
] as const

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = (address: string): Login => ({ user: "ann", password: "secret-1", database: "shop", address })

for (const { catalog, missing, runtime } of runtimes)
  describe.skipIf(missing !== null)(
    `an upgrade by the ${runtime} runtime${missing === null ? "" : ` (skipped: ${missing})`}`,
    { timeout: 180_000 },
    () => {
      const folder = mkdtempSync(join(tmpdir(), "coffer-upgrade-"))
      let service: Service

      beforeAll(async () => {
        const path = join(folder, "catalog.json")
        writeFileSync(path, JSON.stringify(catalog))
        service = await newService({ runtime, env: { COFFER_CATALOG: path } })
        await service.start()
      }, 90_000)

      afterAll(async () => {
        await service?.dispose()
        rmSync(folder, { recursive: true, force: true })
      }, 90_000)

      const ask = (id: string, datastore_version: string) =>
        service.request("PATCH", `/instances/${id}`, { instance: { datastore_version } })
      const upgrade = async (id: string, version: string) => expect((await ask(id, version)).status).toBe(202)
      const versionOf = async (id: string) => {
        const { body } = await service.request("GET", `/instances/${id}`)
        return (body as { instance: { datastore: { version: string } } }).instance.datastore.version
      }
      /** What lies on the volume beside the data, and is no part of a server that serves. */
      const beside = (id: string) =>
        readdirSync(join(service.data, "instances", id, "volume")).filter((name) => name.startsWith("data."))

      const sold = async (type: (typeof kinds)[number]) => {
        const id = await service.create({ name: type.type, datastore: { type: type.type }, ...order })
        const { address } = await service.healthy(id)
        await type.query(ann(address), "CREATE TABLE sold AS SELECT 'tea' AS what")
        return { id, address }
      }

      const serves = async (kind: (typeof kinds)[number], id: string, address: string, version: string) => {
        await service.healthy(id)
        expect(await kind.query(ann(address), "SELECT what FROM sold")).toEqual([{ what: "tea" }])
        await kind.query(ann(address), "INSERT INTO sold VALUES ('ale')")
        await kind.query(ann(address), "DELETE FROM sold WHERE what = 'ale'")
        expect(await versionOf(id)).toBe(version)
        await eventually("nothing lies beside the data", () => (beside(id).length === 0 ? true : null))
      }

      const served = kinds.filter(({ type }) => runtime !== "process" || type !== "mariadb" || missingMariadb === null)
      describe.each(served)("of $type", (kind) => {
        it("serves what was there with the next version, and through a restart of the service", async () => {
          const { address, id } = await sold(kind)
          await upgrade(id, "next")
          expect((await service.show(id))?.status).toBe("UPGRADE")
          expect((await ask(id, "next")).status).toBe(422)
          await service.tells(id, "the new version is being tried on the copy")
          await serves(kind, id, address, "next")
          await service.tells(id, "remove the data of the version before: done")
          await service.stop()
          await service.start()
          await serves(kind, id, address, "next")
          await service.remove(id)
        })

        it("goes back where the new server does not come up, and the old one serves all that there was", async () => {
          const { address, id } = await sold(kind)
          await upgrade(id, "broken")
          const told = await service.tells(id, "upgrade the database: failed")
          expect(told).toContain("→ Upgrading")
          await serves(kind, id, address, "first")
          await upgrade(id, "next")
          await service.tells(id, "remove the data of the version before: done")
          await serves(kind, id, address, "next")
          await service.remove(id)
        })

        it("that is killed in the middle ends with the new version all the same", async () => {
          const { address, id } = await sold(kind)
          await upgrade(id, "next")
          await service.tells(id, "the new version is being tried on the copy")
          await service.kill()
          await service.start()
          await service.tells(id, "remove the data of the version before: done")
          await serves(kind, id, address, "next")
          await service.remove(id)
        })
      })

      it("refuses what cannot be, with the reason", async () => {
        const id = await service.create({ name: "refused", ...order })
        await service.healthy(id)
        const refusals = [
          ["old", 400, /is older than 'first'/],
          ["gone", 400, /is not active/],
          ["nonsense", 400, /cannot be found/]
        ] as const
        for (const [version, status, reason] of refusals) {
          const answer = await ask(id, version)
          expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringMatching(reason)])
        }
        expect(await versionOf(id)).toBe("first")
        await service.remove(id)
      })

      if (runtime !== "process") return
      it("goes back where another program has the place of the trial", async () => {
        const [kind] = kinds
        const { address, id } = await sold(kind)
        const other = createServer().listen(kind.port + 10_000, address)
        await upgrade(id, "next")
        await service.tells(id, "upgrade the database: failed")
        await serves(kind, id, address, "first")
        other.close()
        await service.remove(id)
      })
    }
  )
