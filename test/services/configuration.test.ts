/** What can be set of servers, and how that is written for them. */
import { describe, expect, it } from "vitest"
import type { DatastoreManagerName } from "../../src/services/Catalog.ts"
import {
  changed,
  masked,
  type Parameter,
  refuseValue,
  refuseValues
} from "../../src/services/configuration/Parameter.ts"
import { needRestart, parametersOf } from "../../src/services/configuration/Parameters.ts"
import { serverFile } from "../../src/services/configuration/ServerFile.ts"
import { withheld } from "../../src/services/configuration/Withheld.ts"

const known: ReadonlyArray<readonly [DatastoreManagerName, string]> = [
  ["postgresql", "18"],
  ["postgresql", "17"],
  ["postgresql", "16.4"],
  ["mariadb", "11.8"],
  ["mariadb", "10.11.6"]
]

describe("the parameters", () => {
  for (const [manager, version] of known) {
    it(`of ${manager} ${version} are many, each once, and none is withheld`, () => {
      const names = parametersOf({ manager, version }).map(({ name }) => name)
      expect(names.length).toBeGreaterThan(200)
      expect(new Set(names).size).toBe(names.length)
      expect(names.filter((name) => withheld(manager, name) !== null)).toEqual([])
    })

    it(`of ${manager} ${version} take their own defaults, but for those that the server works out`, () => {
      const refused = parametersOf({ manager, version }).flatMap((parameter) => {
        const refusal = parameter.default === undefined ? null : refuseValue(parameter, parameter.default)
        return refusal === null ? [] : [`${parameter.name}: ${refusal}`]
      })
      expect(refused.length, refused.join("; ")).toBeLessThan(15)
    })
  }

  it("are none of a version that nobody has asked", () => {
    expect(parametersOf({ manager: "mysql", version: "8.4" })).toEqual([])
    expect(parametersOf({ manager: "postgresql", version: "9.6" })).toEqual([])
    expect(parametersOf({ manager: "mariadb", version: "10.6" })).toEqual([])
  })

  it("tell what waits for a restart; of what is not known nothing better can be said", () => {
    const parameters = parametersOf({ manager: "postgresql", version: "18" })
    expect(needRestart(parameters, ["work_mem", "shared_buffers", "nobody_knows"])).toEqual([
      "shared_buffers",
      "nobody_knows"
    ])
  })

  it.each([
    ["postgresql", "data_directory"],
    ["postgresql", "shared_preload_libraries"],
    ["postgresql", "archive_command"],
    ["postgresql", "ssl_key_file"],
    ["postgresql", "standard_conforming_strings"],
    ["mariadb", "datadir"],
    ["mariadb", "redirect_url"],
    ["mariadb", "plugin_dir"],
    ["mariadb", "init_file"],
    ["mariadb", "secure_file_priv"],
    ["mariadb", "general_log_file"]
  ] as const)("of %s do not have %s, for a reason", (manager, name) => {
    expect(withheld(manager, name)).toBeTypeOf("string")
  })
})

describe("a value", () => {
  const several: Parameter = {
    name: "sql_mode",
    type: "string",
    restart: false,
    values: ["ANSI", "STRICT"],
    several: true
  }

  it("of several texts is one when each is", () => {
    expect(refuseValue(several, "ansi,STRICT")).toBeNull()
    expect(refuseValue(several, "")).toBeNull()
    expect(refuseValue(several, "ANSI,other")).toMatch(/is not one of: ANSI, STRICT/)
  })

  it("at the ends of its range is taken", () => {
    const parameter: Parameter = { name: "n", type: "integer", restart: false, min: 1, max: 5 }
    expect([0, 1, 5, 6].map((value) => refuseValue(parameter, value) === null)).toEqual([false, true, true, false])
  })

  it("of a float may be whole, of an integer nothing else", () => {
    expect(refuseValue({ name: "f", type: "float", restart: false }, 1)).toBeNull()
    expect(refuseValue({ name: "i", type: "integer", restart: false }, 2 ** 53)).not.toBeNull()
  })

  it("by a name that every object has is unknown all the same", () => {
    const parameters = parametersOf({ manager: "postgresql", version: "18" })
    expect(refuseValues("postgresql 18", parameters, { constructor: 1 })).toMatch(/constructor is not supported/)
  })

  it("that may be a password is not shown", () => {
    expect(masked({ work_mem: 1, some_password: "x", api_token: "y" })).toEqual({
      work_mem: 1,
      some_password: "***",
      api_token: "***"
    })
  })

  it("that is there on one side only has changed", () => {
    expect(changed({ a: 1, b: 2, c: 3 }, { a: 1, b: 3, d: 4 })).toEqual(["b", "c", "d"])
  })
})

describe("a server's file", () => {
  it("has what the flavor gives, and over that the group; no text leaves its line", () => {
    const settings = { work_mem: 7, jit: false, lc_messages: "it's a \\ C" }
    const lines = serverFile("postgresql", { memoryMb: 512, settings }, ["include_if_exists = 'x'"]).split("\n")
    expect(lines[0]).toBe("include_if_exists = 'x'")
    expect(lines).toEqual(expect.arrayContaining(["shared_buffers = '16384'", "work_mem = '7'", "jit = 'off'"]))
    expect(lines).toContain("lc_messages = 'it''s a \\\\ C'")
    expect(lines.filter((line) => line.startsWith("work_mem"))).toHaveLength(1)
  })

  it("of MariaDB is a section of its own, with quoted texts", () => {
    const settings = { back_log: 9, slow_query_log: true, ft_boolean_syntax: '+ -><()~*:""&|' }
    const lines = serverFile("mariadb", { memoryMb: 512, settings }).split("\n")
    expect(lines[0]).toBe("[mysqld]")
    expect(lines).toEqual(
      expect.arrayContaining([
        `innodb_buffer_pool_size = ${128 * 1024 * 1024}`,
        "back_log = 9",
        "slow_query_log = ON",
        'ft_boolean_syntax = "+ -><()~*:\\"\\"&|"'
      ])
    )
  })
})
