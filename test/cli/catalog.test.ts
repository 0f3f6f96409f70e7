/** `coffer datastore`, `flavor`, `quota` and `limits` against a real API. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { datastore } from "../../src/cli/datastore.ts"
import { flavor } from "../../src/cli/flavor.ts"
import { limits } from "../../src/cli/limits.ts"
import { quota } from "../../src/cli/quota.ts"
import { fileWith } from "../config/fixture.ts"
import { adminToken, mysqlVersion, order, project, server } from "../http/harness.ts"
import { commands, quietly } from "./commands.ts"

const { coffer } = commands(Command.make("coffer").pipe(Command.withSubcommands([datastore, flavor, quota, limits])))

it.live("what can be ordered is told, by its name or its id", () =>
  Effect.gen(function* () {
    const { out: all } = yield* coffer("datastore", "list")
    expect(all.split("\n").slice(0, 2)).toEqual([
      "NAME        VERSIONS        DEFAULT  ID",
      "mysql       5.7.29, 8.0.29  5.7.29   1b5bf6e9-e7bc-4aa3-835f-3ee376965b8a"
    ])
    const { out: mysql } = yield* coffer("datastore", "show", "mysql")
    expect(mysql).toContain(`\nVERSION  NUMBER  ID\n5.7.29   5.7.29  ${mysqlVersion}\n`)
    const { out: flavors } = yield* coffer("flavor", "list")
    expect(flavors.split("\n").slice(0, 2)).toEqual([
      "NAME       MEMORY   CPUS  DISK   ID",
      "m1.tiny    512 MB   1     1 GB   1"
    ])
    const { out: small } = yield* coffer("flavor", "show", "m1.small", "--json")
    expect(JSON.parse(small)).toMatchObject({ flavor: { id: 2, str_id: "2", ram: 2048 } })
    expect(yield* coffer("datastore", "show", "oracle")).toMatchObject({
      code: 1,
      err: "coffer: Datastore 'oracle' cannot be found. See which there are: coffer datastore list\n"
    })
    expect(yield* coffer("flavor", "show", "huge")).toMatchObject({
      code: 1,
      err: "coffer: There is no flavor huge. There are: m1.tiny, m1.small, m1.medium.\n"
    })
  }).pipe(Effect.provide(quietly(server())))
)

it.live("versions are added, changed and deleted by administrators", () =>
  Effect.gen(function* () {
    const admin = ["--token-file", yield* fileWith(adminToken)]
    const version = (...args: ReadonlyArray<string>) => coffer("datastore", "version", ...args, ...admin)
    const image = "docker.io/library/postgres:16"
    const made = yield* version(
      ...["create", "lake", "sixteen", "--number", "16", "--manager", "postgresql", "--image", image, "--default"]
    )
    expect(made.out).toMatch(
      /^lake +sixteen +16 +postgresql +docker.io\/library\/postgres:16 +default +[0-9a-f-]{36}$/m
    )
    expect((yield* version("set", "lake", "sixteen", "--inactive")).out).toMatch(/^lake +sixteen .* refused /m)
    const renamed = yield* version("set", "lake", "sixteen", "--name", "old", "--active", "--no-default", "--json")
    expect(JSON.parse(renamed.out).versions).toContainEqual(
      expect.objectContaining({ name: "old", active: true, default: false })
    )
    expect((yield* version("set", "lake", "old")).err).toMatch(/^coffer: Say what is to change: --name/)
    expect((yield* version("set", "lake", "old", "--active", "--inactive")).err).toMatch(/contradict each other/)
    expect((yield* version("delete", "lake", "sixteen")).err).toBe(
      "coffer: There is no version sixteen of lake. See: coffer datastore version list\n"
    )
    expect((yield* version("delete", "mysql", "5.7.29")).err).toMatch(/stands in the service's configuration/)
    expect((yield* version("delete", "lake", "old")).out).toBe("Version old of lake is gone.\n")
    expect((yield* version("list")).out).not.toContain("lake")
    expect((yield* coffer("datastore", "delete", "lake", ...admin)).out).toBe("Datastore lake is gone.\n")
    expect((yield* coffer("datastore", "version", "list")).err).toMatch(/^coffer: Only an administrator may do this/)
  }).pipe(Effect.provide(quietly(server())))
)

it.live("what can be set of a version is for administrators to say", () =>
  Effect.gen(function* () {
    const admin = ["--token-file", yield* fileWith(adminToken)]
    const parameter = (action: string, ...args: ReadonlyArray<string>) =>
      coffer("datastore", "parameter", action, "postgresql", "16", ...args, ...admin)
    const { out } = yield* parameter("set", "work_mem", "--max", "4096", "--restart")
    expect(out).toMatch(/^work_mem +integer +64 +4096 +with a restart$/m)
    expect((yield* parameter("set", "work_mem", "--min", "128", "--live")).out).toMatch(
      /^work_mem +integer +128 +4096 +at once$/m
    )
    expect((yield* parameter("remove", "work_mem")).out).toBe("work_mem cannot be set of postgresql 16 any more.\n")
    expect((yield* parameter("set", "work_mem", "--max", "1")).err).toBe(
      "coffer: The configuration parameter work_mem cannot be found.\n"
    )
    const added = yield* parameter("add", "work_mem", "--type", "integer", "--min", "64", "--max", "128", "--json")
    expect(JSON.parse(added.out)).toMatchObject({ name: "work_mem", min_size: 64, max_size: 128 })
    expect((yield* parameter("add", "port", "--type", "string")).err).toMatch(/^coffer: .*port is withheld: /)
  }).pipe(Effect.provide(quietly(server())))
)

it.live("a quota is looked at by its project, and set by administrators alone", () =>
  Effect.gen(function* () {
    yield* order({ name: "first" })
    const { out } = yield* coffer("quota", "show")
    expect(out.split("\n").slice(0, 3)).toEqual([
      "RESOURCE   IN USE  RESERVED  LIMIT",
      "instances  0       1         10",
      expect.stringMatching(/^ram +0 +\d+ +none$/)
    ])
    const refused = yield* coffer("quota", "set", "--instances", "20")
    expect(refused.err).toMatch(/^coffer: Only an administrator may do this\. .*--token-file/)
    const others = yield* coffer("quota", "show", "another")
    expect(others.err).toBe(`coffer: Operation not allowed for tenant ${project}.\n`)
    const admin = ["--token-file", yield* fileWith(adminToken)]
    const { out: set } = yield* coffer("quota", "set", "--instances", "20", "--volumes", "-1", ...admin)
    expect(set).toMatch(/^instances +0 +1 +20\n/m)
    expect(set).toMatch(/^volumes +0 +2 +none\n/m)
    expect((yield* coffer("quota", "set", ...admin)).err).toBe(
      "coffer: Say what is to change: --instances, --ram, --volumes, --backups.\n"
    )
    const { out: theirs } = yield* coffer("quota", "set", "another", "--backups", "1", "--json", ...admin)
    expect(JSON.parse(theirs).quotas).toContainEqual({ resource: "backups", in_use: 0, reserved: 0, limit: 1 })
    const { out: told } = yield* coffer("limits")
    expect(told).toMatch(/^instances +20$/m)
    expect(told).toMatch(/^GET requests a minute +200 +\d+$/m)
  }).pipe(Effect.provide(quietly(server())))
)
