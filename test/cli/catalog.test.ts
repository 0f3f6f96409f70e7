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
