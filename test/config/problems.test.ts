/** What is wrong with a configuration: which file or variable, which setting, which rule, and never a secret. */
import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { exampleKey, exampleToken } from "../../src/layers/config/knownKeys.ts"
import { load } from "../../src/layers/config/load.ts"
import { complete, fileWith, key, linesOf, problems, secrets, temporaryFolder } from "./fixture.ts"

const base64 = (bytes: Iterable<number>) => Buffer.from([...bytes]).toString("base64")
const oneOf = (...values: ReadonlyArray<string>) => `must be one of ${values.map((value) => `"${value}"`).join(", ")}`

const trovesDefault = "bzH6y0SGmjuoY0FNSTptrhgieGXNDX6PIhvz"

const port = "must be a whole number from 1 to 65535"
const host = "must be the name or the address of a host"
const path = "must be an absolute path"
const time = 'must be a duration such as "30 minutes", from "1 milli" to "3650 days"'
const network = "must be an IPv4 network such as 10.9.0.0/16"
const database = "must be a URL such as postgresql://user:password@host:5432/coffer"
const broker = "must be a URL such as amqps://user:password@host:5671/vhost, with user and password"
const guests = "must be a URL such as amqps://host:5671/vhost, with both user and password or neither"
const management = "must be a URL such as http://host:15672, with both user and password or neither"
const keyRule = "must be the base64 of 32 random bytes that nobody else knows; make one with: openssl rand -base64 32"
const token = "must be 16 to 255 visible ASCII characters that cannot be guessed"
const list = "must be a list"

const keystone = '[keystone]\nauth_url = "http://k:5000"\nusername = "trove"\npassword = "ks-hunter8"\n'
const keystoneUrl = "must be a URL such as https://keystone.example.org:5000, without credentials"

/** section, line → what is said of it */
const refused: ReadonlyArray<readonly [string, string, string]> = [
  ["database", 'url = "mysql://u:p@h/d"', `database.url ${database}`],
  ["database", 'url = "postgresql:///d"', `database.url ${database}`],
  ["database", 'url = "postgresql://u:50%@h/d"', `database.url ${database}`],
  ["database", 'url = "postgresql://u:%ff@h/d"', `database.url ${database}`],
  ["database", "url = 5", `database.url ${database}`],
  ["broker", 'urls = "amqp://u:p@h"', `broker.urls ${list}`],
  ["broker", "urls = []", "broker.urls must not be empty"],
  ["broker", 'urls = ["amqp://u:p@h", "amqp://h"]', `broker.urls[1] ${broker}`],
  ["broker", 'urls = ["http://u:p@h"]', `broker.urls[0] ${broker}`],
  [
    "broker",
    `urls = [${Array.from({ length: 101 }, () => '"amqp://u:p@h"').join(", ")}]`,
    "broker.urls must not hold more than 100"
  ],
  [
    "broker",
    'control_exchange = "amq.topic"',
    "broker.control_exchange must be 1 to 127 letters, digits, '.', '_', ':' or '-', and not begin with amq."
  ],
  ["broker", 'queues = "lasting"', `broker.queues ${oneOf("durable", "quorum", "transient")}`],
  ["broker", "prefetch = 0", "broker.prefetch must be a whole number from 1 to 2000"],
  ["broker", "prefetch = 2001", "broker.prefetch must be a whole number from 1 to 2000"],
  ["broker", "prefetch = 1.5", "broker.prefetch must be a whole number from 1 to 2000"],
  ["broker", 'prefetch = "7"', "broker.prefetch must be a whole number from 1 to 2000"],
  ["broker", 'management_url = "amqp://h"', `broker.management_url ${management}`],
  ["broker", 'management_url = "http://admin@h"', `broker.management_url ${management}`],
  ["broker", 'guest_urls = ["amqp://guest@h"]', `broker.guest_urls[0] ${guests}`],
  ["broker", 'shared_guest_credentials = "yes"', "broker.shared_guest_credentials must be true or false"],
  ["broker", 'guest_urls = ["https://h"]', `broker.guest_urls[0] ${guests}`],
  ["broker", 'ca_file = "ca.pem"', `broker.ca_file ${path}`],
  ["secrets", 'key = "short"', `secrets.key ${keyRule}`],
  ["secrets", `key = "${base64(Buffer.alloc(31, "x"))}"`, `secrets.key ${keyRule}`],
  ["api", 'host = "a host"', `api.host ${host}`],
  ["api", "port = 65536", `api.port ${port}`],
  ["api", "port = 2024-01-01", `api.port ${port}`],
  [
    "api",
    'allowed_hosts = ["a", "b:80"]',
    'api.allowed_hosts[1] must be a host as requests name it, without a port, or "*"'
  ],
  ["api", "rate_limit = 0", "api.rate_limit must be a whole number from 1 to 1000000"],
  ["api", 'policy_file = "policy.yaml"', `api.policy_file ${path}`],
  ["keystone", 'auth_url = "k:5000"', `keystone.auth_url ${keystoneUrl}`],
  ["keystone", 'auth_url = "https://u:p@k:5000"', `keystone.auth_url ${keystoneUrl}`],
  ["keystone", 'auth_url = "https://k:5000/?x"', `keystone.auth_url ${keystoneUrl}`],
  ["keystone", 'www_authenticate_uri = "https://k/\\""', `keystone.www_authenticate_uri ${keystoneUrl}`],
  ["keystone", 'password = ""', "keystone.password must be a text of 1 to 4096 characters, without control characters"],
  ["keystone", 'cache_lifetime = "long"', `keystone.cache_lifetime ${time}`],
  ["api", "tokens = []", "api.tokens must not be empty"],
  ["api", "tokens = [3]", "api.tokens[0] must be a table of token, project, user and admin"],
  ["api", 'tokens = [{ token = "short", project = "p", user = "u" }]', `api.tokens[0].token ${token}`],
  ["api", `tokens = [{ token = "${exampleToken}", project = "p", user = "u" }]`, `api.tokens[0].token ${token}`],
  ["api", `tokens = [{ token = "${"x".repeat(16)}", project = "p", user = "u" }]`, `api.tokens[0].token ${token}`],
  ["api", 'tokens = [{ token = "0123456789abcdef", project = "p" }]', "api.tokens[0].user is missing"],
  [
    "api",
    'tokens = [{ token = "0123456789abcdef", project = "p", user = "u", admni = true }]',
    "api.tokens[0].admni is no setting; the nearest is admin"
  ],
  ["taskmanager", 'build_deadline = "soon"', `taskmanager.build_deadline ${time}`],
  ["taskmanager", 'build_deadline = "0 seconds"', `taskmanager.build_deadline ${time}`],
  ["taskmanager", 'deleted_retention = "Infinity"', `taskmanager.deleted_retention ${time}`],
  ["taskmanager", "workflow_retention = 60", `taskmanager.workflow_retention ${time}`],
  ["taskmanager", "compute_command = []", "taskmanager.compute_command must not be empty"],
  ["taskmanager", 'compute_command_addresses = "10.1.0.0"', `taskmanager.compute_command_addresses ${network}`],
  [
    "guestagent",
    'name = "a b"',
    "guestagent.name must be 1 to 63 letters, digits, '.' or '-', with a letter or digit at both ends"
  ],
  [
    "guestagent",
    'zone = "rack 1"',
    "guestagent.zone must be 1 to 63 letters, digits, '.', '_' or '-', with a letter or digit at both ends"
  ],
  ["api", 'network_id = "private"', "api.network_id must be a UUID such as c0ffee00-0000-4000-8000-000000000001"],
  ["guestagent", 'data_dir = "data"', `guestagent.data_dir ${path}`],
  ["guestagent", 'addresses = "127.70.0.1/16"', "guestagent.addresses must be a network, and no address in it"],
  ["guestagent", 'addresses = "127.0.0.0/16"', "guestagent.addresses must not hold 127.0.0.1"],
  ["guestagent", "addresses = 127", `guestagent.addresses ${network}`],
  ["guestagent", 'addresses = "fd00::/16"', `guestagent.addresses ${network}`],
  ["guestagent", 'runtime = "podman"', `guestagent.runtime ${oneOf("auto", "docker", "process")}`],
  ["guestagent", 'urls = ["amqp://h"]', `guestagent.urls[0] ${broker}`],
  ["guestagent", 'key = "c2hvcnQ="', `guestagent.key ${keyRule}`],
  ["catalog", 'file = ""', `catalog.file ${path}`],
  ["health", "api_port = -1", `health.api_port ${port}`],
  ["broker", "prefech = 5", "broker.prefech is no setting; the nearest is broker.prefetch"],
  ["broker", "rate_limit = 5", "broker.rate_limit is no setting; the nearest is api.rate_limit"],
  ["brokr", "prefetch = 5", "brokr is no section; the nearest is broker"]
]

describe("each rule is told of the file and the setting", () => {
  it.effect.each(refused)("[%s] %s", ([section, line, said]) =>
    Effect.gen(function* () {
      expect(yield* problems(`[${section}]\n${line}`)).toEqual([`FILE: ${said}`])
    })
  )

  it.effect("a section that is no table", () =>
    Effect.gen(function* () {
      expect(yield* problems('broker = "amqp://u:p@h"\nhealth = 2024-01-01')).toEqual([
        "FILE: broker must be a table",
        "FILE: health must be a table"
      ])
    })
  )
})

describe("a key that is known or can be guessed", () => {
  it.effect.each([
    ["one of Trove's defaults", trovesDefault],
    ["the other", "emYjgHFqfXNB1NGehAFIUeoyw4V4XwWHEaKP"],
    [
      "one of them as Trove makes a key of it",
      base64(Buffer.from(createHash("md5").update(trovesDefault).digest("hex")))
    ],
    ["one of them, hashed", base64(createHash("sha256").update(trovesDefault).digest())],
    ["one of them, cut off", base64(Buffer.from(trovesDefault.slice(0, 32)))],
    ["the example", exampleKey],
    ["zeros", base64(Buffer.alloc(32))],
    ["one byte over and over", base64(Buffer.alloc(32, 0xe7))],
    ["few bytes over and over", base64(Buffer.from("\u0001\u00ff\u0080\u0007".repeat(8), "latin1"))],
    ["a series", base64(Array.from({ length: 32 }, (_, n) => n))],
    ["a series that wraps", base64(Array.from({ length: 32 }, (_, n) => (250 + 3 * n) % 256))],
    ["a phrase", base64(Buffer.from("correct horse battery staple, ok"))]
  ])("is refused: %s", ([, key]) =>
    Effect.gen(function* () {
      expect(yield* problems(`[secrets]\nkey = "${key}"`)).toEqual([`FILE: secrets.key ${keyRule}`])
    })
  )
})

describe("settings that must agree", () => {
  it.effect.each<readonly [string, string]>([
    ["shared_guest_credentials = true", "broker.guest_urls must be set, with the credentials, where guests share them"],
    [
      'shared_guest_credentials = true\nguest_urls = ["amqp://g:g@h", "amqp://h"]',
      "broker.guest_urls must all have user and password, for broker.shared_guest_credentials is true"
    ],
    [
      'guest_urls = ["amqp://g:g@h"]',
      "broker.guest_urls must have neither user nor password, unless broker.shared_guest_credentials is true"
    ],
    [
      'queues = "transient"',
      "broker.queues must not be transient, unless broker.shared_guest_credentials is true: guests with logins of " +
        "their own could not be reached any more after the broker's restart"
    ],
    [
      'management_url = "http://h:15672"',
      "broker.management_url must have user and password, for there are no broker.urls to take them from"
    ],
    ['cert_file = "/c.pem"', "broker.key_file must be set with broker.cert_file"],
    ['key_file = "/k.pem"', "broker.cert_file must be set with broker.key_file"],
    ['ca_file = "/ca.pem"\nurls = ["amqp://u:p@h"]', "broker.ca_file does nothing: no URL of the broker is amqps://"],
    [
      '[taskmanager]\ncompute_command_addresses = "10.1.0.0/16"',
      "taskmanager.compute_command must be set with taskmanager.compute_command_addresses"
    ],
    [
      '[taskmanager]\ncompute_command = ["/usr/local/bin/make-server"]',
      "taskmanager.compute_command_addresses must be set with taskmanager.compute_command: servers need addresses"
    ],
    [
      '[api]\ntokens = [{ token = "0123456789abcdef", project = "a", user = "a" }, { token = "0123456789abcdef", project = "b", user = "b" }]',
      "api.tokens must differ: one token cannot stand for two users"
    ],
    [
      `[api]\ntokens = [{ token = "0123456789abcdef", project = "a", user = "a" }]\n${keystone}`,
      "api.tokens must not be set with keystone.auth_url: either Keystone knows who may ask, or these tokens do"
    ],
    [keystone.replace(/username.*\n/, ""), "keystone.username must be set with keystone.auth_url"],
    [keystone.replace(/auth_url.*\nusername.*\n/, ""), "keystone.auth_url must be set with keystone.password"],
    [`${keystone}ca_file = "/ca.pem"`, "keystone.ca_file does nothing: keystone.auth_url is not https://"]
  ])("%s", ([text, said]) =>
    Effect.gen(function* () {
      expect(yield* problems(`[broker]\n${text}`)).toEqual([`FILE: ${said}`])
    })
  )
})

describe("variables", () => {
  it.effect("are named in place of the file where they are to blame", () =>
    Effect.gen(function* () {
      const env = {
        COFFER_API_PORT: "many",
        COFFER_API_TOKENS: '[{"token": ',
        COFFER_BROKER_URLS: "amqp://u:p@h,nonsense",
        COFFER_RATE_LIMIT: "none",
        COFFER_BROKER_SHARED_GUEST_CREDENTIALS: "yes"
      }
      expect(yield* problems("[api]\nport = 1\n[broker]\nprefetch = 0", env)).toEqual([
        `COFFER_BROKER_URLS: broker.urls[1] ${broker}`,
        "FILE: broker.prefetch must be a whole number from 1 to 2000",
        "COFFER_BROKER_SHARED_GUEST_CREDENTIALS: broker.shared_guest_credentials must be true or false",
        `COFFER_API_PORT: api.port ${port}`,
        "COFFER_RATE_LIMIT: api.rate_limit must be a whole number from 1 to 1000000",
        `COFFER_API_TOKENS: api.tokens ${list}`
      ])
    })
  )

  it.effect("that were mistyped are told, and others are left alone", () =>
    Effect.gen(function* () {
      const env = { COFFER_BROKER_URL: "amqp://u:p@h", COFFER_OTHER: "1", PATH: "/bin", COFFER_API_HSOT: "" }
      expect(yield* problems("", env)).toEqual(["COFFER_BROKER_URL: is no setting; the nearest is COFFER_BROKER_URLS"])
    })
  )
})

it.effect("all that is wrong is told at once: rules, agreements, what a role requires, unknown names", () =>
  Effect.gen(function* () {
    const text = `
colour = "blue"
[broker]
urls = ["amqp://u:p@h", "amqp://h"]
prefetch = "many"
shared_guest_credentials = true
[api]
prot = 5
[guestagent]
key = "short"`
    expect(yield* problems(text, { COFFER_HEALTH_PORT: "1" }, "api")).toEqual([
      expect.stringMatching(/^FILE: colour is no section; the nearest is /),
      `FILE: broker.urls[1] ${broker}`,
      "FILE: broker.prefetch must be a whole number from 1 to 2000",
      "FILE: api.prot is no setting; the nearest is api.port",
      `FILE: guestagent.key ${keyRule}`,
      "FILE: broker.guest_urls must be set, with the credentials, where guests share them",
      "FILE: database.url is required by api; set it here, or by COFFER_DATABASE_URL",
      "FILE: secrets.key is required by api; set it here, or by COFFER_SECRETS_KEY",
      "FILE: api.tokens is required by api, or keystone.auth_url; set it here, or by COFFER_API_TOKENS",
      "COFFER_HEALTH_PORT: is no setting; the nearest is COFFER_HEALTH_HOST"
    ])
  })
)

describe("a file", () => {
  it.effect("that is not there, is a folder, or lies in what is none", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const refusal = (path: string) =>
        Effect.map(Effect.flip(load(Option.some(path), {})), ({ message }) => linesOf(message).join())
      expect(yield* refusal(`${folder}/none.toml`)).toBe(`${folder}/none.toml: is not there`)
      expect(yield* refusal(folder)).toBe(`${folder}: is a folder`)
      const file = yield* fileWith("")
      expect(yield* refusal(`${file}/coffer.toml`)).toBe(`${file}/coffer.toml: cannot be read (ENOTDIR)`)
    })
  )

  it.effect("that is not TOML is told by line and column, without what stands there", () =>
    Effect.gen(function* () {
      const text = `[secrets]\nkey = "${key}"\n[database]\nurl = "postgresql://u:${secrets.database}@h/d\n`
      const [problem, ...others] = yield* problems(text)
      expect(problem).toMatch(/^FILE: is not TOML: line 4, column \d+: [a-z ]+$/)
      expect(others).toEqual([])
    })
  )
})

describe("no error repeats a secret", () => {
  const secret = Object.values(secrets)

  it.effect.each<readonly [string, string]>([
    ["a URL of another kind", complete.replace("postgresql://", "mysql://").replaceAll("amqp://", "http://")],
    ["a URL without an end", complete.replaceAll(/@[a-z.]+/g, "")],
    [
      "where a number is expected",
      complete.replaceAll(/"(postgresql|amqps?):/g, '"-$1:').replaceAll("token =", "tokn =")
    ],
    ["in a setting that is not one", complete.replaceAll("urls =", "url_s =").replaceAll("key =", "kee =")],
    ["a key that is too long", complete.replaceAll(key, `${key}${key}`)],
    ["in a place for something else", complete.replace("[database]", `[database]\nurls = "${secrets.database}"`)],
    ["a broken file", complete.replaceAll('"\n', "\n")],
    ["a broken line", `${complete}\n${secrets.token}`]
  ])("%s", ([, text]) =>
    Effect.gen(function* () {
      const path = yield* fileWith(text)
      const error = yield* Effect.flip(load(Option.some(path), {}, "api"))
      const shown = `${error.message} ${JSON.stringify(error)} ${String(error)} ${error.stack}`
      for (const each of [...secret, key]) expect(shown).not.toContain(each)
      expect(error.problems).not.toEqual([])
    })
  )
})

it.effect("names that were chosen to steer a terminal do not", () =>
  Effect.gen(function* () {
    expect((yield* problems('"\\u001b[2J" = 1')).join("")).toMatch(/^FILE: {2}\[2J is no section/)
  })
)
