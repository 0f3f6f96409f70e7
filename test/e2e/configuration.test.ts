/**
 * Configuration groups on real servers: what can be taken at once is, what cannot waits for a restart, and a group with
 * which the server does not start is taken back without anybody's doing. And logs, which settings switch on.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ensurePackages } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { mysql, postgres } from "./logins.ts"
import { newService, type Service } from "./service.ts"

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

/** Far more than this machine has, in pages of 8 kB: within the range that the server itself tells. */
const fatalBuffers = 1_073_741_823

describe("configuration groups", { timeout: 120_000 }, () => {
  let service: Service

  beforeAll(async () => {
    service = await newService({ runtime: "process" })
    await service.start()
  }, 90_000)

  afterAll(() => service.dispose(), 60_000)

  const group = async (datastore: string, values: Record<string, unknown>) => {
    const { body, status } = await service.request("POST", "/configurations", {
      configuration: { name: "tuned", values, datastore: { type: datastore } }
    })
    expect(status, JSON.stringify(body)).toBe(200)
    return (body as { configuration: { id: string } }).configuration.id
  }
  const change = async (id: string, instance: Record<string, unknown>) => {
    const { body, status } = await service.request("PUT", `/instances/${id}`, { instance })
    expect([status, body]).toEqual([202, null])
  }
  const restart = (id: string) => service.request("POST", `/instances/${id}/action`, { restart: {} })
  const reaches = (id: string, status: string) =>
    eventually(`${id} is ${status}`, async () => ((await service.show(id))?.status === status ? true : null))
  const settled = async (id: string) => (await service.story(id)).filter((line) => line === "→ Active").length
  /** Asks for something, until the instance is back in service. */
  const during = async (id: string, ask: () => Promise<unknown>) => {
    const before = await settled(id)
    await ask()
    await eventually("it is back in service", async () => ((await settled(id)) > before ? true : null))
  }
  const patch = (group: string, values: Record<string, unknown>) =>
    service.request("PATCH", `/configurations/${group}`, { configuration: { values } })
  const shown = async (id: string) => {
    const { body } = await service.request("GET", `/instances/${id}`)
    return (body as { instance: { configuration?: { id: string; not_applied?: string } } }).instance.configuration
  }

  it("of PostgreSQL: live, with a restart, taken back, and detached", async () => {
    const id = await service.create({ name: "tuned", ...order })
    const { address } = await service.healthy(id)
    const setting = async (name: string) => {
      const [row] = await postgres(ann(address), `SHOW ${name}`)
      return (row as Record<string, string>)[name]
    }
    const workMem = await setting("work_mem")

    const tuned = await group("postgresql", { work_mem: 12_345 })
    await during(id, () => change(id, { configuration: tuned }))
    await service.healthy(id)
    expect(await setting("work_mem")).toBe("12345kB")
    expect(await shown(id)).toMatchObject({ id: tuned })

    await during(id, () => patch(tuned, { max_connections: 42 }))
    await reaches(id, "RESTART_REQUIRED")
    expect(await setting("max_connections")).toBe("100")
    // What has not reached the server is let go of without one.
    await during(id, () => change(id, {}))
    await service.healthy(id)
    await during(id, () => change(id, { configuration: tuned }))
    await reaches(id, "RESTART_REQUIRED")
    await during(id, () => restart(id))
    await service.healthy(id)
    expect(await setting("max_connections")).toBe("42")

    await during(id, () => patch(tuned, { shared_buffers: fatalBuffers, work_mem: 23_456 }))
    await reaches(id, "RESTART_REQUIRED")
    await during(id, () => restart(id))
    await service.tells(id, "the configuration group tuned was taken back")
    await service.healthy(id)
    expect([await setting("max_connections"), await setting("work_mem")]).toEqual(["42", "12345kB"])
    expect((await shown(id))?.not_applied).toMatch(/memory/)

    await during(id, () => change(id, {}))
    await reaches(id, "RESTART_REQUIRED")
    await during(id, () => restart(id))
    await service.healthy(id)
    expect([await setting("max_connections"), await setting("work_mem")]).toEqual(["100", workMem])
    expect(await shown(id)).toBeUndefined()
    await service.remove(id)
  })

  it("of PostgreSQL with the order: it is there when the database is", async () => {
    const tuned = await group("postgresql", { max_connections: 33 })
    const id = await service.create({ name: "ordered", ...order, configuration: tuned })
    const { address } = await service.healthy(id)
    expect(await postgres(ann(address), "SHOW max_connections")).toEqual([{ max_connections: "33" }])
    await service.remove(id)
    expect((await service.request("DELETE", `/configurations/${tuned}`)).status).toBe(202)
  })

  it.skipIf(missingMariadb !== null)("of MariaDB: live, with a restart, taken back, and detached", async () => {
    const id = await service.create({ name: "maria", datastore: { type: "mariadb" }, ...order })
    const { address } = await service.healthy(id)
    const setting = async (name: string) => {
      const [row] = await mysql(ann(address), `SELECT @@GLOBAL.${name} AS value`)
      return String((row as { value: unknown }).value)
    }
    const before = await setting("max_connections")

    const tuned = await group("mariadb", { max_connections: 77, sql_mode: "ANSI_QUOTES" })
    await during(id, () => change(id, { configuration: tuned }))
    await service.healthy(id)
    expect([await setting("max_connections"), await setting("sql_mode")]).toEqual(["77", "ANSI_QUOTES"])

    await during(id, () => patch(tuned, { back_log: 99 }))
    await reaches(id, "RESTART_REQUIRED")
    await during(id, () => restart(id))
    await service.healthy(id)
    expect([await setting("max_connections"), await setting("back_log")]).toEqual(["77", "99"])

    await during(id, () => patch(tuned, { innodb_encrypt_log: true }))
    await reaches(id, "RESTART_REQUIRED")
    await during(id, () => restart(id))
    await service.tells(id, "the configuration group tuned was taken back")
    await service.healthy(id)
    expect([await setting("max_connections"), await setting("back_log")]).toEqual(["77", "99"])
    expect((await shown(id))?.not_applied).toMatch(/cannot enable encryption/)

    await during(id, () => change(id, { configuration: null }))
    await during(id, () => restart(id))
    await service.healthy(id)
    expect(await setting("max_connections")).toBe(before)
    await service.remove(id)
  })

  const logged = [
    { datastore: "postgresql", query: postgres, missing: null },
    { datastore: "mariadb", query: mysql, missing: missingMariadb }
  ] as const
  for (const { datastore, missing, query } of logged)
    it.skipIf(missing !== null)(
      `a log of ${datastore}: on at once, also after kill -9 and restarts, without our secrets`,
      async () => {
        const id = await service.create({ name: "logged", datastore: { type: datastore }, ...order })
        const { address } = await service.healthy(id)
        const act = async (flags: object) => {
          const { body, status } = await service.request("POST", `/instances/${id}/log`, { name: "general", ...flags })
          expect([status, body]).toEqual([200, expect.anything()])
          return (body as { log: { status: string; published: number; pending: number } }).log
        }
        const read = async (asked = "?lines=1000") => {
          const { body } = await service.request("GET", `/instances/${id}/log/general${asked}`)
          return (body as { log: { lines: Array<string>; offset: number; next: number; rotated: boolean } }).log
        }
        const isLogged = (words: string) =>
          eventually(`${words} is logged`, async () => {
            const { lines } = await read()
            return lines.some((line) => line.includes(words)) ? lines.join("\n") : null
          })

        await query(ann(address), "SELECT 'not this'")
        expect((await act({})).status).toBe("Disabled")
        await act({ enable: 1 })
        const users = [{ name: "bob", password: "hush-hush-1", databases: [{ name: "shop" }] }]
        expect((await service.request("POST", `/instances/${id}/users`, { users })).status).toBe(202)
        await query(ann(address), "SELECT 'the first'")
        const first = await isLogged("the first")
        expect(first).not.toContain("not this")
        expect(first).not.toContain("hush-hush-1")
        expect((await act({ publish: 1 })).published).toBeGreaterThan(0)

        const { next } = await read()
        await service.kill()
        await query(ann(address), "SELECT 'meanwhile'")
        await service.start()
        await service.healthy(id)
        await isLogged("meanwhile")
        expect((await read(`?offset=${next}`)).lines.join("\n")).not.toContain("the first")
        await during(id, () => restart(id))
        await service.healthy(id)
        await query(ann(address), "SELECT 'the second'")
        await isLogged("the second")

        expect(await act({ discard: 1 })).toMatchObject({ published: 0 })
        expect((await read()).lines.join("\n")).not.toContain("the first")
        expect((await read("?offset=0")).rotated).toBe(true)
        expect((await act({ disable: 1 })).status).toBe("Disabled")
        await query(ann(address), "SELECT 'the last'")
        expect((await read()).lines.join("\n")).not.toContain("the last")

        // What the server says of itself is for administrators.
        const { status } = await service.request("GET", `/instances/${id}/log/error`)
        expect(status).toBe(datastore === "mariadb" ? 403 : 400)
        await service.remove(id)
      }
    )
})
