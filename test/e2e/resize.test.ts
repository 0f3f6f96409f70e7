/** Resizes on real servers: what a flavor gives reaches the database, with a restart only where it needs one. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ensurePackages } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { mysql, postgres } from "./logins.ts"
import { newService, runCoffer, type Service } from "./service.ts"

const missingMariadb = await ensurePackages({
  name: "MariaDB",
  probe: ["mariadbd", "--version"],
  packages: ["mariadb-server-core", "mariadb-client-core"]
})

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = (address: string) => ({ user: "ann", password: "secret-1", database: "shop", address })

describe("a resize", { timeout: 120_000 }, () => {
  let service: Service

  beforeAll(async () => {
    service = await newService({ runtime: "process" })
    await service.start()
  }, 90_000)

  afterAll(() => service.dispose(), 60_000)

  const shown = async (id: string) => {
    const { body } = await service.request("GET", `/instances/${id}`)
    return (body as { instance: { status: string; flavor: { id: string }; volume: { size: number } } }).instance
  }
  const resize = async (id: string, size: unknown) => {
    const { body, status } = await service.request("POST", `/instances/${id}/action`, { resize: size })
    expect([status, body]).toEqual([202, null])
    expect((await shown(id)).status).toBe("RESIZE")
    await eventually("it is ACTIVE again", async () => ((await shown(id)).status === "ACTIVE" ? true : null))
    return service.healthy(id)
  }

  it("of PostgreSQL gives it the buffers of its flavor, with a restart, and keeps its data", async () => {
    const id = await service.create({ name: "grown", ...order })
    const { address } = await service.healthy(id)
    const buffers = async () => await postgres(ann(address), "SHOW shared_buffers")
    expect(await buffers()).toEqual([{ shared_buffers: "128MB" }])
    await postgres(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
    const [before] = service.serversOf(id)

    await resize(id, { flavorRef: "2" })
    expect(await buffers()).toEqual([{ shared_buffers: "512MB" }])
    expect(await postgres(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
    expect((await shown(id)).flavor.id).toBe("2")
    expect(service.serversOf(id)[0]?.pid).not.toBe(before?.pid)
    expect(await service.tells(id, "restart the database: done")).toContain("→ Resizing")

    const [server] = service.serversOf(id)
    await resize(id, { volume: { size: 3 } })
    expect((await shown(id)).volume.size).toBe(3)
    expect(service.serversOf(id)[0]?.pid).toBe(server?.pid)

    // What it is remembered as is what it comes up with after the service was killed.
    await service.kill()
    await service.start()
    await service.healthy(id)
    expect(await buffers()).toEqual([{ shared_buffers: "512MB" }])

    const asked = ["instance", "resize", "grown", "--flavor", "1", "--wait", "--url", service.url]
    expect(await runCoffer(asked)).toMatchObject({ code: 0, answer: "grown was resized.\n" })
    expect(await buffers()).toEqual([{ shared_buffers: "128MB" }])
    await service.remove(id)
  })

  it.skipIf(missingMariadb !== null)("of MariaDB gives it a larger pool while it serves", async () => {
    const id = await service.create({ name: "pool", datastore: { type: "mariadb" }, ...order })
    const { address } = await service.healthy(id)
    const pool = async () => {
      const [row] = await mysql(ann(address), "SELECT @@GLOBAL.innodb_buffer_pool_size AS size")
      return Number((row as { size: unknown }).size) / 1024 ** 2
    }
    expect(await pool()).toBe(128)
    const [server] = service.serversOf(id)
    await resize(id, { flavorRef: "2" })
    await eventually("the pool has grown", async () => ((await pool()) === 512 ? true : null))
    expect(service.serversOf(id)[0]?.pid).toBe(server?.pid)
    expect((await shown(id)).flavor.id).toBe("2")
    expect((await service.story(id)).some((line) => line.startsWith("restart the database"))).toBe(false)
    await service.remove(id)
  })
})
