/** Where a configuration comes from: defaults, the file, the variables over it, and what each role requires. */
import { writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted } from "effect"
import { roles } from "../../src/layers/config/Configuration.ts"
import { load } from "../../src/layers/config/load.ts"
import { complete, configured, fileWith, key, linesOf, problems, secrets } from "./fixture.ts"

describe("defaults", () => {
  it.effect("an empty file, and none at all, are the same configuration", () =>
    Effect.gen(function* () {
      const empty = yield* configured("")
      expect(empty).toEqual(yield* load(Option.none(), {}))
      expect(empty.database).toEqual({})
      expect(empty.secrets).toEqual({})
      expect(empty.broker).toEqual({
        control_exchange: "trove",
        queues: "durable",
        prefetch: 100,
        shared_guest_credentials: false
      })
      expect(empty.api).toEqual({
        host: "127.0.0.1",
        port: 8779,
        allowed_hosts: ["localhost", "127.0.0.1", "[::1]"],
        network_id: "c0ffee00-0000-4000-8000-000000000001",
        subnet_id: "c0ffee00-0000-4000-8000-000000000002",
        rate_limit: 200
      })
      expect(empty.taskmanager).toMatchObject({ host: "127.0.0.1", port: 34431 })
      expect(Duration.toMinutes(empty.taskmanager.build_deadline)).toBe(30)
      expect(Duration.toMinutes(empty.taskmanager.restart_deadline)).toBe(10)
      expect(Duration.toMinutes(empty.taskmanager.delete_deadline)).toBe(10)
      expect(Duration.toDays(empty.taskmanager.deleted_retention)).toBe(7)
      expect(Duration.toHours(empty.taskmanager.workflow_retention)).toBe(1)
      expect(empty.guestagent).toEqual({
        name: hostname(),
        zone: "nova",
        data_dir: "/var/lib/coffer",
        addresses: "127.70.0.0/16",
        runtime: "auto",
        volumes: "auto"
      })
      expect(empty.health).toEqual({
        host: "127.0.0.1",
        api_port: 8780,
        taskmanager_port: 8781,
        conductor_port: 8782,
        guestagent_port: 8783
      })
    })
  )
})

describe("the file", () => {
  it.effect("sets what it names, and secrets are redacted from there on", () =>
    Effect.gen(function* () {
      const read = yield* configured(`${complete}
[taskmanager]
build_deadline = "90 seconds"
compute_command = ["/usr/bin/make", "--quick"]
compute_command_addresses = "10.1.0.0/16"
[health]
conductor_port = 9000`)
      expect(Duration.toSeconds(read.taskmanager.build_deadline)).toBe(90)
      expect(read.taskmanager.compute_command).toEqual(["/usr/bin/make", "--quick"])
      expect(read.health.conductor_port).toBe(9000)
      expect(read.broker.urls?.map(Redacted.value)).toEqual([
        `amqp://coffer:${secrets.broker}@a.example.org:5672`,
        `amqps://coffer:${secrets.broker}@b.example.org/v%2Fh`
      ])
      expect(read.secrets.key && Redacted.value(read.secrets.key)).toEqual(Uint8Array.from(Buffer.from(key, "base64")))
      expect(read.api.tokens?.map(({ token, ...rest }) => ({ ...rest, token: Redacted.value(token) }))).toEqual([
        { token: secrets.token, project: "demo", user: "ann", admin: false }
      ])
      const shown = `${JSON.stringify(read)} ${String(read)}`
      for (const secret of [...Object.values(secrets), key]) expect(shown).not.toContain(secret)
    })
  )

  it.effect("may be written with tables of tokens, too", () =>
    Effect.gen(function* () {
      const { api } = yield* configured(`
[[api.tokens]]
token = "0123456789abcdef"
project = "a"
user = "ann"
admin = true
[[api.tokens]]
token = "fedcba9876543210"
project = "b"
user = "bob"`)
      expect(api.tokens?.map(({ admin, project }) => [project, admin])).toEqual([
        ["a", true],
        ["b", false]
      ])
    })
  )
})

describe("variables", () => {
  it.effect("go before the file, one setting at a time", () =>
    Effect.gen(function* () {
      const { api, broker } = yield* configured(`[api]\nport = 9000\nhost = "10.0.0.1"\n[broker]\nprefetch = 5`, {
        COFFER_API_PORT: "9001",
        COFFER_BROKER_PREFETCH: " 7 "
      })
      expect([api.host, api.port, broker.prefetch]).toEqual(["10.0.0.1", 9001, 7])
    })
  )

  it.effect("are enough without a file", () =>
    Effect.gen(function* () {
      const read = yield* load(
        Option.none(),
        {
          COFFER_DATABASE_URL: "postgres://u:p@h/d",
          COFFER_BROKER_URLS: "amqp://u:p@a:1, amqps://u:p@b:2/vhost",
          COFFER_BROKER_MANAGEMENT_URL: "http://a:15672",
          COFFER_SECRETS_KEY: key,
          COFFER_API_TOKENS: '[{"token": "0123456789abcdef", "project": "demo", "user": "ann", "admin": true}]'
        },
        "api"
      )
      expect(Redacted.value(read.database.url)).toBe("postgres://u:p@h/d")
      expect(read.broker.urls.map(Redacted.value)).toEqual(["amqp://u:p@a:1", "amqps://u:p@b:2/vhost"])
      expect(read.api.tokens?.map(({ user }) => user)).toEqual(["ann"])
    })
  )

  it.effect("are a text, a number, a truth or a list, as the setting is", () =>
    Effect.gen(function* () {
      const { api, broker, guestagent, taskmanager } = yield* load(Option.none(), {
        COFFER_GUESTAGENT_NAME: "8",
        COFFER_BROKER_SHARED_GUEST_CREDENTIALS: "true",
        COFFER_BROKER_GUEST_URLS: "amqp://g:g@h",
        COFFER_API_ALLOWED_HOSTS: "[::1], api.example.org,",
        COFFER_TASKMANAGER_COMPUTE_COMMAND: '["/bin/make", "a,b"]',
        COFFER_TASKMANAGER_COMPUTE_COMMAND_ADDRESSES: "10.1.0.0/16",
        COFFER_TASKMANAGER_DELETE_DEADLINE: "5 seconds"
      })
      expect(guestagent.name).toBe("8")
      expect(broker.shared_guest_credentials).toBe(true)
      expect(api.allowed_hosts).toEqual(["[::1]", "api.example.org"])
      expect(taskmanager.compute_command).toEqual(["/bin/make", "a,b"])
      expect(Duration.toSeconds(taskmanager.delete_deadline)).toBe(5)
    })
  )

  it.effect("that are empty are not set", () =>
    Effect.gen(function* () {
      const { api } = yield* configured("[api]\nport = 9000", { COFFER_API_PORT: "", COFFER_API_HOST: "" })
      expect([api.host, api.port]).toEqual(["127.0.0.1", 9000])
    })
  )

  it.effect("of coffer up are heard, after those of the roles", () =>
    Effect.gen(function* () {
      const env = { COFFER_RATE_LIMIT: "50", COFFER_CATALOG: "/etc/catalog.json", COFFER_BUILD_DEADLINE: "1 hour" }
      const read = yield* configured("[api]\nrate_limit = 10", env)
      expect(read.api.rate_limit).toBe(50)
      expect(read.catalog.file).toBe("/etc/catalog.json")
      expect(Duration.toHours(read.taskmanager.build_deadline)).toBe(1)
      const both = yield* configured("", { ...env, COFFER_API_RATE_LIMIT: "60" })
      expect(both.api.rate_limit).toBe(60)
    })
  )
})

const byKeystone = complete.replace(
  /^tokens = .*$/m,
  '[keystone]\nauth_url = "https://keystone.example.org:5000/v3"\nusername = "trove"\npassword = "ks-hunter8"'
)

describe("callers", () => {
  it.effect("may be known by Keystone in place of tokens", () =>
    Effect.gen(function* () {
      const { api, keystone } = yield* configured(byKeystone, {}, "api")
      expect(api.tokens).toBeUndefined()
      expect(Redacted.value(keystone.password ?? Redacted.make(""))).toBe("ks-hunter8")
      expect(JSON.stringify(keystone)).not.toContain("hunter8")
      expect([keystone.project_name, keystone.user_domain_name]).toEqual(["service", "Default"])
      expect([keystone.cache_lifetime, keystone.timeout].map(Duration.toSeconds)).toEqual([60, 10])
    })
  )

  it.effect("are ruled by a policy file, which the api reads, and no other role", () =>
    Effect.gen(function* () {
      const file = yield* fileWith('"instance:create": "rule:nobody"')
      const ruled = complete.replace("[api]", `[api]\npolicy_file = "${file}"`)
      expect(yield* problems(ruled, {}, "api")).toEqual(
        ["FILE: instance:create refers to rule:nobody, which is not there"].map((line) => line.replace("FILE", file))
      )
      yield* configured(ruled, {}, "conductor")
      writeFileSync(file, '"instance:create": "role:member"')
      yield* configured(ruled, {}, "api")
    })
  )
})

describe("a role", () => {
  const needs: Record<(typeof roles)[number], ReadonlyArray<string>> = {
    api: ["database.url", "broker.urls", "secrets.key"],
    taskmanager: ["database.url", "broker.urls", "secrets.key"],
    conductor: ["database.url", "broker.urls", "secrets.key"],
    guestagent: ["guestagent.urls", "guestagent.key"]
  }

  /** What one of is required, and the others of them. */
  const either: Partial<typeof needs> = { api: ["api.tokens", "keystone.auth_url"] }

  for (const role of roles) {
    it.effect(`${role} is refused what it requires, all of it at once, and nothing else`, () =>
      Effect.gen(function* () {
        const variable = (name: string) => `COFFER_${name.toUpperCase().replace(".", "_")}`
        const [first, ...others] = either[role] ?? []
        const all = [
          ...needs[role].map((name) => [name, ""] as const),
          ...(first === undefined ? [] : [[first, others.map((other) => `, or ${other}`).join("")] as const])
        ]
        expect(yield* problems("", {}, role)).toEqual(
          all.map(([name, or]) => `FILE: ${name} is required by ${role}${or}; set it here, or by ${variable(name)}`)
        )
        const { message } = yield* Effect.flip(load(Option.none(), {}, role))
        expect(linesOf(message)).toEqual(
          all.map(([name, or]) => `${variable(name)}: ${name} is required by ${role}${or}`)
        )
        yield* configured(complete, {}, role)
      })
    )
  }
})
