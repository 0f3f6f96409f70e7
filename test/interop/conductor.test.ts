/** Our guest agent under Trove's own control plane: asked by Trove's client, heard by Trove's conductor, encrypted. */
import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import * as GuestAgent from "../../src/guest/GuestAgent.ts"
import { GuestNotes } from "../../src/guest/GuestNotes.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import { GuestLinks } from "../../src/layers/embedded/GuestLinks.ts"
import * as RabbitGuestLinks from "../../src/layers/guesthost/RabbitGuestLinks.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import type { GuestLink } from "../../src/services/GuestAccess.ts"
import * as FakeDatabases from "../kit/FakeDatabases.ts"
import { broker, missingBroker } from "../support/rabbitmq.ts"
import { conductor, missingConductor } from "./trove/conductor.ts"
import { guestApi } from "./trove/guestApi.ts"

const missing = missingBroker ?? missingConductor
const key = "0123456789abcdefghijABCDEFGHIJ01"

const order = {
  packages: "",
  memory_mb: 512,
  databases: [{ _name: "shop" }],
  users: [{ _name: "ann", _password: "secret-1", _host: "%", _databases: [{ _name: "shop" }] }],
  device_path: "/dev/vdb",
  mount_point: "/var/lib/postgresql",
  config_contents: "",
  root_password: null,
  ds_version: "18"
}

/** Our agent, as Trove's control plane would have made one; and that control plane's conductor. */
const world = Effect.gen(function* () {
  const { transportUrl, url } = yield* broker({ management: false })
  const trove = yield* conductor({ transportUrl, options: { amqp_durable_queues: "true" } })
  const instanceId = randomUUID()
  yield* trove.addInstance(instanceId, key)
  const link: GuestLink = {
    urls: [Redacted.make(url)],
    controlExchange: "trove",
    declares: true,
    protocol: "trove",
    key: Redacted.make(key)
  }
  const databases = yield* FakeDatabases.FakeDatabases
  const spec = {
    instanceId,
    manager: "postgresql",
    agent: "coffer",
    host: "local",
    version: "18",
    image: "postgres:18",
    address: "127.80.0.1",
    memoryMb: 512,
    vcpus: 1,
    volumeSize: 1
  } as const
  const home = yield* (yield* GuestHosts).ensure(spec, link, "process")
  const fabric = yield* (yield* GuestLinks).open(link, instanceId, home.replayFloor)
  yield* GuestAgent.start({
    ...home,
    room: { ...home.disk, ready: Effect.void },
    runtime: databases.runtime,
    manager: databases.manager
  }).pipe(Effect.provideService(Fabric, fabric), Effect.provideService(GuestNotes, home.notes))
  const becomes = (...words: ReadonlyArray<string>) =>
    Effect.repeat(trove.status(instanceId), {
      schedule: Schedule.spaced("200 millis"),
      until: (status) => words.includes(status?.status_description ?? "")
    }).pipe(Effect.timeout("30 seconds"))
  return { trove, databases, instanceId, becomes, guest: guestApi(trove.configuration, instanceId) }
}).pipe(
  Effect.provide(
    Layer.mergeAll(FakeDatabases.layer, MemoryGuestHosts.layer, RabbitGuestLinks.layer({ queues: "durable", tls: {} }))
  )
)

describe.skipIf(missing !== null)(
  `our guest agent under Trove's conductor${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: 120_000 },
  () => {
    it.live("prepares what Trove's client orders, and its heartbeats stand in Trove's database", () =>
      Effect.gen(function* () {
        const { becomes, databases, guest, instanceId, trove } = yield* world
        assert.strictEqual(yield* guest("rpc_ping", {}), true)
        yield* guest("prepare", order)
        const status = yield* becomes("healthy", "failed to spawn")
        assert.deepInclude(status, { status_id: 0x21, status_description: "healthy" })
        const [seen] = yield* trove.lastSeen(instanceId)
        assert.strictEqual(seen?.method_name, "heartbeat")
        assert.closeTo(seen?.sent ?? 0, Date.now() / 1000, 120)
        assert.strictEqual(databases.initialised(instanceId), 1)

        const [found] = yield* guest("list_databases", {}).pipe(
          Effect.map((answer) => answer as ReadonlyArray<unknown>)
        )
        assert.include(JSON.stringify(found), '"_name":"shop"')
        assert.isNull(yield* guest("create_database", { databases: [{ _name: "more" }] }))
        yield* guest("restart", {})
        yield* becomes("healthy")

        databases.crash(instanceId)
        yield* becomes("crashed")
        yield* becomes("healthy")
      }).pipe(Effect.scoped)
    )

    it.live("tells Trove's conductor why an order failed", () =>
      Effect.gen(function* () {
        const { becomes, databases, guest, instanceId, trove } = yield* world
        databases.faults.startFails = new RuntimeError({ message: "There is no room.", detail: "", transient: false })
        yield* guest("prepare", order)
        yield* becomes("failed to spawn")
        const fault = yield* trove
          .fault(instanceId)
          .pipe(Effect.repeat({ schedule: Schedule.spaced("200 millis"), until: (fault) => fault !== null, times: 25 }))
        assert.deepInclude(fault, { message: "There is no room." })
      }).pipe(Effect.scoped)
    )
  }
)
