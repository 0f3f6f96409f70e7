/** The four roles as processes of their own, over a real broker and a real PostgreSQL. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "amqplib"
import { Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { roles } from "../../src/layers/config/Configuration.ts"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import type { CatalogContents, DatastoreManagerName } from "../../src/services/Catalog.ts"
import { buildImages, testImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import * as Postgres from "../support/postgres.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { eventually } from "./api.ts"
import { type CollectedSpan, type Collector, drawTrace, startCollector } from "./collector.ts"
import { Installation } from "./installation.ts"
import { type Login, mysql, postgres } from "./logins.ts"

const engine = await ensureDocker()
const runtime = "missing" in engine ? "process" : "docker"
if (runtime === "docker") await buildImages()

const datastore = (name: "postgresql" | "mariadb", version: string) => {
  const manager: DatastoreManagerName = name
  const id = `${name}-${version}`
  const versions = [{ id, name: version, version, manager, image: testImages[name], active: true }]
  return { id: name, name, defaultVersion: id, versions }
}

interface Kind {
  readonly type: "postgresql" | "mariadb"
  readonly version: string
  readonly query: typeof postgres
}

const kinds: ReadonlyArray<Kind> =
  runtime === "docker"
    ? [
        { type: "postgresql", version: "15", query: postgres },
        { type: "mariadb", version: "10.11", query: mysql }
      ]
    : [{ type: "postgresql", version: "18", query: postgres }]

const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 512, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: kinds.map(({ type, version }) => datastore(type, version)),
  defaultDatastore: "postgresql"
}

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const network = "44444444-4444-4444-8444-444444444444"
const placed = { availability_zone: "rack-1", nics: [{ "net-id": network }] }
const ann = (address: string): Login => ({ user: "ann", password: "secret-1", database: "shop", address })

const decodeNames = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ name: Schema.String })))

const intervals = { OTEL_BSP_SCHEDULE_DELAY: "50", OTEL_BLRP_SCHEDULE_DELAY: "50" }

describe.skipIf(missingBroker !== null)(
  `every role a process of its own${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`,
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-roles-test-"))
    const surroundings = ManagedRuntime.make(Layer.mergeAll(TestBroker.layer(), Postgres.server))
    let broker: TestBroker["Service"]
    let collector: Collector
    let coffer: Installation

    beforeAll(async () => {
      collector = await startCollector()
      const path = join(folder, "catalog.json")
      writeFileSync(path, JSON.stringify(catalog))
      broker = await surroundings.runPromise(TestBroker)
      const { url } = await surroundings.runPromise(ControlPostgres)
      coffer = await Installation.make({
        brokerUrl: broker.url,
        managementUrl: broker.managementUrl ?? "",
        databaseUrl: Redacted.value(url),
        catalog: path,
        runtime,
        api: { network_id: network },
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...intervals }
      })
      await coffer.prepare()
      await coffer.startAll()
    }, 180_000)

    afterAll(async () => {
      await coffer?.dispose()
      await surroundings.dispose()
      await collector?.close()
      rmSync(folder, { recursive: true, force: true })
    }, 90_000)

    /** What the broker has for guests; what is there for the roles and their machine stays. */
    const atTheBroker = async () => {
      const names = async (path: string) =>
        decodeNames(await surroundings.runPromise(broker.management(path))).map(({ name }) => name)
      const all = [...(await names("/users")), ...(await names("/queues/%2F")), ...(await names("/exchanges/%2F"))]
      return all.filter((name) => /^guest(agent\.|-)/.test(name))
    }

    it.each(kinds)("builds a $type, which serves a stock driver, and leaves nothing of it", async ({ query, type }) => {
      const id = await coffer.create({ name: type, datastore: { type }, ...order })
      const { address } = await coffer.healthy(id)
      await query(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
      expect(await query(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
      expect((await atTheBroker()).sort()).toEqual([`guest-${id}`, `guestagent.${id}`])
      const { body } = await coffer.request("GET", `/instances/${id}/users`)
      expect(body).toMatchObject({ users: [{ name: "ann" }] })
      await coffer.remove(id)
      expect(await atTheBroker()).toEqual([])
    })

    it("one order is one trace through all four processes, to the zone and the network that it names", async () => {
      const elsewhere = { instance: { name: "traced", flavorRef: "1", volume: { size: 1 }, availability_zone: "nova" } }
      expect(await coffer.request("POST", "/instances", elsewhere)).toMatchObject({ status: 400 })
      const id = await coffer.create({ name: "traced", ...order, ...placed })
      const { address } = await coffer.healthy(id)
      expect((await coffer.request("GET", `/instances/${id}`)).body).toMatchObject({
        instance: { availability_zone: "rack-1", addresses: [{ address, type: "private", network }] }
      })
      await coffer.remove(id)
      const isPost = ({ attributes, name }: CollectedSpan) =>
        name === "POST" && attributes["http.route"] === "/v1.0/:project/instances"
      const post = collector.spans.filter(isPost).at(-1)
      const trace = await eventually("the trace is whole", () => {
        const spans = collector.spans.filter(({ traceId }) => traceId === post?.traceId)
        return spans.some(({ name }) => name === "report") ? spans : null
      })
      const services = new Set(trace.map(({ service }) => service))
      expect([...services].sort(), drawTrace(trace)).toEqual(
        ["coffer-api", "coffer-conductor", "coffer-guestagent", "coffer-taskmanager"].sort()
      )
    })

    it("a broker that is killed and comes back in the middle of builds loses nothing", async () => {
      const ids: Array<string> = []
      for (let n = 0; n < 4; n++) ids.push(await coffer.create({ name: `through-${n}`, ...order }))
      await surroundings.runPromise(broker.kill)
      // Orders are taken while it is away.
      ids.push(await coffer.create({ name: "while-away", ...order }))
      await eventually("the conductor says that it is away", async () =>
        (await coffer.health("conductor")) === 503 ? true : null
      )
      await surroundings.runPromise(broker.start)
      for (const id of ids) {
        const { address } = await coffer.healthy(id)
        expect(await postgres(ann(address), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      }
      for (const role of roles) await coffer.isHealthy(role)
      await Promise.all(ids.map((id) => coffer.remove(id)))
      expect(await atTheBroker()).toEqual([])
    })

    it.each(roles)("a %s that is killed in the middle of a build is missed by nobody for long", async (role) => {
      const id = await coffer.create({ name: `without-${role}`, ...order })
      await coffer.tells(id, "create the server")
      await coffer.kill(role)
      await coffer.start(role)
      const { address } = await coffer.healthy(id)
      expect(await postgres(ann(address), "SELECT 1 AS n")).toEqual([{ n: 1 }])
      await coffer.remove(id)
    })

    it("databases serve on while their machine's agents are stopped, and are adopted by the next", async () => {
      const id = await coffer.create({ name: "kept", ...order })
      const { address } = await coffer.healthy(id)
      await postgres(ann(address), "CREATE TABLE kept AS SELECT 'tea' AS what")
      expect(await coffer.stop("guestagent")).toBe(0)
      expect(await postgres(ann(address), "SELECT what FROM kept")).toEqual([{ what: "tea" }])
      await coffer.start("guestagent")
      await coffer.healthy(id)
      const { body, status } = await coffer.request("GET", `/instances/${id}/databases`)
      expect([status, body]).toMatchObject([200, { databases: [{ name: "shop" }] }])
      await coffer.remove(id)
    })

    it("rubbish on the wire hurts nobody, and waits for an operator with its reason", async () => {
      const connection = await connect(broker.url)
      const channel = await connection.createConfirmChannel()
      for (const topic of ["taskmanager", "trove-conductor"]) {
        channel.publish("trove", topic, Buffer.from("rubbish"))
        const message = { method: "heartbeat", args: { instance_id: "someone", payload: {}, sent: 1 }, version: "1.0" }
        channel.publish("trove", topic, Buffer.from(JSON.stringify(message)))
      }
      await channel.waitForConfirms()
      await connection.close()
      const listed = await eventually("they are with the dead letters", async () => {
        const listed = await coffer.run("dead-letters", "list")
        return listed.split("trove-conductor").length > 2 ? listed : null
      })
      expect(listed).toContain("not a JSON object")
      expect(listed).toContain("clear text")
      for (const role of roles) await coffer.isHealthy(role)
    })

    it.each(roles)("a %s that is told to stop ends well", async (role) => {
      expect(await coffer.stop(role)).toBe(0)
      expect(coffer.outputOf(role)).not.toMatch(/level=(ERROR|FATAL)/)
      await coffer.start(role)
    })
  }
)
