/** The guest agent over a real PostgreSQL: what only a server that really stops can show. */
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schedule } from "effect"
import { DatabaseRuntime } from "../../src/guest/DatabaseRuntime.ts"
import * as GuestAgent from "../../src/guest/GuestAgent.ts"
import { firstRelease, GuestNotes, noOverrides, type Phase } from "../../src/guest/GuestNotes.ts"
import { PostgresManager } from "../../src/guest/PostgresManager.ts"
import { processOn } from "../../src/layers/embedded/HostProcess.ts"
import { plainFolder } from "../../src/layers/embedded/Volumes.ts"
import * as ProcessRuntime from "../../src/layers/runtime/ProcessRuntime.ts"
import { ConductorApi, conductorTopic } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, guestTopic } from "../../src/services/GuestApi.ts"
import type { Provisioning } from "../../src/services/Provisioning.ts"
import * as ProvenFabric from "../kit/ProvenFabric.ts"
import { embeddedLayer, instance, postgresLogin } from "../layers/embeddedFixture.ts"

const notesOf = (adminPassword: Redacted.Redacted) => {
  let phase: Phase = "new"
  let order: Option.Option<Provisioning> = Option.none()
  return GuestNotes.of({
    release: Effect.succeed(firstRelease),
    keepRelease: () => Effect.void,
    overrides: Effect.succeed(noOverrides),
    keepOverrides: () => Effect.void,
    access: Effect.succeed([]),
    keepAccess: () => Effect.void,
    logs: Effect.succeed({}),
    keepLogs: () => Effect.void,
    phase: Effect.sync(() => phase),
    setPhase: (next) =>
      Effect.sync(() => {
        phase = next
      }),
    order: Effect.sync(() => order),
    keepOrder: (kept) =>
      Effect.sync(() => {
        order = Option.some(kept)
      }),
    stamp: Effect.succeed(0),
    reserveStamps: () => Effect.void,
    adminPassword: Effect.succeed(adminPassword)
  })
}

/** What the agent tells the conductor: statuses, each once in a row, and words. */
const witness = Effect.gen(function* () {
  const statuses: Array<string> = []
  const words: Array<string> = []
  yield* (yield* Fabric).serve(conductorTopic, ConductorApi, {
    heartbeat: ({ payload: { progress, service_status } }) =>
      Effect.sync(() => {
        if (statuses.at(-1) !== service_status) statuses.push(service_status)
        if (progress != null) words.push(progress)
      }),
    notify_exc_info: ({ message }) => Effect.sync(() => void words.push(message)),
    notify_end: () => Effect.void,
    report_root: () => Effect.void,
    update_backup: () => Effect.void,
    host_report: () => Effect.void
  })
  return { statuses, words }
})

it.live(
  "restarts, stops and starts its server: a client can log in when it answers, what was written is there, and it was no crash",
  () =>
    Effect.gen(function* () {
      const database = yield* instance("postgresql")
      const { address, instanceId, volume } = database
      const { statuses, words } = yield* witness
      yield* GuestAgent.start({
        room: { ...plainFolder("it is a test"), ready: Effect.void, size: Effect.succeed(1) },
        spec: {
          instanceId,
          manager: "postgresql",
          version: "any",
          image: "none",
          host: "local",
          agent: "coffer",
          address,
          memoryMb: 256,
          vcpus: 1,
          volumeSize: 1
        },
        volume,
        runtime: yield* DatabaseRuntime,
        manager: PostgresManager
      }).pipe(Effect.provideService(GuestNotes, notesOf(database.adminPassword)))
      const guest = (yield* Fabric).client(guestTopic(instanceId), GuestApi)
      const user = { name: "ann", password: Redacted.make("pw"), host: null, databases: [{ name: "shop" }] }
      yield* guest.prepare({
        packages: "",
        databases: [{ name: "shop" }],
        users: [user],
        memory_mb: 256,
        root_password: null,
        ds_version: "any",
        device_path: null,
        mount_point: null,
        config_contents: null
      })
      yield* Effect.suspend(() => (statuses.at(-1) === "healthy" ? Effect.void : Effect.fail("not yet"))).pipe(
        Effect.retry({ times: 600, schedule: Schedule.spaced("50 millis") })
      )
      const asAnn = { ...database, user: "ann", password: user.password, database: "shop" }
      const query = (sql: string) => Effect.scoped(Effect.flatMap(postgresLogin(asAnn), (client) => client.query(sql)))
      yield* query("CREATE TABLE orders (n int)")
      yield* query("INSERT INTO orders VALUES (7)")
      const pidOf = () => processOn(join(volume, "data"))
      const before = pidOf()
      yield* guest.restart({})
      expect(yield* query("SELECT n FROM orders")).toEqual([{ n: 7 }])
      expect(pidOf()).not.toBe(before)
      // What looks at the database every second looks again.
      yield* Effect.sleep("2 seconds")
      const [databases] = yield* guest.list_databases({ limit: null, marker: null, include_marker: false })
      expect(databases.map(({ name }) => name)).toEqual(["shop"])
      expect(statuses.slice(-3)).toEqual(["healthy", "restarting", "healthy"])
      yield* guest.stop_db({})
      expect([pidOf(), statuses.at(-1)]).toEqual([null, "shutdown"])
      yield* guest.stop_db({})
      // What looks at the database every second leaves it alone.
      yield* Effect.sleep("2 seconds")
      expect(pidOf()).toBeNull()
      yield* guest.restart({})
      expect(yield* query("SELECT n FROM orders")).toEqual([{ n: 7 }])
      expect(statuses.slice(-3)).toEqual(["shutdown", "restarting", "healthy"])
      expect(words.filter((text) => text.includes("crash"))).toEqual([])
      for (const done of ["restarted", "stopped", "started"]) expect(words).toContain(`the database was ${done}`)
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(ProcessRuntime.layer.pipe(Layer.provideMerge(embeddedLayer)), ProvenFabric.layer))
    ),
  60_000
)
