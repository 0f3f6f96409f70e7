/** Three taskmanagers that share what is to be done, and what becomes of it when one is killed, frozen or stopped. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import * as Postgres from "../support/postgres.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { eventually } from "./api.ts"
import { program } from "./heldProgram.ts"
import { Installation } from "./installation.ts"
import { postgres, withPostgres } from "./logins.ts"

const version = { name: "18", version: "18", manager: "postgresql", image: "postgres:18", active: true } as const

const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 64, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    { id: "postgresql", name: "postgresql", defaultVersion: "pg-18", versions: [{ id: "pg-18", ...version }] },
    // Of these nothing is ever heard: their builds are held by the program that is to make their servers.
    { id: "held", name: "held", defaultVersion: "held-18", versions: [{ id: "held-18", ...version, agent: "trove" }] }
  ],
  defaultDatastore: "postgresql"
}

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
}

const Steps = Schema.decodeUnknownSync(
  Schema.Array(
    Schema.Struct({
      instance: Schema.String,
      key: Schema.String,
      step: Schema.String,
      outcome: Schema.String,
      begun: Schema.Int,
      ended: Schema.NullOr(Schema.Number)
    })
  )
)
type Steps = ReturnType<typeof Steps>

const Moves = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ instance: Schema.String, to: Schema.String })))
const Names = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ name: Schema.String })))

const Status = Schema.decodeUnknownSync(
  Schema.Struct({ taskmanagers: Schema.Array(Schema.Struct({ address: Schema.String, alive: Schema.Boolean })) })
)

const taskmanagers = ["taskmanager", "taskmanager-2", "taskmanager-3"] as const
type Taskmanager = (typeof taskmanagers)[number]

describe.skipIf(missingBroker !== null)(
  `three taskmanagers${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`,
  { timeout: 240_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-taskmanagers-test-"))
    const surroundings = ManagedRuntime.make(Layer.mergeAll(TestBroker.layer(), Postgres.server))
    let coffer: Installation
    let databaseUrl: string

    const sql = (statement: string) => withPostgres(databaseUrl, (query) => query(statement))

    beforeAll(async () => {
      const path = join(folder, "catalog.json")
      writeFileSync(path, JSON.stringify(catalog))
      const command = join(folder, "program")
      writeFileSync(command, program(folder))
      chmodSync(command, 0o755)
      const broker = await surroundings.runPromise(TestBroker)
      databaseUrl = Redacted.value((await surroundings.runPromise(ControlPostgres)).url)
      coffer = await Installation.make({
        brokerUrl: broker.url,
        managementUrl: broker.managementUrl ?? "",
        databaseUrl,
        catalog: path,
        runtime: "process",
        taskmanager: { compute_command: [command], compute_command_addresses: "10.1.0.0/16" }
      })
      await coffer.prepare()
      await sql(
        "INSERT INTO quota_limits VALUES ('demo', 'instances', 200), ('demo', 'volumes', 200), ('demo', 'ram', 51200)"
      )
      await coffer.startAll()
      for (const member of ["taskmanager-2", "taskmanager-3"] as const) await coffer.start(member)
      await eventually("each has its share", async () =>
        (await Promise.all(taskmanagers.map(shardsOf))).every((shards) => shards > 0) ? true : null
      )
    }, 180_000)

    afterAll(async () => {
      await coffer?.dispose()
      await surroundings.dispose()
      rmSync(folder, { recursive: true, force: true })
    }, 90_000)

    const sessionsOf = async (member: Taskmanager) =>
      (
        await sql(
          `SELECT 1 FROM pg_stat_activity WHERE application_name = 'coffer taskmanager ${coffer.addressOf(member)}'`
        )
      ).length

    const shardsOf = async (member: Taskmanager) =>
      (
        await sql(`SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'
          AND l.objsubid = 2 AND l.granted AND application_name = 'coffer taskmanager ${coffer.addressOf(member)}'`)
      ).length

    /** As `coffer cluster status` tells it: which of the three are alive. */
    const alive = async () => {
      const { taskmanagers: told } = Status(JSON.parse(await coffer.run("cluster", "status", "--json")))
      const living = told.filter(({ alive }) => alive).map(({ address }) => address)
      return taskmanagers.filter((member) => living.includes(coffer.addressOf(member)))
    }

    /** All lines about steps, in the order in which they were opened. */
    const steps = async () =>
      Steps(
        await sql(`SELECT instance, key, entry ->> 'step' AS step, entry ->> 'outcome' AS outcome,
          (entry ->> 'begun')::int AS begun, (entry ->> 'endedAt')::float8 AS ended
          FROM history WHERE entry ->> 'kind' = 'step' ORDER BY id`)
      )

    /** Those after which another was begun: that they were done is written for good. */
    const completed = (all: Steps) =>
      all.filter(
        ({ instance, outcome }, at) =>
          outcome === "done" && all.slice(at + 1).some((later) => later.instance === instance)
      )

    const ranOnce = async (before: Steps) => {
      const now = new Map((await steps()).map((step) => [`${step.instance} ${step.key}`, step]))
      for (const step of completed(before)) {
        // The line of a wait is opened by hand, each time that the workflow is read again; it does nothing.
        if (step.step === "wait for the database") continue
        expect(now.get(`${step.instance} ${step.key}`)).toEqual(step)
      }
    }

    const failures = async () => (await steps()).filter(({ outcome }) => outcome === "failed")

    /** What the program was asked for and has done, by verb. */
    const programTold = (file: "asked" | "done", verb: string) =>
      existsSync(join(folder, file))
        ? readFileSync(join(folder, file), "utf8")
            .split("\n")
            .filter((line) => line.startsWith(`${verb} `))
            .map((line) => line.split(" ")[1] ?? "")
        : []

    const build = async (name: string, count: number) => {
      const ids: Array<string> = []
      for (let n = 0; n < count; n++) ids.push(await coffer.create({ name: `${name}-${n}`, ...order }))
      return ids
    }

    /** Builds that come as far as the making of their server, and wait there. */
    const hold = async (name: string, count: number) => {
      const ids: Array<string> = []
      for (let n = 0; n < count; n++)
        ids.push(await coffer.create({ name: `${name}-${n}`, datastore: { type: "held" } }))
      await eventually("all are held", () => {
        const asked = new Set(programTold("asked", "ensure"))
        return ids.every((id) => asked.has(id)) ? true : null
      })
      return ids
    }

    const restart = async (ids: ReadonlyArray<string>) => {
      for (const id of ids) {
        const { body, status } = await coffer.request("POST", `/instances/${id}/action`, { restart: {} })
        expect(status, JSON.stringify(body)).toBe(202)
      }
    }

    const allWell = async (ids: ReadonlyArray<string>) => {
      for (const id of ids) {
        const { address } = await coffer.healthy(id, 120_000)
        expect(
          await postgres({ user: "ann", password: "secret-1", database: "shop", address }, "SELECT 1 AS n")
        ).toEqual([{ n: 1 }])
      }
    }

    /** One server for each database, one place for each instance, and each became what it is once. */
    const nothingTwice = async (ids: ReadonlyArray<string>, restarts: number) => {
      const moves = Moves(
        await sql(
          "SELECT instance, entry ->> 'to' AS to FROM history WHERE entry ->> 'kind' = 'transition' ORDER BY id"
        )
      )
      for (const id of ids) {
        const mine = moves.filter(({ instance }) => instance === id).map(({ to }) => to)
        expect(mine).toEqual([
          "Building",
          "Active",
          ...Array.from({ length: restarts }, () => ["Restarting", "Active"]).flat()
        ])
      }
      const live = Names(await sql("SELECT instance AS name FROM addresses WHERE host = 'one'")).map(({ name }) => name)
      expect(readdirSync(join(coffer.folder, "guests/instances")).sort()).toEqual(live.sort())
    }

    const remove = async (ids: ReadonlyArray<string>) => {
      for (const id of ids) await coffer.delete(id)
      for (const id of ids)
        await eventually(`${id} is gone`, async () => ((await coffer.show(id)) === null ? true : null), 120_000)
      // Whatever somebody may still have meant to do: nothing of it is there.
      const left = Names(await sql(`SELECT instance AS name FROM addresses`))
      expect(left.filter(({ name }) => ids.includes(name))).toEqual([])
    }

    it("one that is killed is missed by no operation", async () => {
      const old = await build("old", 6)
      await allWell(old)
      const held = await hold("held", 18)
      const fresh = await build("fresh", 6)
      await restart(old)
      await coffer.tells(fresh[0] ?? "", "create the server")
      const before = await steps()
      expect(await alive()).toEqual([...taskmanagers])
      await coffer.kill("taskmanager-2")
      // What it was about is taken up by others, who begin it again; theirs goes on.
      await eventually("its share is taken up", async () => {
        const making = (await steps()).filter(
          ({ instance, step }) => held.includes(instance) && step === "create the server"
        )
        return making.some(({ begun }) => begun > 1) ? true : null
      })
      expect(await alive()).toEqual(["taskmanager", "taskmanager-3"])
      await allWell([...old, ...fresh])
      await ranOnce(before)
      await nothingTwice(old, 1)
      await nothingTwice(fresh, 0)
      expect(await failures()).toEqual([])
      writeFileSync(join(folder, "open"), "")
      for (const id of held) await coffer.tells(id, "create the server: done")
      expect(programTold("asked", "destroy")).toEqual([])
      await coffer.start("taskmanager-2")
      await remove([...held, ...old, ...fresh])
      expect(new Set(programTold("done", "destroy"))).toEqual(new Set(held))
      rmSync(join(folder, "open"))
    })

    it("one that stands still past its lease is replaced, and does nothing more when it goes on", async () => {
      const old = await build("old", 6)
      await allWell(old)
      const held = await hold("held", 18)
      const fresh = await build("fresh", 6)
      await restart(old)
      await coffer.tells(fresh[0] ?? "", "create the server")
      const before = await steps()
      coffer.freeze("taskmanager-3")
      await eventually("it is cut off", async () => ((await sessionsOf("taskmanager-3")) === 0 ? true : null))
      await allWell([...old, ...fresh])
      writeFileSync(join(folder, "open"), "")
      for (const id of held) await coffer.tells(id, "create the server: done")
      await remove(held)
      const settled = await steps()
      const asked = programTold("asked", "ensure").length
      expect(await coffer.thawed("taskmanager-3")).toBe(1)
      expect(coffer.outputOf("taskmanager-3")).toMatch(/this taskmanager stood still for \d+ s/)
      await coffer.start("taskmanager-3")
      expect(await steps()).toEqual(settled)
      expect(programTold("asked", "ensure")).toHaveLength(asked)
      await ranOnce(before)
      await nothingTwice(old, 1)
      await nothingTwice(fresh, 0)
      await remove([...old, ...fresh])
      rmSync(join(folder, "open"))
    })

    it("one after the other is stopped and started again, and no operation fails of it", async () => {
      const old = await build("old", 4)
      await allWell(old)
      const all = [...old]
      for (const member of taskmanagers) {
        const fresh = await build(`by-${member}`, 3)
        await restart(old)
        await coffer.tells(fresh[0] ?? "", "allocate an address")
        const before = await steps()
        expect(await coffer.stop(member)).toBe(0)
        await coffer.start(member)
        await allWell([...old, ...fresh])
        await ranOnce(before)
        await nothingTwice(fresh, 0)
        all.push(...fresh)
      }
      await nothingTwice(old, 3)
      expect((await failures()).filter(({ instance }) => all.includes(instance))).toEqual([])
      await remove(all)
    })
  }
)
