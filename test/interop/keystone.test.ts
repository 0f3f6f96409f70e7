/** The api before Debian's Keystone: Fernet tokens, good and bad, roles and a policy file, an outage; OpenStack's client. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, ManagedRuntime, Redacted, Schedule, Schema } from "effect"
import { layer as policyLayer } from "../../src/layers/config/policyFile.ts"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import * as KeystoneIdentity from "../../src/layers/identity/KeystoneIdentity.ts"
import { Installation } from "../e2e/installation.ts"
import { adminToken, call, server } from "../http/harness.ts"
import { ensurePackages, openstackClient } from "../support/packages.ts"
import * as Postgres from "../support/postgres.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { encrypted } from "./keystone/encrypted.ts"
import { Keystone, type KeystoneServer, missingKeystone, passwordOf, type Scope } from "./keystone/keystone.ts"
import { openstackAs } from "./keystone/openstack.ts"

const missing = missingKeystone ?? missingBroker ?? (await ensurePackages(openstackClient))

/** A bound for what takes a moment, on a busy machine. */
const patience = "60 seconds"

const rows = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ Name: Schema.String, Status: Schema.String })))
)

const order = {
  instance: {
    name: "first",
    flavorRef: "1",
    volume: { size: 1 },
    datastore: { type: "mysql", version: "5.7.29" }
  }
}

describe.skipIf(missing !== null)(
  `the api before a Keystone${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: 180_000 },
  () => {
    const keystone = new Keystone()
    let main: KeystoneServer
    let shop = ""
    let other = ""
    let service = ""

    beforeAll(async () => {
      main = await keystone.server()
      await keystone.prepare(main.url)
      await main.start()
      shop = await keystone.project(main, "shop")
      other = await keystone.project(main, "other")
      service = await keystone.project(main, "service")
      await keystone.user(main, "trove", "service", service)
      await keystone.user(main, "ann", "member", shop)
      await keystone.user(main, "rhea", "reader", shop)
    }, 300_000)

    afterAll(() => keystone.dispose())

    const settingsOf = (settings: Partial<KeystoneIdentity.Settings>): KeystoneIdentity.Settings => ({
      url: main.url,
      publicUrl: main.url,
      username: "trove",
      password: Redacted.make(passwordOf("trove")),
      project: "service",
      userDomain: "Default",
      projectDomain: "Default",
      cacheLifetime: Duration.minutes(1),
      timeout: Duration.seconds(30),
      ...settings
    })

    /** The api over a store in memory, on a port of its own. */
    const over = (identity: ReturnType<typeof KeystoneIdentity.layer>) =>
      server({}, identity).pipe(Layer.provide(Logger.layer([])))
    const api = (settings: Partial<KeystoneIdentity.Settings> = {}) =>
      Layer.unwrap(Effect.sync(() => over(KeystoneIdentity.layer(settingsOf(settings)))))

    const openstack = (user: string, project: string, ...command: ReadonlyArray<string>) =>
      openstackAs({ url: main.url, user, project }, ["database", ...command])

    const tokenOf = (scope: Scope, from = () => main) => Effect.promise(() => from().token(scope))
    const ann = () => tokenOf({ user: "ann", project: "shop" })
    const list = (token: string, project = shop) => call("GET", `/v1.0/${project}/instances`, { token })

    /** Asks again until it is answered so. */
    const becomes = (status: number, token: string) =>
      list(token).pipe(
        Effect.repeat({ until: (answer) => answer.status === status, schedule: Schedule.spaced("200 millis") }),
        Effect.timeout(patience)
      )

    const stranger = {
      status: 401,
      json: {
        error: { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." }
      }
    }
    const denied = (project: string) => ({
      status: 403,
      json: {
        code: "403 Forbidden",
        title: "Forbidden",
        message: `Access was denied to this resource.<br /><br />\nUser with tenant id ${project} cannot access this resource.\n\n`
      }
    })

    it.live("lets the holder of a token into its project, and into no other", () =>
      Effect.gen(function* () {
        const token = yield* ann()
        expect(yield* list(token)).toMatchObject({ status: 200, json: { instances: [] } })
        expect(yield* list(token, other)).toMatchObject(denied(shop))
      }).pipe(Effect.provide(api()))
    )

    it.live("asks strangers for a token, and tells where one is to be had", () =>
      Effect.gen(function* () {
        const header = { "www-authenticate": `Keystone uri="${main.url}"` }
        const token = yield* ann()
        expect(yield* call("GET", `/v1.0/${shop}/instances`)).toMatchObject({ ...stranger, headers: header })
        for (const bad of ["bad", `${token.slice(0, -4)}AAAA`, adminToken])
          expect(yield* list(bad)).toMatchObject({ ...stranger, headers: header })
      }).pipe(Effect.provide(api()))
    )

    it.live("believes a Keystone of https that the authority it was told of vouches for, and no other", () =>
      Effect.gen(function* () {
        const { caFile, url } = yield* encrypted(() => main.url, keystone.folder)
        const token = yield* ann()
        const asked = (ca?: string) =>
          list(token).pipe(
            Effect.map(({ status }) => status),
            Effect.provide(Layer.fresh(over(KeystoneIdentity.layer(settingsOf({ url }), ca))))
          )
        expect(yield* asked(caFile)).toBe(200)
        expect(yield* asked()).toBe(503)
      }).pipe(Effect.scoped)
    )

    it.live("refuses a token of somebody else's keys", () =>
      Effect.gen(function* () {
        const elsewhere = yield* Effect.promise(() => keystone.server({ foreignKeys: true }))
        yield* Effect.promise(() => elsewhere.start())
        const token = yield* tokenOf({ user: "ann", project: "shop" }, () => elsewhere)
        expect(yield* list(token)).toMatchObject(stranger)
        yield* Effect.promise(() => elsewhere.stop())
      }).pipe(Effect.provide(api()))
    )

    it.live("refuses a token when its time is over, also one that it knew", () =>
      Effect.gen(function* () {
        const lifetime = 15
        const brief = yield* Effect.promise(() => keystone.server({ lifetime }))
        yield* Effect.promise(() => brief.start())
        const began = Date.now()
        const token = yield* tokenOf({ user: "ann", project: "shop" }, () => brief)
        expect((yield* list(token)).status).toBe(200)
        expect(yield* becomes(401, token)).toMatchObject(stranger)
        expect(Date.now() - began).toBeGreaterThan((lifetime - 1) * 1000)
        yield* Effect.promise(() => brief.stop())
      }).pipe(Effect.provide(api({ cacheLifetime: Duration.hours(1) })))
    )

    it.live("refuses a token that was revoked, as soon as it may not know it any more", () =>
      Effect.gen(function* () {
        const token = yield* ann()
        expect((yield* list(token)).status).toBe(200)
        yield* Effect.promise(() => main.revoke(token))
        expect(yield* becomes(401, token)).toMatchObject(stranger)
      }).pipe(Effect.provide(api({ cacheLifetime: Duration.seconds(2) })))
    )

    it.live("refuses a token of no project everywhere", () =>
      Effect.gen(function* () {
        const token = yield* tokenOf({ user: "ann" })
        expect(yield* list(token)).toMatchObject(denied("None"))
      }).pipe(Effect.provide(api()))
    )

    it.live("makes an administrator of the role admin: in their own project, with a reach beyond it", () =>
      Effect.gen(function* () {
        const created = yield* call("POST", `/v1.0/${shop}/instances`, { token: yield* ann(), body: order })
        expect(created.status).toBe(200)
        const { id } = created.json.instance
        const admin = yield* tokenOf({ user: "admin", project: "admin" })
        const [own] = yield* Effect.promise(() => adminProjects(admin))
        expect(yield* list(admin)).toMatchObject(denied(`${own}`))
        const shown = yield* call("GET", `/v1.0/${own}/instances/${id}`, { token: admin })
        expect([shown.status, shown.json.instance.tenant_id]).toEqual([200, shop])
        const quotas = { body: { quotas: { instances: 3 } } }
        const raise = (project: string, token: string) =>
          call("PUT", `/v1.0/${project}/mgmt/quotas/${shop}`, { ...quotas, token })
        expect((yield* raise(own ?? "", admin)).status).toBe(200)
        expect(yield* raise(shop, yield* ann())).toMatchObject({
          status: 401,
          json: { unauthorized: { code: 401, message: "User does not have admin privileges." } }
        })
      }).pipe(Effect.provide(api()))
    )

    const adminProjects = async (token: string) => {
      const response = await fetch(`${main.url}/auth/projects`, { headers: { "x-auth-token": token } })
      const Projects = Schema.Struct({ projects: Schema.Array(Schema.Struct({ id: Schema.String })) })
      return Schema.decodeUnknownSync(Projects)(await response.json()).projects.map(({ id }) => id)
    }

    it.live("lets readers read, where a policy file says so", () => {
      const folder = join(keystone.folder, "policy")
      mkdirSync(folder)
      const file = join(folder, "policy.yaml")
      writeFileSync(
        file,
        [
          '"writer": "rule:admin or (project_id:%(tenant)s and role:member)"',
          '"instance:create": "rule:writer"',
          '"instance:delete": "rule:writer"'
        ].join("\n")
      )
      return Effect.gen(function* () {
        const create = (token: string) => call("POST", `/v1.0/${shop}/instances`, { token, body: order })
        const reader = yield* tokenOf({ user: "rhea", project: "shop" })
        expect((yield* list(reader)).status).toBe(200)
        expect(yield* create(reader)).toMatchObject({
          status: 403,
          json: { forbidden: { code: 403, message: "Policy doesn't allow instance:create to be performed." } }
        })
        const created = yield* create(yield* ann())
        expect(created.status).toBe(200)
        const one = `/v1.0/${shop}/instances/${created.json.instance.id}`
        expect((yield* call("GET", one, { token: reader })).status).toBe(200)
        expect((yield* call("DELETE", one, { token: reader })).status).toBe(403)
      }).pipe(Effect.provide(api().pipe(Layer.provide(policyLayer(file)))))
    })

    it.live(
      "serves who is known while Keystone is away, tells others to come again, and knows them when it is back",
      () =>
        Effect.gen(function* () {
          const known = yield* ann()
          const unseen = yield* tokenOf({ user: "rhea", project: "shop" })
          expect((yield* list(known)).status).toBe(200)
          yield* Effect.promise(() => main.stop())
          expect(yield* list(unseen)).toMatchObject({
            status: 503,
            headers: { "retry-after": "1" },
            json: { code: "503 Service Unavailable", title: "Service Unavailable" }
          })
          expect((yield* list(known)).status).toBe(200)
          yield* Effect.promise(() => main.start())
          yield* becomes(200, unseen)
        }).pipe(Effect.provide(api()), Effect.ensuring(Effect.promise(() => main.start())))
    )

    it("as a process of its own is found by OpenStack's client in the service catalogue", async () => {
      const surroundings = ManagedRuntime.make(Layer.mergeAll(TestBroker.layer(), Postgres.server))
      const policy = join(keystone.folder, "policy.json")
      writeFileSync(policy, JSON.stringify({ "instance:create": "role:member", "operation:index": "role:reader" }))
      const broker = await surroundings.runPromise(TestBroker)
      const { url: database } = await surroundings.runPromise(ControlPostgres)
      const coffer = await Installation.make({
        brokerUrl: broker.url,
        managementUrl: broker.managementUrl ?? "",
        databaseUrl: Redacted.value(database),
        runtime: "process",
        keystone: { auth_url: main.url, username: "trove", password: passwordOf("trove") },
        api: { policy_file: policy }
      })
      try {
        await coffer.prepare()
        await coffer.start("api")
        await keystone.register(main, `${coffer.url}/v1.0/%(tenant_id)s`)
        const created = ["instance", "create", "first", "--flavor", "1", "--size", "1", "--datastore", "postgresql"]
        expect(JSON.parse(await openstack("ann", "shop", ...created))).toMatchObject({ name: "first" })
        expect(rows(await openstack("rhea", "shop", "instance", "list"))).toMatchObject([{ Name: "first" }])
        await expect(openstack("rhea", "shop", ...created)).rejects.toThrow(
          /Policy doesn't allow instance:create to be performed/
        )
        expect(rows(await openstack("admin", "admin", "instance", "list"))).toEqual([])
        const token = await main.token({ user: "rhea", project: "shop" })
        const asked = await fetch(`${coffer.url}/v1.0/${shop}/mgmt/operations`, {
          headers: { "x-auth-token": token }
        })
        expect(asked.status).toBe(200)
        expect(coffer.outputOf("api")).not.toContain(token)
        expect(coffer.outputOf("api")).not.toContain(passwordOf("trove"))
        expect(await coffer.run("config", "check", "--role", "api")).not.toContain(passwordOf("trove"))
        writeFileSync(policy, JSON.stringify({ "instance:create": "role:" }))
        expect(await coffer.end("config", "check")).toMatchObject({
          code: 1,
          output: expect.stringContaining("policy.json: instance:create column 1: role: must be followed by a name")
        })
      } finally {
        await coffer.dispose()
        await surroundings.dispose()
      }
    })
  }
)
