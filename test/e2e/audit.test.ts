/** `coffer audit` over a real installation: what nobody owns is found and goes, what is missing comes back, the rest stays. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import { buildImages, testImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import * as Postgres from "../support/postgres.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { eventually } from "./api.ts"
import { Installation } from "./installation.ts"
import { postgres, withPostgres } from "./logins.ts"
import { runCoffer } from "./service.ts"

const engine = await ensureDocker()
const runtime = "missing" in engine ? "process" : "docker"
if (runtime === "docker") await buildImages()
const part = runtime === "docker" ? "container" : "process"
const version = runtime === "docker" ? "15" : "18"

const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    {
      id: "postgresql",
      name: "postgresql",
      defaultVersion: "pg",
      versions: [
        { id: "pg", name: version, version, manager: "postgresql", image: testImages.postgresql, active: true }
      ]
    }
  ],
  defaultDatastore: "postgresql"
}

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = { user: "ann", password: "secret-1", database: "shop" }

const Audit = Schema.fromJsonString(
  Schema.Struct({
    audit: Schema.Struct({
      clean: Schema.Boolean,
      looked_at: Schema.Array(Schema.String),
      not_looked_at: Schema.Array(Schema.Struct({ place: Schema.String, reason: Schema.String })),
      findings: Schema.Array(
        Schema.Struct({
          finding: Schema.String,
          resource: Schema.String,
          instance_id: Schema.String,
          outcome: Schema.NullOr(Schema.String)
        })
      )
    })
  })
)
const decodeAudit = Schema.decodeUnknownSync(Audit)
const decodeNames = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ name: Schema.String })))

describe.skipIf(missingBroker !== null)(
  `an audit of a whole installation${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`,
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-audit-test-"))
    const surroundings = ManagedRuntime.make(Layer.mergeAll(TestBroker.layer(), Postgres.server))
    let broker: TestBroker["Service"]
    let coffer: Installation
    let databaseUrl: string
    /** It is well, and is to stay so. */
    let kept: string

    beforeAll(async () => {
      const path = join(folder, "catalog.json")
      writeFileSync(path, JSON.stringify(catalog))
      broker = await surroundings.runPromise(TestBroker)
      databaseUrl = Redacted.value((await surroundings.runPromise(ControlPostgres)).url)
      coffer = await Installation.make({
        brokerUrl: broker.url,
        managementUrl: broker.managementUrl ?? "",
        databaseUrl,
        catalog: path,
        runtime
      })
      await coffer.prepare()
      await coffer.startAll()
      kept = await coffer.create({ name: "kept", ...order })
      await coffer.healthy(kept)
    }, 180_000)

    afterAll(async () => {
      await coffer?.dispose()
      await surroundings.dispose()
      rmSync(folder, { recursive: true, force: true })
    }, 90_000)

    const homes = () => readdirSync(join(coffer.folder, "guests/instances")).sort()

    const audit = async (...args: ReadonlyArray<string>) => {
      const { answer, code } = await coffer.end("audit", "--json", ...args)
      const { audit } = decodeAudit(answer)
      const told = audit.findings.map(({ finding, instance_id, outcome, resource }) =>
        [finding, resource, instance_id, ...(outcome === null ? [] : [outcome])].join(" ")
      )
      return { code, told: told.sort(), unseen: audit.not_looked_at, looked: audit.looked_at }
    }

    const guestsAtTheBroker = async () => {
      const names = async (path: string) =>
        decodeNames(await surroundings.runPromise(broker.management(path))).map(({ name }) => name)
      const all = [...(await names("/users")), ...(await names("/queues/%2F"))]
      return all.filter((name) => /^guest(agent\.|-)/.test(name)).sort()
    }

    const isServing = async () => {
      const { address } = await coffer.healthy(kept)
      expect(await postgres({ ...ann, address }, "SELECT 1 AS n")).toEqual([{ n: 1 }])
    }

    it("finds nothing where all is well, nor while something is built", async () => {
      const looked = ["host one", "the broker", "the journal", "the store"]
      expect(await audit()).toEqual({ code: 0, told: [], unseen: [], looked })
      const building = await coffer.create({ name: "building", ...order })
      expect(await audit("--fix")).toEqual({ code: 0, told: [], unseen: [], looked })
      await coffer.healthy(building)
      await coffer.remove(building)
      const { output } = await coffer.end("audit")
      expect(output).toContain("Nothing is left over, and nothing is missing")
      expect(output).not.toMatch(/level=INFO/i)
    })

    it("finds what a store that was put back knows nothing of, and takes it away with all that it had", async () => {
      const lost = await coffer.create({ name: "lost", ...order })
      await coffer.healthy(lost)
      await withPostgres(databaseUrl, (query) => query(`DELETE FROM instances WHERE id = '${lost}'`))
      const all = ["home", part, "login", "queue"].map((resource) => `orphan ${resource} ${lost}`).sort()
      expect(await audit()).toMatchObject({ code: 1, told: all })
      expect(homes()).toEqual([kept, lost].sort())
      // What may be the only copy of somebody's data goes only when it is asked for by name.
      const holdsData = (line: string) => / (home|container|process) /.test(line)
      expect(await audit("--fix")).toMatchObject({
        code: 1,
        told: all.map((line) => `${line} ${holdsData(line) ? "left" : "done"}`)
      })
      expect(homes()).toEqual([kept, lost].sort())
      const { output } = await coffer.end("audit", "--fix")
      expect(output).toContain("2 of these hold data, and were left: --fix --remove-data removes them.")
      const rest = all.filter(holdsData)
      expect(await audit("--fix", "--remove-data")).toMatchObject({
        code: 0,
        told: rest.map((line) => `${line} done`)
      })
      expect(homes()).toEqual([kept])
      expect(await guestsAtTheBroker()).toEqual([`guest-${kept}`, `guestagent.${kept}`])
      expect(await audit()).toMatchObject({ code: 0, told: [] })
      await isServing()
    })

    it("finds a folder that never became a home, and leaves alone what bears another name", async () => {
      const begun = "aaaaaaaa-0000-4000-8000-000000000001"
      for (const name of [begun, "precious"]) {
        mkdirSync(join(coffer.folder, "guests/instances", name, "volume"), { recursive: true })
      }
      expect(await audit("--fix", "--remove-data")).toMatchObject({ code: 0, told: [`orphan home ${begun} done`] })
      expect(homes()).toEqual([kept, "precious"].sort())
    })

    it("gives a guest its login and its queue again", async () => {
      const { password, username } = new URL(broker.url)
      const headers = { authorization: `Basic ${btoa(`${username}:${password}`)}` }
      for (const path of [`/users/guest-${kept}`, `/queues/%2F/guestagent.${kept}`]) {
        await fetch(`${broker.managementUrl}${path}`, { method: "DELETE", headers })
      }
      expect(await guestsAtTheBroker()).toEqual([])
      const missing = [`missing login ${kept}`, `missing queue ${kept}`]
      expect(await audit("--fix")).toMatchObject({ code: 0, told: missing.map((line) => `${line} done`) })
      expect(await guestsAtTheBroker()).toEqual([`guest-${kept}`, `guestagent.${kept}`])
      // It comes back by itself, and can be asked.
      await eventually(
        "the guest answers again",
        async () => ((await coffer.request("GET", `/instances/${kept}/databases`)).status === 200 ? true : null),
        90_000
      )
    })

    it("is had by an administrator through the API", async () => {
      const { body, status } = await coffer.request("GET", "/mgmt/audit")
      expect([status, body]).toMatchObject([200, { audit: { clean: true, total: 0, not_looked_at: [] } }])
    })

    it("says what it could not look at, and takes nothing there for gone", async () => {
      await coffer.stop("guestagent")
      const { code, told, unseen } = await audit("--fix")
      expect({ code, told }).toEqual({ code: 2, told: [] })
      expect(unseen).toEqual([{ place: "host one", reason: expect.stringContaining("cannot be reached") }])
      await coffer.start("guestagent")
      await isServing()
      expect(existsSync(join(coffer.folder, "guests/instances", kept))).toBe(true)
    })

    it("removes no data for somebody who did not ask to fix anything", async () => {
      const { code, output } = await coffer.end("audit", "--remove-data")
      expect([code, output]).toEqual([2, expect.stringContaining("--remove-data goes with --fix")])
    })

    it("ends with 2 where it has no store to look at", async () => {
      const { code, output } = await runCoffer(["audit", "--config", join(folder, "nothing.toml")])
      expect([code, output]).toEqual([2, expect.stringContaining("nothing.toml")])
    })
  }
)
