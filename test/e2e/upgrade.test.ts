/**
 * Upgrades of real servers: what is in the database is there with the new version, and with the old one where the new one
 * does not come up, or the service is killed in the middle of it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { trialPort } from "../../src/guest/HostFirewall.ts"
import type { CatalogContents, DatastoreManagerName, DatastoreVersion } from "../../src/services/Catalog.ts"
import { baseImage, buildImages, buildNewerMariadb, newerMariadb, testImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import { ensurePackages, mustNotSkip, nftables } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { type Login, mysql, postgres } from "./logins.ts"
import { newService, type Service } from "./service.ts"

const engine = await ensureDocker()
const missingEngine = "missing" in engine ? engine.missing : null
if (missingEngine === null) await buildImages()
else if (mustNotSkip) throw new Error(missingEngine)

/** Why there is none, null where there is. It is built while the other tests go on. */
const newer =
  missingEngine === null
    ? buildNewerMariadb().then(
        () => null,
        (error: unknown) => error
      )
    : null
afterAll(() => newer, 300_000)
const missingNft = await ensurePackages(nftables)
const missingMariadb = await ensurePackages({
  name: "MariaDB",
  probe: ["sh", "-c", "command -v mariadb-upgrade"],
  packages: ["mariadb-server-core", "mariadb-client"]
})

/** A version, the same again under another name, one that is older, and one whose server cannot come up. */
const datastore = (
  manager: DatastoreManagerName,
  version: string,
  image: string,
  more: ReadonlyArray<DatastoreVersion> = []
) => ({
  id: manager,
  name: manager,
  defaultVersion: `${manager}-first`,
  versions: [
    { id: `${manager}-first`, name: "first", version, manager, image, active: true },
    { id: `${manager}-next`, name: "next", version, manager, image, active: true },
    { id: `${manager}-old`, name: "old", version: "9.6", manager, image, active: true },
    { id: `${manager}-gone`, name: "gone", version, manager, image, active: false },
    { id: `${manager}-broken`, name: "broken", version: `${version}.99`, manager, image: baseImage, active: true },
    ...more
  ]
})

/** The next one, and one that is told to be another than it is. */
const newerOnes = ["11.8", "11.8.99"].map((version) => ({
  ...{ id: `mariadb-${version}`, name: version, version, manager: "mariadb" as const },
  ...{ image: newerMariadb, active: true }
}))

const catalogOf = (versions: Record<"postgresql" | "mariadb", string>): CatalogContents => ({
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    datastore("postgresql", versions.postgresql, testImages.postgresql),
    datastore("mariadb", versions.mariadb, testImages.mariadb, newerOnes)
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
  // From where we come; others are kept out.
  ...(missingNft === null ? { access: { is_public: false, allowed_cidrs: ["127.0.0.1/32"] } } : {}),
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
/** Whether somebody of another network gets in there at any time until `work` is done. */
const getsIn = async (host: string, port: number, work: Promise<unknown>) => {
  let [isIn, isOver] = [false, false]
  const look = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host, port, localAddress: "127.0.0.2" })
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
      socket.once("connect", () => socket.destroy())
    })
  const looks = (async () => {
    for (; !isOver; await new Promise((resolve) => setTimeout(resolve, 5))) isIn ||= await look()
  })()
  await work.finally(() => {
    isOver = true
  })
  await looks
  return isIn
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
        /** Two that truly differ; what else there is to see of them, a test of their own shows. */
        const isPair = runtime === "docker" && kind.type === "mariadb"
        const next = isPair ? "11.8" : "next"

        it("that is killed in the middle ends with the new version all the same", async () => {
          if (isPair) expect(await newer).toBeNull()
          const { address, id } = await sold(kind)
          await upgrade(id, next)
          await service.tells(id, "the new version is being tried on the copy")
          await service.kill()
          await service.start()
          await service.tells(id, "remove the data of the version before: done")
          await serves(kind, id, address, next)
          await service.remove(id)
        }, 300_000)

        if (isPair) return
        it("serves what was there with the next version, and through a restart of the service", async () => {
          const { address, id } = await sold(kind)
          await upgrade(id, "next")
          expect((await service.show(id))?.status).toBe("UPGRADE")
          expect((await ask(id, "next")).status).toBe(422)
          const done = service.tells(id, "remove the data of the version before: done")
          expect(await getsIn(address, trialPort(kind.port), done)).toBe(missingNft !== null)
          expect(await service.tells(id, "the new version is being tried on the copy")).toBeDefined()
          await serves(kind, id, address, "next")
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

      if (runtime === "docker")
        it("brings MariaDB from 10.11 to 11.8, and back where it fails on a copy that 11.8 has converted", async () => {
          expect(await newer).toBeNull()
          const [, kind] = kinds
          const { address, id } = await sold(kind)
          const root = { user: "root", password: "secret-3", database: "mysql", address }
          await service.request("POST", `/instances/${id}/root`, { password: root.password })
          const accounts = () => mysql(root, "SELECT User, Host, plugin FROM mysql.user ORDER BY User, Host")
          const one = async (sql: string) => Object.values((await mysql(ann(address), sql))[0] ?? {})[0]
          const before = await accounts()

          await upgrade(id, "11.8.99")
          await service.tells(id, "upgrade the database: failed")
          await serves(kind, id, address, "first")
          expect(await one("SELECT version()")).toMatch(/^10\.11\./)
          expect(await accounts()).toEqual(before)
          const { body: history } = await service.request("GET", `/instances/${id}/history`)
          expect(JSON.stringify(history)).toMatch(/The server is of version 11\.8\.\d+.*, and not 11\.8\.99\./)

          const tuned = async (version: string, max_connections: number) => {
            const configuration = {
              name: "tuned",
              values: { max_connections },
              datastore: { type: kind.type, version }
            }
            const { body } = await service.request("POST", "/configurations", { configuration })
            return (body as { configuration: { id: string } }).configuration.id
          }
          const attach = async (configuration: string | null, connections: number) => {
            expect((await service.request("PUT", `/instances/${id}`, { instance: { configuration } })).status).toBe(202)
            await eventually("it is set", async () =>
              (await one("SELECT @@max_connections")) === connections ? true : null
            )
            await service.healthy(id)
          }
          const given = Number(await one("SELECT @@max_connections"))
          await attach(await tuned("first", 77), 77)
          const { body, status } = await ask(id, "11.8")
          expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining("Detach it first.")])
          await attach(null, given)

          await upgrade(id, "11.8")
          const done = service.tells(id, "remove the data of the version before: done")
          expect(await getsIn(address, trialPort(kind.port), done)).toBe(missingNft !== null)
          await serves(kind, id, address, "11.8")
          expect(await one("SELECT version()")).toMatch(/^11\.8\./)
          expect(await accounts()).toEqual(before)
          // What mariadb-upgrade leaves behind.
          const info = join(service.data, "instances", id, "volume", "data", "mariadb_upgrade_info")
          expect(readFileSync(info, "utf8")).toMatch(/^11\.8\./)
          await attach(await tuned("11.8", 78), 78)
          await service.remove(id)
        }, 300_000)

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
