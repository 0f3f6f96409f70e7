/** `coffer host list` and `remove`: over a real database as a process, and what each says. */
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it, layer } from "@effect/vitest"
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { removeHost, renderRemoval } from "../../src/cli/hostRemoval.ts"
import { hostDocument, renderHosts } from "../../src/cli/hostView.ts"
import * as AesSecretBox from "../../src/layers/AesSecretBox.ts"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import * as Migrations from "../../src/layers/postgres/Migrations.ts"
import * as PgGuestHosts from "../../src/layers/postgres/PgGuestHosts.ts"
import * as PgInstances from "../../src/layers/postgres/PgInstances.ts"
import * as PgPlacements from "../../src/layers/postgres/PgPlacements.ts"
import * as PgPool from "../../src/layers/postgres/PgPool.ts"
import { Compute } from "../../src/services/Compute.ts"
import { GuestHostDirectory } from "../../src/services/GuestHostDirectory.ts"
import { InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { Placements } from "../../src/services/Placements.ts"
import { fileWith, key, secrets } from "../config/fixture.ts"
import { server } from "../support/postgres.ts"
import { coffer } from "./process.ts"

const reports = (name: string, at: number) =>
  Effect.flatMap(GuestHostDirectory, (directory) =>
    directory.report({ name, addresses: "10.20.0.0/24", memoryMb: 4096, zone: "nova", at })
  )

let drawn = 0
/** An instance that lives where there is room. */
const resident = Effect.gen(function* () {
  const id = InstanceId.make(`00000000-0000-4000-8002-${String(++drawn).padStart(12, "0")}`)
  const at = yield* Clock.currentTimeMillis
  const order = { volumeSize: 1, volumeType: null, datastoreVersion: "v", region: "R", access: null, name: "db" }
  yield* (yield* Instances).create(
    { ...order, id, project: ProjectId.make("p"), flavor: "1", ram: 512, created: at, updated: at },
    { databases: [], users: [] }
  )
  yield* (yield* Placements).ensure(id, { port: 5432, memoryMb: 512, agent: "coffer", zone: null })
  return id
}).pipe(
  Effect.provideService(
    Compute,
    Compute.of({
      portOf: () => 5432,
      isFree: () => Effect.succeed(true),
      ensure: () => Effect.void,
      destroy: () => Effect.void
    })
  )
)

const pool = Layer.unwrap(Effect.map(ControlPostgres, ({ url }) => PgPool.layer(url)))
const stores = Layer.mergeAll(PgInstances.layer, PgGuestHosts.layer, PgPlacements.layer([])).pipe(
  Layer.provide(AesSecretBox.layer(Redacted.make(new Uint8Array(32).fill(7)))),
  Layer.provide(Migrations.layer),
  Layer.provide(pool),
  Layer.provideMerge(server),
  Layer.provide(NodeServices.layer)
)

/** Runs `coffer host` over that database, where all guests share one login. */
const host = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { url } = yield* ControlPostgres
  const config = yield* fileWith(`
[database]
url = "${Redacted.value(url)}"
[broker]
urls = ["amqp://coffer:${secrets.broker}@127.0.0.1:1"]
shared_guest_credentials = true
guest_urls = ["amqp://guests:${secrets.guests}@127.0.0.1:1"]
[secrets]
key = "${key}"`)
  return yield* coffer(["host", ...args, "--config", config])
})

layer(stores, { excludeTestServices: true, timeout: 120_000 })("coffer host", (it) => {
  it.effect(
    "lists who has reported, keeps who is lived on, and gives up who is lost",
    () =>
      Effect.gen(function* () {
        expect((yield* host("list")).out).toBe("No machine has reported yet. Let one in with: coffer host add\n")
        const now = yield* Clock.currentTimeMillis
        yield* reports("db1", now)
        yield* reports("db0", 1_700_000_000_000)
        const id = yield* resident
        const listed = yield* host("list")
        expect(listed).toMatchObject({ code: 0, err: "" })
        const [header, ...rows] = listed.out.trimEnd().split("\n")
        expect(header).toMatch(/^NAME +ZONE +ADDRESSES +MEMORY +USED +INSTANCES +LAST REPORT +STATUS$/)
        expect(rows[0]).toMatch(
          /^db0 +nova +10\.20\.0\.0\/24 +4096 MB +0 MB +0 +2023-11-14T22:13:20Z +silent for \d+ days$/
        )
        expect(rows[1]).toMatch(/^db1 +nova +10\.20\.0\.0\/24 +4096 MB +512 MB +1 +\S+Z +alive$/)
        const { hosts } = JSON.parse((yield* host("list", "--json")).out)
        expect(hosts[1]).toMatchObject({
          name: "db1",
          zone: "nova",
          memory_mb: 4096,
          used_mb: 512,
          instances: 1,
          alive: true
        })

        const refused = yield* host("remove", "db1")
        expect(refused).toMatchObject({ code: 1, out: "" })
        expect(refused.err).toMatch(/^coffer: 1 instance lives on db1, which stays\. .*--lost\.\n$/)
        const find = Effect.flatMap(Placements, (placements) => placements.find(id))
        expect(Option.isSome(yield* find)).toBe(true)

        const given = yield* host("remove", "db1", "--lost")
        expect(given).toMatchObject({ code: 0, err: "" })
        expect(given.out).toMatch(
          /^db1 gets no instances\..*\n1 instance lived there and has no place any more\. Delete it:/
        )
        expect(given.out).toContain("is nobody's: wipe it before it runs again.")
        expect(Option.isNone(yield* find)).toBe(true)
        expect((yield* host("remove", "db0")).code).toBe(0)
        expect(JSON.parse((yield* host("list", "--json")).out)).toEqual({ hosts: [] })
      }).pipe(Effect.scoped),
    120_000
  )

  it.effect("says in its help what it means to be lost", () =>
    Effect.gen(function* () {
      const { out } = yield* host("remove", "--help")
      expect(out.replace(/\s+/g, " ")).toContain(
        "deleting them waits for the machine no more, and removes nothing on it"
      )
      expect(out.replace(/\s+/g, " ")).toContain("Whatever is left on the machine is nobody's")
    }).pipe(Effect.scoped)
  )
})

describe("a removal", () => {
  it.live("takes the login of nobody who is lived on", () =>
    Effect.gen(function* () {
      yield* reports("db1", yield* Clock.currentTimeMillis)
      yield* resident
      let revoked = 0
      const revoke = Effect.sync(() => void revoked++)
      const { message } = yield* Effect.flip(removeHost("db1", "kept", revoke))
      expect([message.split(".")[0], revoked]).toEqual(["1 instance lives on db1, which stays", 0])
      expect([yield* removeHost("db1", "lost", revoke), revoked]).toEqual([1, 1])
    }).pipe(Effect.provide(MemoryStore.layerOf([])))
  )

  it.live("sees who came while the machine was still let in", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* reports("db1", now)
      const late = Effect.asVoid(Effect.andThen(reports("db1", now), resident))
      expect((yield* Effect.flip(removeHost("db1", "kept", late))).message).toMatch(
        /^db1 is let in no more, but took others/
      )
      expect(yield* removeHost("db1", "lost", late)).toBe(2)
      expect(yield* (yield* GuestHostDirectory).known).toEqual([])
    }).pipe(Effect.provide(MemoryStore.layerOf([])))
  )

  it("that gives nobody up says nothing of it", () => {
    expect(renderRemoval("db1", 0, true)).toBe("db1 is let in no more, and gets no instances.")
    expect(renderRemoval("db1", 2, true)).toMatch(/\n2 instances lived there and have no place any more\. Delete them:/)
  })
})

it("a host is silent a minute after its last report, and no name steers a terminal", () => {
  const room = { memoryMb: 1, usedMb: 0, instances: 0 }
  const host = { name: "a\u001bb", addresses: "10.0.0.0/8", zone: "nova", ...room, reportedAt: 1_000 }
  expect(hostDocument([host], 61_000).hosts[0]).toMatchObject({ alive: true, last_report: "1970-01-01T00:00:01Z" })
  expect(hostDocument([host], 61_001).hosts[0]).toMatchObject({ alive: false })
  const statusAt = (now: number) => renderHosts([host], now).split("  ").at(-1)
  expect([62_000, 601_000, 7_201_000, 864_001_000].map(statusAt)).toEqual([
    "silent for 61 s",
    "silent for 10 min",
    "silent for 2 h",
    "silent for 10 days"
  ])
  expect(renderHosts([host], 0)).not.toContain("\u001b")
})
