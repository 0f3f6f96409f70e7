/**
 * A database that is stopped, in the real service: it stays so whatever dies and is started anew, and comes back with its
 * data; and its server, made anew over that data.
 */
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "./api.ts"
import { killAllIn } from "./footprint.ts"
import { postgres } from "./logins.ts"
import { newService, runCoffer, type Service } from "./service.ts"

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ask = (address: string, sql: string) =>
  postgres({ user: "ann", password: "secret-1", database: "shop", address }, sql)

describe("a database that is stopped", { timeout: 120_000 }, () => {
  let service: Service

  beforeAll(async () => {
    service = await newService({ runtime: "process" })
    await service.start()
  }, 90_000)

  afterAll(() => service.dispose(), 60_000)

  const coffer = (...args: ReadonlyArray<string>) => runCoffer(["instance", ...args, "--url", service.url])

  const isDown = async (id: string) => {
    expect(await service.show(id)).toMatchObject({ status: "SHUTDOWN", operating_status: "SHUTDOWN" })
    expect(service.serversOf(id)).toEqual([])
  }

  it("stays so across the service, its death and the machine's, and comes back with its data", async () => {
    const id = await service.create({ name: "resting", ...order })
    const beside = await service.create({ name: "beside", ...order })
    const { address } = await service.healthy(id)
    await service.healthy(beside)
    await ask(address, "CREATE TABLE kept AS SELECT 'tea' AS what")

    const foreseen = await coffer("stop", "resting", "--preview")
    expect(foreseen.answer).toMatch(/^resting: its clients are cut off.*It has not done this before\.\n$/)
    expect(service.serversOf(id)).toHaveLength(1)
    expect(await coffer("stop", "resting", "--wait")).toMatchObject({ code: 0, answer: "resting is stopped.\n" })
    await isDown(id)
    expect((await service.request("GET", `/instances/${id}/databases`)).status).toBe(422)
    expect((await coffer("stop", "resting")).code).toBe(1)

    const ends = [
      ["the service ends", () => service.stop()],
      ["the service is killed", () => service.kill()],
      [
        "the machine goes down",
        async () => {
          await service.kill()
          await eventually("all is down", () => (killAllIn(service.root) === 0 ? true : null))
        }
      ]
    ] as const
    for (const [, end] of ends) {
      await end()
      await service.start()
      // Its agent began with the one of the other, whose database is up by now.
      await service.healthy(beside)
      await isDown(id)
    }
    const told = await coffer("start", "resting", "--wait")
    expect(told).toMatchObject({ code: 0, answer: "resting is started.\n" })
    expect(await ask(address, "SELECT what FROM kept")).toEqual([{ what: "tea" }])
    expect((await coffer("stop", "resting", "--preview")).answer).toMatch(/It took [\d.]+ s as a rule.*\(of 1\)\.\n$/)

    // As Trove's clients bring back what was stopped.
    expect((await coffer("stop", "resting", "--wait")).code).toBe(0)
    await isDown(id)
    expect(await coffer("restart", "resting", "--wait")).toMatchObject({ code: 0 })
    expect(await ask(address, "SELECT what FROM kept")).toEqual([{ what: "tea" }])

    // An administrator has the server made anew over that data.
    const asAdmin = (...args: ReadonlyArray<string>) => coffer(...args, "--token-file", join(service.data, "token"))
    const servers = service.serversOf(id)
    expect(await asAdmin("rebuild", "resting", "--wait")).toMatchObject({ code: 0, answer: "resting was rebuilt.\n" })
    expect(service.serversOf(id)).toHaveLength(1)
    expect(service.serversOf(id)).not.toEqual(servers)
    expect(await ask(address, "SELECT what FROM kept")).toEqual([{ what: "tea" }])
    expect(JSON.parse((await asAdmin("diagnostics", "resting", "--json")).answer)).toMatchObject({
      diagnostics: { version: expect.stringMatching(/^\d+/), threads: 1, vmRss: expect.any(Number) }
    })
    for (const one of [id, beside]) await service.remove(one)
  })

  it("is deleted, and leaves nothing", async () => {
    const before = await service.existing()
    const id = await service.create({ name: "going", ...order })
    await service.healthy(id)
    expect((await coffer("stop", "going", "--wait")).code).toBe(0)
    await service.remove(id)
    expect(await service.existing()).toEqual(before)
  })
})
