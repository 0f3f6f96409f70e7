/** The configuration told to a person: the table, the file to begin with, and the documentation. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { parse } from "smol-toml"
import { explain, explained } from "../../src/layers/config/explain.ts"
import { load, loadWithSources } from "../../src/layers/config/load.ts"
import { settings } from "../../src/layers/config/settings.ts"
import { template } from "../../src/layers/config/template.ts"
import { toml } from "../../src/layers/config/toml.ts"
import { complete, configured, fileWith, key, secrets } from "./fixture.ts"

describe("explain", () => {
  const loaded = (text: string, env = {}) =>
    Effect.flatMap(fileWith(text), (path) => loadWithSources(Option.some(path), env))

  it.effect("tells of every setting its value and where it is from", () =>
    Effect.gen(function* () {
      const env = { COFFER_API_PORT: "9001", COFFER_RATE_LIMIT: "5", COFFER_BROKER_GUEST_URLS: "amqp://h" }
      const rows = explained(yield* loaded(`${complete}\n[health]\nhost = "10.0.0.1"`, env))
      expect(rows.map(({ setting }) => setting.name)).toEqual(settings.map(({ name }) => name))
      const told = new Map(rows.map(({ from, setting, value }) => [setting.name, `${value} ${from}`]))
      expect(told.get("database.url")).toBe("(set) file")
      expect(told.get("broker.guest_urls")).toBe("(set) COFFER_BROKER_GUEST_URLS")
      expect(told.get("broker.management_url")).toBe("(none) default")
      expect(told.get("api.port")).toBe("9001 COFFER_API_PORT")
      expect(told.get("api.rate_limit")).toBe("5 COFFER_RATE_LIMIT")
      expect(told.get("api.allowed_hosts")).toBe('["localhost", "127.0.0.1", "[::1]"] default')
      expect(told.get("health.host")).toBe('"10.0.0.1" file')
      expect(told.get("taskmanager.build_deadline")).toBe('"30 minutes" default')
    })
  )

  it.effect("is a table whose columns are aligned, without a secret in it", () =>
    Effect.gen(function* () {
      const env = {
        COFFER_BROKER_MANAGEMENT_URL: `http://admin:${secrets.management}@h:15672`,
        COFFER_BROKER_SHARED_GUEST_CREDENTIALS: "true",
        COFFER_BROKER_GUEST_URLS: `amqp://g:${secrets.guests}@h`
      }
      const table = explain(yield* loaded(complete, env))
      const [header = "", ...rows] = table.split("\n")
      expect(rows).toHaveLength(settings.length)
      for (const column of ["value", "from", "what it is"]) {
        const start = header.indexOf(column)
        for (const row of rows) expect(row.slice(start - 2, start + 1)).toMatch(/^ {2}\S$/)
      }
      for (const secret of [...Object.values(secrets), key]) expect(table).not.toContain(secret)
    })
  )

  it("shows no character that a terminal would obey", () => {
    expect(toml(["/a\u001b[2J", "\u009b2J", "ü"])).toBe('["/a\\u001b[2J", "\\u009b2J", "ü"]')
  })
})

describe("the file to begin with", () => {
  it.effect("is a configuration as it is, with a key and a token of its own each time", () =>
    Effect.gen(function* () {
      const one = yield* configured(template())
      const other = yield* configured(template())
      const secretsOf = ({ api, secrets }: typeof one): ReadonlyArray<unknown> => [
        ...(secrets.key === undefined ? [] : [Redacted.value(secrets.key)]),
        ...(api.tokens ?? []).map(({ token }) => Redacted.value(token))
      ]
      expect(secretsOf(one)).toHaveLength(2)
      expect(secretsOf(one)[0]).not.toEqual(secretsOf(other)[0])
      expect(secretsOf(one)[1]).not.toEqual(secretsOf(other)[1])
    })
  )

  it.effect("names every setting, and shows of each what may be written there", () =>
    Effect.gen(function* () {
      const shown = template().replaceAll(/^# (\w+ = )/gm, "$1")
      const table = parse(shown)
      for (const { description, key, section } of settings) {
        expect(table[section]).toHaveProperty(key)
        expect(shown).toContain(`# ${description}.`)
      }
      // Callers are known by tokens or by Keystone, and here by both.
      // The examples of what must be secret are refused, and callers cannot be known by tokens and by Keystone at once;
      // everything else is taken as it is shown.
      const { problems } = yield* Effect.flip(configured(shown))
      expect(problems.map(({ setting }) => setting)).toEqual(["guestagent.key", "api.tokens"])
    })
  )

  it.effect("needs no more than the database and the broker to serve as the control plane", () =>
    Effect.gen(function* () {
      const path = yield* fileWith(template())
      const env = { COFFER_DATABASE_URL: "postgresql://u:p@h/d", COFFER_BROKER_URLS: "amqp://u:p@h" }
      yield* load(Option.some(path), env, "api")
      yield* load(Option.some(path), env, "taskmanager")
      yield* load(Option.some(path), env, "conductor")
    })
  )
})

describe("the documentation", () => {
  const lines = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8").split("\n")

  it.each(settings)("has $name with its default", ({ default: otherwise, defaultName, description, name }) => {
    const shown = defaultName ?? (otherwise === undefined ? "" : `\`${toml(otherwise)}\``)
    expect(lines.find((line) => line.startsWith(`| \`${name}\` |`))).toBe(`| \`${name}\` | ${shown} | ${description} |`)
  })
})
