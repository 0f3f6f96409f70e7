/**
 * OpenStack's own command line, as Debian has it, against the service: every command of this slice, unchanged,
 * with the columns and values that Trove's users know.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { defaultNetwork } from "../../src/services/TenantNetwork.ts"
import { ensurePackages, openstackClient } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { postgres } from "./logins.ts"
import { newService, type Service } from "./service.ts"

const run = promisify(execFile)

const missing = await ensurePackages(openstackClient)
const named = `the openstack commands${missing === null ? "" : ` (skipped: ${missing})`}`

const asRow = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const isBorder = (line: string | undefined) => line?.startsWith("+") === true

/** The tables that were printed: each its columns, and its rows by column. */
const tablesIn = (output: string) => {
  const tables: Array<{ readonly columns: ReadonlyArray<string>; readonly rows: Array<Record<string, string>> }> = []
  const lines = output.split("\n")
  for (const [n, line] of lines.entries()) {
    if (!line.startsWith("|")) continue
    const cells = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
    // The first line of a table follows a border that does not follow a row.
    if (isBorder(lines[n - 1]) && !lines[n - 2]?.startsWith("|")) tables.push({ columns: cells, rows: [] })
    else tables.at(-1)?.rows.push(Object.fromEntries(cells.map((cell, c) => [tables.at(-1)?.columns[c], cell])))
  }
  return tables
}

describe.skipIf(missing !== null)(named, { timeout: 60_000 }, () => {
  let service: Service
  let address = ""

  /** Runs a command as a shell would, and gives what it printed. */
  const openstack = async (command: string, ...more: ReadonlyArray<string>) => {
    const endpoint = ["--os-auth-type", "none", "--os-endpoint", `${service.url}/v1.0/demo`]
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OS_")))
    return (await run("openstack", [...endpoint, ...command.split(" "), ...more], { env })).stdout
  }
  const table = async (command: string) => tablesIn(await openstack(command))[0] ?? { columns: [], rows: [] }
  const row = async (command: string) => asRow(await openstack(command, "-f", "json"))

  beforeAll(async () => {
    service = await newService({ runtime: "process" })
    await service.start()
    const order = "--flavor db.tiny --size 1 --datastore postgresql --datastore-version 18"
    await openstack(`database instance create osc ${order} --databases shop desk --users ann:secret-1`)
    const created = await eventually("it is listed", async () => (await service.list())[0] ?? null)
    address = (await service.healthy(created.id)).address
  }, 90_000)

  afterAll(() => service?.dispose(), 60_000)

  it("create an instance and show at once what was accepted", async () => {
    const shown = await row("database instance create second --flavor 1 --size 2 --datastore postgresql")
    expect(shown).toMatchObject({
      name: "second",
      status: "BUILD",
      datastore: "postgresql",
      datastore_version: "18",
      flavor: "1",
      volume: 2,
      region: "RegionOne"
    })
    expect(shown["id"]).toMatch(/^[0-9a-f-]{36}$/)
    expect(shown["created"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/)
    await openstack("database instance delete second")
  })

  it("create the databases and users that were asked for", async () => {
    for (const database of ["shop", "desk"]) {
      const login = { user: "ann", password: "secret-1", database, address }
      expect(await postgres(login, "SELECT current_database() AS here")).toEqual([{ here: database }])
    }
  })

  it("list instances", async () => {
    const { columns, rows } = await table("database instance list")
    expect(columns).toEqual([
      ...["ID", "Name", "Datastore", "Datastore Version", "Status", "Operating Status", "Public", "Addresses"],
      ...["Flavor ID", "Size", "Role"]
    ])
    expect(rows.find((instance) => instance["Name"] === "osc")).toEqual({
      ID: expect.stringMatching(/^[0-9a-f-]{36}$/),
      Name: "osc",
      Datastore: "postgresql",
      "Datastore Version": "18",
      Status: "ACTIVE",
      "Operating Status": "HEALTHY",
      Public: "False",
      Addresses: `[{'address': '${address}', 'type': 'private', 'network': '${defaultNetwork.id}'}]`,
      "Flavor ID": "1",
      Size: "1",
      Role: ""
    })
  })

  it("show an instance by its name", async () => {
    expect(await row("database instance show osc")).toMatchObject({
      name: "osc",
      status: "ACTIVE",
      operating_status: "HEALTHY",
      datastore: "postgresql",
      datastore_version: "18",
      datastore_version_number: "18",
      flavor: "1",
      ip: address,
      addresses: [{ address, type: "private", network: defaultNetwork.id }],
      public: false,
      volume: 1,
      volume_used: expect.any(Number)
    })
  })

  it("say that there is no such instance", async () => {
    await expect(openstack("database instance show nowhere")).rejects.toThrow(
      "No instance with a name or ID of 'nowhere' exists."
    )
  })

  it("rename an instance", async () => {
    await openstack("database instance update osc --name other")
    expect(await row("database instance show other")).toMatchObject({ name: "other", status: "ACTIVE" })
    await openstack("database instance update other --name osc")
  })

  it("create, list and delete databases", async () => {
    await openstack("database db create osc extra")
    expect(await table("database db list osc")).toEqual({
      columns: ["Name"],
      rows: [{ Name: "desk" }, { Name: "extra" }, { Name: "shop" }]
    })
    await openstack("database db delete osc extra")
    expect((await table("database db list osc")).rows).toEqual([{ Name: "desk" }, { Name: "shop" }])
  })

  it("create, list, show, change and delete users, and what is granted to them", async () => {
    await openstack("database user create osc bob secret-2 --databases desk shop")
    expect(await table("database user list osc")).toEqual({
      columns: ["Name", "Host", "Databases"],
      rows: [
        { Name: "ann", Host: "%", Databases: "desk, shop" },
        { Name: "bob", Host: "%", Databases: "desk, shop" }
      ]
    })
    const bob = { user: "bob", password: "secret-2", database: "desk", address }
    expect(await postgres(bob, "SELECT current_user AS me")).toEqual([{ me: "bob" }])
    expect(await row("database user show osc bob")).toMatchObject({ name: "bob", host: "%" })
    await openstack("database user revoke access osc bob desk")
    expect((await table("database user show access osc bob")).rows).toEqual([{ Name: "shop" }])
    await expect(postgres(bob, "SELECT 1")).rejects.toThrow(/permission denied/)
    await openstack("database user grant access osc bob desk")
    expect((await table("database user show access osc bob")).rows).toEqual([{ Name: "desk" }, { Name: "shop" }])
    await openstack("database user update attributes osc bob --new_name rob --new_password secret-3")
    const rob = { ...bob, user: "rob", password: "secret-3" }
    expect(await postgres(rob, "SELECT current_user AS me")).toEqual([{ me: "rob" }])
    await expect(openstack("database user update attributes osc rob --new_host 10.0.0.1")).rejects.toThrow(
      /belong to no host/
    )
    await openstack("database user delete osc rob")
    await expect(postgres(rob, "SELECT 1")).rejects.toThrow(/password authentication failed/)
  })

  it("enable, show and disable root", async () => {
    expect(await row("database root show osc")).toEqual({ is_root_enabled: false })
    const enabled = await row("database root enable osc")
    expect(enabled).toEqual({ name: "root", password: expect.stringMatching(/^\w{36}$/) })
    expect(await row("database root show osc")).toEqual({ is_root_enabled: true })
    const root = { user: "root", password: String(enabled["password"]), database: "shop", address }
    expect(await postgres(root, "SELECT current_user AS me")).toEqual([{ me: "root" }])
    await openstack("database root disable osc")
    await expect(postgres(root, "SELECT 1")).rejects.toThrow()
  })

  it("list flavors", async () => {
    const { columns, rows } = await table("database flavor list")
    expect(columns).toEqual(["ID", "Name", "RAM", "vCPUs", "Disk", "Ephemeral"])
    expect(rows[0]).toEqual({ ID: "1", Name: "db.tiny", RAM: "512", vCPUs: "1", Disk: "5", Ephemeral: "0" })
  })

  it("list datastores", async () => {
    const { columns, rows } = await table("datastore list")
    expect(columns).toEqual(["ID", "Name"])
    expect(rows[0]?.["Name"]).toBe("postgresql")
  })

  it("list the versions of a datastore", async () => {
    const { columns, rows } = await table("datastore version list postgresql")
    expect(columns).toEqual(["ID", "Name", "Version"])
    expect(rows).toEqual([{ ID: expect.any(String), Name: "18", Version: "18" }])
  })

  it("list limits", async () => {
    const [absolute, rates] = tablesIn(await openstack("database limit list"))
    expect(absolute?.columns).toEqual(["Property", "Value"])
    expect(absolute?.rows).toContainEqual({ Property: "max_instances", Value: "10" })
    expect(rates?.columns).toEqual(["Value", "Verb", "Remaining", "Unit"])
    expect(rates?.rows.map((rate) => rate["Verb"])).toEqual(["POST", "PUT", "DELETE", "GET", "POST"])
  })

  it("show quotas", async () => {
    const { columns, rows } = await table("database quota show demo")
    expect(columns).toEqual(["Resource", "In Use", "Reserved", "Limit"])
    expect(rows).toContainEqual({ Resource: "instances", "In Use": "1", Reserved: "0", Limit: "10" })
    expect(rows.map((quota) => quota["Resource"])).toEqual(["instances", "ram", "volumes", "backups"])
  })

  it("resize a volume", async () => {
    await openstack("database instance resize volume osc 2")
    await eventually("it is resized, and serves", async () => {
      const { operating_status, volume } = await row("database instance show osc")
      return volume === 2 && operating_status === "HEALTHY" ? true : null
    })
  })

  it("say clearly what the service does not have yet", async () => {
    await expect(openstack("database instance promote osc")).rejects.toThrow(/not implemented in Coffer yet.*501/)
  })

  it("delete an instance", async () => {
    const said = await openstack("database instance delete osc")
    expect(said).toMatch(/^Request to delete database instance \S+ has been accepted\.$/m)
    await eventually("it is gone", async () => ((await service.list()).length === 0 ? true : null))
  })
})
