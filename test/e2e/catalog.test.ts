/**
 * A version that an administrator adds while the service runs: ordered at once, built, kept over a kill, and deleted when
 * nothing is of it any more. In one process, and with the roles as processes of their own.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import * as Postgres from "../support/postgres.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { type Api, eventually } from "./api.ts"
import { Installation } from "./installation.ts"
import { type Login, postgres } from "./logins.ts"
import { newService, type Service } from "./service.ts"

const Versions = Schema.decodeUnknownSync(
  Schema.Struct({ versions: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String })) })
)

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}
const ann = (address: string): Login => ({ user: "ann", password: "secret-1", database: "shop", address })

const versions = "/mgmt/datastore-versions"

/** Asks as an administrator. */
type Ask = (
  method: string,
  path: string,
  body?: unknown
) => Promise<{ readonly status: number; readonly body: unknown }>

const added = async (ask: Ask, name: string, version: string) => {
  const wanted = {
    ...{ name, version, datastore_name: "lake", datastore_manager: "postgresql", active: true },
    image: `docker.io/library/postgres:${version}`
  }
  expect(await ask("POST", versions, { version: wanted })).toMatchObject({ status: 202 })
  const found = Versions((await ask("GET", versions)).body).versions.find((one) => one.name === name)
  return found?.id ?? ""
}

/** What holds of any service: `again` kills what asks and builds, and starts it again. */
const holds = async (
  api: Api & { healthy(id: string): Promise<{ address: string }> },
  ask: Ask,
  again: () => Promise<void>
) => {
  const id = await added(ask, "blue", "18")
  const datastore = { type: "lake", version: "blue" }
  const first = await api.create({ name: "first", datastore, ...order })
  const { address } = await api.healthy(first)
  expect(await postgres(ann(address), "SELECT current_setting('server_version_num')::int / 10000 AS v")).toEqual([
    { v: 18 }
  ])

  await again()
  const second = await api.create({ name: "second", datastore, ...order })
  await api.healthy(second)
  expect(await ask("PATCH", `${versions}/${id}`, { active: false })).toMatchObject({ status: 202 })
  const refused = { name: "third", flavorRef: "1", volume: { size: 1 }, datastore }
  expect(await api.request("POST", "/instances", { instance: refused })).toMatchObject({ status: 400 })

  expect(await ask("DELETE", `${versions}/${id}`)).toMatchObject({ status: 400 })
  await api.remove(first)
  await api.remove(second)
  expect(await ask("DELETE", `${versions}/${id}`)).toMatchObject({ status: 202 })

  // A number that is not installed is refused by the machine, with the reason.
  const missing = await added(ask, "green", "12")
  const none = await api.create({ name: "none", datastore: { type: "lake", version: "green" }, ...order })
  const { fault } = await eventually("the build has failed", async () => {
    const shown = await api.show(none)
    return shown?.status === "ERROR" ? shown : null
  })
  expect(fault?.message).toMatch(/12 cannot be run here; 18 can/)
  await api.remove(none)
  expect(await ask("DELETE", `${versions}/${missing}`)).toMatchObject({ status: 202 })
  expect(await ask("DELETE", "/datastores/lake")).toMatchObject({ status: 202 })
}

describe("a version that was added, in one process", { timeout: 180_000 }, () => {
  let service: Service

  beforeAll(async () => {
    service = await newService({ runtime: "process" })
    await service.start()
  }, 90_000)

  afterAll(() => service.dispose(), 60_000)

  it("is ordered, built, kept over a kill, and deleted after its last instance", async () => {
    const token = readFileSync(join(service.data, "token"), "utf8").trim()
    const ask: Ask = async (method, path, body) => {
      const response = await fetch(`${service.url}/v1.0/demo${path}`, {
        method,
        headers: { "content-type": "application/json", "x-auth-token": token },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const text = await response.text()
      return { status: response.status, body: text === "" ? null : JSON.parse(text) }
    }
    await holds(service, ask, async () => {
      await service.kill()
      await service.start()
    })
  })
})

describe.skipIf(missingBroker !== null)(
  `a version that was added, with separate roles${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`,
  { timeout: 240_000 },
  () => {
    const surroundings = ManagedRuntime.make(Layer.mergeAll(TestBroker.layer(), Postgres.server))
    let coffer: Installation

    beforeAll(async () => {
      const broker = await surroundings.runPromise(TestBroker)
      const { url } = await surroundings.runPromise(ControlPostgres)
      coffer = await Installation.make({
        brokerUrl: broker.url,
        managementUrl: broker.managementUrl ?? "",
        databaseUrl: Redacted.value(url),
        runtime: "process"
      })
      await coffer.prepare()
      await coffer.startAll()
    }, 180_000)

    afterAll(async () => {
      await coffer?.dispose()
      await surroundings.dispose()
    }, 90_000)

    it("is known to every role at once, and after each was killed", async () => {
      await holds(
        coffer,
        (method, path, body) => coffer.request(method, path, body),
        async () => {
          for (const member of ["api", "taskmanager"] as const) {
            await coffer.kill(member)
            await coffer.start(member)
          }
        }
      )
    })
  }
)
