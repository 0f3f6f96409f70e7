/**
 * Volumes that are full to the last byte, of real servers: what their guests say of it, and that they are well again with
 * all that was written when the volume has grown.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import * as FolderGuestHosts from "../../src/layers/embedded/FolderGuestHosts.ts"
import * as GuestLinks from "../../src/layers/embedded/GuestLinks.ts"
import * as Host from "../../src/layers/embedded/Host.ts"
import * as LocalCompute from "../../src/layers/embedded/LocalCompute.ts"
import * as VolumeKinds from "../../src/layers/embedded/VolumeKinds.ts"
import { containerName } from "../../src/layers/runtime/docker/Container.ts"
import * as Mariadb from "../../src/layers/runtime/MariadbServer.ts"
import { Compute, type ServerSpec } from "../../src/services/Compute.ts"
import { ConductorApi, conductorTopic } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, guestTopic } from "../../src/services/GuestApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { mysql, postgres } from "../e2e/logins.ts"
import { testImages } from "../images/build.ts"
import * as ProvenFabric from "../kit/ProvenFabric.ts"
import { missingEngine } from "../support/containers.ts"
import { loopsBelow, mountsBelow, unmountBelow } from "../support/mounts.ts"
import { ensurePackages, fileSystems } from "../support/packages.ts"
import { embeddedLayer } from "./embeddedFixture.ts"

const missingPrograms = await ensurePackages(fileSystems)

/** Servers have users of their own, who must be able to walk there. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), "coffer-full-")))
    chmodSync(root, 0o755)
    return root
  }),
  (root) =>
    Effect.sync(() => {
      unmountBelow(root)
      rmSync(root, { recursive: true, force: true })
    })
)

/** What a guest tells the conductor. */
const witness = Effect.gen(function* () {
  const said = { status: "", words: [] as string[] }
  yield* (yield* Fabric).serve(conductorTopic, ConductorApi, {
    heartbeat: ({ payload: { progress, service_status } }) =>
      Effect.sync(() => {
        said.status = service_status
        if (progress != null) said.words.push(progress)
      }),
    notify_exc_info: ({ message }) => Effect.sync(() => void said.words.push(message)),
    notify_end: () => Effect.void,
    report_root: () => Effect.void,
    update_backup: () => Effect.void,
    host_report: () => Effect.void
  })
  return said
})

type Manager = "postgresql" | "mariadb"
type Query = (sql: string) => Promise<ReadonlyArray<unknown>>

/** One statement that writes so many rows of 32 kB, none of which is compressed. */
const insert: Record<Manager, (rows: number) => string> = {
  postgresql: (rows) => `INSERT INTO kept SELECT n, repeat(md5(n::text), 1024) FROM generate_series(1, ${rows}) AS n`,
  mariadb: (rows) => `INSERT INTO kept SELECT seq, repeat(md5(seq), 1024) FROM seq_1_to_${rows}`
}

const table: Record<Manager, ReadonlyArray<string>> = {
  postgresql: ["CREATE TABLE kept (n int, pad text)", "ALTER TABLE kept ALTER pad SET STORAGE EXTERNAL"],
  mariadb: ["CREATE TABLE kept (n int, pad mediumtext) ENGINE=InnoDB"]
}

/** Writes until nothing goes any more, not even a row, or nobody answers; gives how many rows were taken. */
const fill = async (manager: Manager, query: Query) => {
  for (const statement of table[manager]) await query(statement)
  let taken = 0
  for (let rows = 1024, refusals = 0; refusals < 40; ) {
    try {
      await query(insert[manager](rows))
      taken += rows
    } catch {
      rows = Math.max(1, Math.floor(rows / 2))
      refusals++
    }
  }
  return taken
}

const until = (what: string, isSo: () => boolean) =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.fail(new Error(`not within a minute: ${what}`)))).pipe(
    Effect.retry({ times: 600, schedule: Schedule.spaced("100 millis") })
  )

let last = 0

const ordered = (manager: Manager, runtime: "process" | "docker"): ServerSpec => ({
  instanceId: crypto.randomUUID(),
  manager,
  version: "any",
  image: runtime === "docker" ? testImages[manager] : "none",
  host: "local",
  agent: "coffer",
  address: `127.77.${process.pid % 128}.${++last}`,
  memoryMb: 512,
  vcpus: 1,
  volumeSize: 1
})

const startCompute = (root: string, kind: "xfs" | "ext4", runtime: "process" | "docker") =>
  Effect.gen(function* () {
    const found = yield* Host.inspect(runtime)
    const built = yield* Layer.build(
      Layer.fresh(LocalCompute.layer).pipe(
        Layer.provide([Layer.fresh(FolderGuestHosts.layer(root)), GuestLinks.inProcess, Host.layer(found)]),
        Layer.provide(VolumeKinds.layer(kind, root))
      )
    )
    return Context.get(built, Compute)
  })

const fills = (manager: Manager, runtime: "process" | "docker", kind: "xfs" | "ext4", lacks: string | null) => {
  const missing = missingPrograms ?? lacks
  const skipped = missing === null ? "" : ` (skipped: ${missing})`
  it.live.skipIf(missing !== null)(
    `${manager} as a ${runtime} on ${kind} is told to be full, waits, and has every row when its volume has grown${skipped}`,
    () =>
      Effect.gen(function* () {
        const root = yield* folder
        const said = yield* witness
        const compute = yield* startCompute(root, kind, runtime)
        const spec = ordered(manager, runtime)
        const { address, instanceId } = spec
        yield* Effect.addFinalizer(() => Effect.ignore(compute.destroy(InstanceId.make(instanceId), "local")))
        yield* compute.ensure(spec, null)
        const guest = (yield* Fabric).client(guestTopic(instanceId), GuestApi)
        yield* guest.prepare({
          packages: "",
          databases: [{ name: "shop" }],
          users: [{ name: "ann", password: Redacted.make("pw"), host: null, databases: [{ name: "shop" }] }],
          memory_mb: spec.memoryMb,
          root_password: null,
          ds_version: "any",
          device_path: null,
          mount_point: null,
          config_contents: null
        })
        yield* until("it is built", () => said.status === "healthy")
        const ann = { user: "ann", password: "pw", database: "shop", address }
        const query: Query = (sql) => (manager === "postgresql" ? postgres(ann, sql) : mysql(ann, sql))
        if (runtime === "docker") {
          const data = manager === "postgresql" ? "/var/lib/postgresql/data" : "/var/lib/mysql"
          const seen = execFileSync("docker", ["exec", containerName(instanceId), "df", "-m", data], {
            encoding: "utf8"
          })
          const megabytes = Number(seen.trim().split("\n").at(-1)?.split(/\s+/)[1])
          assert.isAbove(megabytes, 850)
          assert.isAtMost(megabytes, 1024)
        }

        const taken = yield* Effect.promise(() => fill(manager, query))
        assert.isAbove(taken, 1024)
        const full = yield* guest.get_filesystem_stats({ fs_path: null })
        assert.strictEqual(full.total, 1)
        assert.isAbove(full.used, 0.9)
        if (manager === "postgresql") {
          yield* until("it is told that it is full", () =>
            said.words.some((text) => text === "the database is down: the volume is full (1.0 of 1 GB used): resize it")
          )
          assert.strictEqual(said.status, "crashed")
          const before = said.words.filter((text) => text.startsWith("starting")).length
          yield* Effect.sleep("3 seconds")
          assert.strictEqual(said.words.filter((text) => text.startsWith("starting")).length, before)
        }

        yield* compute.ensure({ ...spec, volumeSize: 2 }, null)
        const counted = Effect.tryPromise(() => query("SELECT cast(count(*) AS char(20)) AS n FROM kept"))
        const rows = yield* Effect.retry(counted, { times: 600, schedule: Schedule.spaced("100 millis") })
        assert.deepEqual(
          rows.map((row) => JSON.stringify(row).replace(/ +"/, '"')),
          [`{"n":"${taken}"}`]
        )
        yield* until("it is well", () => said.status === "healthy")
        yield* Effect.promise(() => query(insert[manager](1024)))
        const grown = yield* guest.get_filesystem_stats({ fs_path: null })
        assert.strictEqual(grown.total, 2)
        if (kind === "xfs" && manager === "mariadb")
          assert.isFalse(
            said.words.some((text) => text.includes("crashed")),
            said.words.join("\n")
          )

        yield* compute.destroy(InstanceId.make(instanceId), "local")
        assert.deepEqual([mountsBelow(root), loopsBelow(root)], [[], []])
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(embeddedLayer, ProvenFabric.layer))),
    240_000
  )
}

const missingMariadb = (await Effect.runPromise(Mariadb.isInstalled)) ? null : "MariaDB is not installed"

describe("a volume that is full", () => {
  fills("postgresql", "process", "xfs", null)
  fills("postgresql", "process", "ext4", null)
  fills("mariadb", "process", "xfs", missingMariadb)
  fills("postgresql", "docker", "xfs", missingEngine)
  fills("mariadb", "docker", "xfs", missingEngine)
})
