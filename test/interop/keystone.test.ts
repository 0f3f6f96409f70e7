/** The api before Debian's Keystone: Fernet tokens, good and bad, roles and a policy file, an outage; OpenStack's client. */
import { execFile } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Redacted, Schedule, Schema } from "effect"
import { HttpServer } from "effect/http"
import { layer as policyLayer } from "../../src/layers/config/policyFile.ts"
import * as KeystoneIdentity from "../../src/layers/identity/KeystoneIdentity.ts"
import { adminToken, call, server } from "../http/harness.ts"
import { ensurePackages, openstackClient } from "../support/packages.ts"
import { Keystone, type KeystoneServer, missingKeystone, passwordOf, type Scope } from "./keystone/keystone.ts"

const run = promisify(execFile)
const missing = missingKeystone ?? (await ensurePackages(openstackClient))

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

    const identity = (settings: Partial<KeystoneIdentity.Settings> = {}) =>
      KeystoneIdentity.layer({
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
    const api = (settings: Partial<KeystoneIdentity.Settings> = {}) =>
      Layer.unwrap(Effect.sync(() => server({}, identity(settings)).pipe(Layer.provide(Logger.layer([])))))

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
        expect(yield* list(token, other)).toMatchObject(denied(other))
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
        const lifetime = 8
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
        expect(yield* list(token)).toMatchObject(denied(shop))
      }).pipe(Effect.provide(api()))
    )

    it.live("makes an administrator of the role admin: in their own project, with a reach beyond it", () =>
      Effect.gen(function* () {
        const created = yield* call("POST", `/v1.0/${shop}/instances`, { token: yield* ann(), body: order })
        expect(created.status).toBe(200)
        const { id } = created.json.instance
        const admin = yield* tokenOf({ user: "admin", project: "admin" })
        const [own] = yield* Effect.promise(() => adminProjects(admin))
        expect(yield* list(admin)).toMatchObject(denied(shop))
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

    it.live("is found by OpenStack's client in the service catalogue", () =>
      Effect.gen(function* () {
        const { address } = yield* HttpServer.HttpServer
        if (address._tag === "UnixPathAddress") return yield* Effect.die("the server listens on a socket")
        const url = `http://127.0.0.1:${address.port}/v1.0/%(tenant_id)s`
        yield* Effect.promise(() => keystone.register(main, url))
        expect((yield* call("POST", `/v1.0/${shop}/instances`, { token: yield* ann(), body: order })).status).toBe(200)
        const listed = yield* Effect.promise(() => openstack("ann", "shop", "database", "instance", "list"))
        expect(rows(listed)).toEqual([{ Name: "first", Status: "BUILD" }])
        expect(rows(yield* Effect.promise(() => openstack("admin", "admin", "database", "instance", "list")))).toEqual(
          []
        )
      }).pipe(Effect.provide(api()))
    )

    const openstack = async (user: string, project: string, ...command: ReadonlyArray<string>) => {
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OS_")))
      const credentials = {
        OS_AUTH_URL: main.url,
        OS_USERNAME: user,
        OS_PASSWORD: passwordOf(user),
        OS_PROJECT_NAME: project,
        OS_USER_DOMAIN_NAME: "Default",
        OS_PROJECT_DOMAIN_NAME: "Default",
        OS_IDENTITY_API_VERSION: "3"
      }
      return (await run("openstack", [...command, "-f", "json"], { env: { ...env, ...credentials } })).stdout
    }
  }
)
