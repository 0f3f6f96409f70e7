/**
 * A real guest agent of Trove's beside one of ours, both driven by our control plane: from the order to the delete,
 * by the REST API, in Trove's own encrypted messages.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Layer, ManagedRuntime, Redacted } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import { eventually } from "../e2e/api.ts"
import { Installation, otherAddresses } from "../e2e/installation.ts"
import { type Login, mysql, postgres } from "../e2e/logins.ts"
import * as Postgres from "../support/postgres.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { agentImage, computeCommand, missingAgent, type Servers, servers } from "./trove/agent.ts"

const missing = missingBroker ?? missingAgent

const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    {
      id: "postgresql",
      name: "postgresql",
      defaultVersion: "postgresql-18",
      versions: [
        { id: "postgresql-18", name: "18", version: "18", manager: "postgresql", image: "postgres:18", active: true }
      ]
    },
    {
      id: "mariadb",
      name: "mariadb",
      defaultVersion: "mariadb-10.11",
      versions: [
        {
          id: "mariadb-10.11",
          name: "10.11",
          version: "10.11",
          manager: "mariadb",
          agent: "trove",
          image: agentImage,
          active: true
        }
      ]
    }
  ],
  defaultDatastore: "postgresql"
}

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const login = (address: string, user = "ann", password = "secret-1"): Login => ({
  user,
  password,
  database: "shop",
  address
})

class TroveServers extends Context.Service<TroveServers, Servers>()("test/interop/TroveServers") {}

describe.skipIf(missing !== null)(
  `a guest agent of Trove's under our control plane${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: 240_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-interop-"))
    const surroundings = ManagedRuntime.make(
      Layer.mergeAll(TestBroker.layer(), Postgres.server, Layer.effect(TroveServers, servers))
    )
    let coffer: Installation
    let broker: TestBroker["Service"]
    let ours = ""
    let troves = ""

    beforeAll(async () => {
      const path = join(folder, "catalog.json")
      writeFileSync(path, JSON.stringify(catalog))
      broker = await surroundings.runPromise(TestBroker)
      const { url } = await surroundings.runPromise(ControlPostgres)
      const { state } = await surroundings.runPromise(TroveServers)
      coffer = await Installation.make({
        brokerUrl: broker.url,
        managementUrl: broker.managementUrl ?? "",
        databaseUrl: Redacted.value(url),
        catalog: path,
        runtime: "process",
        taskmanager: { compute_command: [computeCommand], compute_command_addresses: otherAddresses },
        env: { TROVE_STATE: state }
      })
      await coffer.prepare()
      await coffer.startAll()
      troves = await coffer.create({ name: "troves", datastore: { type: "mariadb" }, ...order })
      ours = await coffer.create({ name: "ours", datastore: { type: "postgresql" }, ...order })
    }, 240_000)

    afterAll(async () => {
      await coffer?.dispose()
      await surroundings.dispose()
      rmSync(folder, { recursive: true, force: true })
    }, 90_000)

    const patient = 120_000
    const path = () => `/instances/${troves}`
    const names = async (what: "databases" | "users") => {
      const { body, status } = await coffer.request("GET", `${path()}/${what}`)
      expect(status, JSON.stringify(body)).toBe(200)
      return JSON.stringify(body)
    }

    it("becomes ACTIVE and HEALTHY beside ours, and both serve", async () => {
      const { address } = await coffer.healthy(troves, patient)
      const mine = await coffer.healthy(ours)
      expect(await postgres(login(mine.address), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      const rows = await eventually("ann can log in", () =>
        mysql(login(address), "CREATE TABLE kept AS SELECT 'tea' AS what").then(
          () => mysql(login(address), "SELECT what FROM kept"),
          () => null
        )
      )
      expect(rows).toEqual([{ what: "tea" }])
    })

    it("makes, lists, changes and removes databases and users", async () => {
      const made = await coffer.request("POST", `${path()}/databases`, { databases: [{ name: "more" }] })
      expect(made.status, JSON.stringify(made.body)).toBe(202)
      expect(await names("databases")).toContain('"more"')
      const bob = { name: "bob", password: "secret-2", databases: [{ name: "more" }, { name: "shop" }] }
      expect((await coffer.request("POST", `${path()}/users`, { users: [bob] })).status).toBe(202)
      expect(await names("users")).toContain('"bob"')
      const { address } = await coffer.healthy(troves)
      expect(await mysql(login(address, "bob", "secret-2"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      const put = async (rest: string, body: unknown) =>
        expect((await coffer.request("PUT", `${path()}/users${rest}`, body)).status).toBe(202)
      await put("", { users: [{ name: "bob", password: "secret-3" }] })
      expect(await mysql(login(address, "bob", "secret-3"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      expect((await coffer.request("DELETE", `${path()}/users/bob/databases/shop`)).status).toBe(202)
      await expect(mysql(login(address, "bob", "secret-3"), "SELECT 1")).rejects.toThrow(/denied/)
      await put("/bob/databases", { databases: [{ name: "shop" }] })
      await put("/bob", { user: { name: "rob", password: "secret-4" } })
      expect(await mysql(login(address, "rob", "secret-4"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      expect((await coffer.request("DELETE", `${path()}/users/rob`)).status).toBe(202)
      expect((await coffer.request("DELETE", `${path()}/databases/more`)).status).toBe(202)
      expect(await names("users")).not.toMatch(/"[br]ob"/)
      expect(await names("databases")).not.toContain('"more"')
    })

    it("refuses with its own words", async () => {
      const { body, status } = await coffer.request("POST", `${path()}/databases`, { databases: [{ name: "shop" }] })
      expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining("already exists")])
    })

    it("gives root, which can log in, and takes it back", async () => {
      const { body, status } = await coffer.request("POST", `${path()}/root`, { password: "root-secret-3" })
      expect([status, body]).toMatchObject([200, { user: { name: "root", password: "root-secret-3" } }])
      const { address } = await coffer.healthy(troves)
      expect(await mysql(login(address, "root", "root-secret-3"), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      expect((await coffer.request("DELETE", `${path()}/root`)).status).toBe(204)
      await expect(mysql(login(address, "root", "root-secret-3"), "SELECT 1")).rejects.toThrow(/denied/)
    })

    it("restarts its database, with what was in it", async () => {
      const { address } = await coffer.healthy(troves)
      expect((await coffer.request("POST", `${path()}/action`, { restart: {} })).status).toBe(202)
      await coffer.tells(troves, "→ Restarting")
      await coffer.healthy(troves, patient)
      expect(await mysql(login(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
    })

    it("takes a configuration group, at once and with a restart, and lets go of it", async () => {
      const { address } = await coffer.healthy(troves)
      const variable = async (name: string) => {
        const [row] = await mysql(login(address), `SELECT CAST(@@GLOBAL.${name} AS CHAR) AS value`)
        return row
      }
      const before = await variable("max_connections")
      const made = await coffer.request("POST", "/configurations", {
        configuration: { name: "tuned", values: { max_connections: 77 }, datastore: { type: "mariadb" } }
      })
      expect(made.status, JSON.stringify(made.body)).toBe(200)
      const [, group = ""] = /"id":"([^"]+)"/.exec(JSON.stringify(made.body)) ?? []
      const settled = async () => (await coffer.story(troves)).filter((line) => line === "→ Active").length
      const during = async (method: string, rest: string, body: unknown) => {
        const settledBefore = await settled()
        expect((await coffer.request(method, rest, body)).status).toBeLessThan(300)
        await eventually(
          "it is back in service",
          async () => ((await settled()) > settledBefore ? true : null),
          patient
        )
      }

      await during("PUT", path(), { instance: { configuration: group } })
      await coffer.healthy(troves, patient)
      expect(await variable("max_connections")).toEqual({ value: "77" })

      await during("PATCH", `/configurations/${group}`, { configuration: { values: { back_log: 99 } } })
      expect((await coffer.show(troves))?.status).toBe("RESTART_REQUIRED")
      await during("POST", `${path()}/action`, { restart: {} })
      await coffer.healthy(troves, patient)
      expect([await variable("max_connections"), await variable("back_log")]).toEqual([
        { value: "77" },
        { value: "99" }
      ])

      await during("PUT", path(), { instance: { configuration: null } })
      await during("POST", `${path()}/action`, { restart: {} })
      await coffer.healthy(troves, patient)
      expect(await variable("max_connections")).toEqual(before)
    })

    it("is deleted without a trace", async () => {
      await coffer.delete(troves)
      await eventually("it is gone", async () => ((await coffer.show(troves)) === null ? true : null), patient)
      await coffer.remove(ours)
      const left = JSON.stringify([
        await surroundings.runPromise(broker.management("/users")),
        await surroundings.runPromise(broker.management("/queues/%2F")),
        await surroundings.runPromise(broker.management("/exchanges/%2F"))
      ])
      expect(left).not.toContain(troves)
      expect(left).not.toContain(ours)
    })
  }
)
