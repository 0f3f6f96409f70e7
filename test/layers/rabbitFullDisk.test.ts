/** A guest over RabbitMQ whose disk is full: whoever asks it is told so, what it is told waits, and nothing is done. */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Option, Redacted, Ref, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import * as HostsCompute from "../../src/layers/compute/HostsCompute.ts"
import * as RabbitFabric from "../../src/layers/fabric/RabbitFabric.ts"
import * as ControlPlaneProtections from "../../src/layers/fabric/secure/ControlPlaneProtections.ts"
import * as GuestProtections from "../../src/layers/fabric/secure/GuestProtections.ts"
import { Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import type { Protections } from "../../src/layers/fabric/secure/Protection.ts"
import * as MemoryOrders from "../../src/layers/memory/MemoryOrders.ts"
import { Compute } from "../../src/services/Compute.ts"
import { call, cast } from "../../src/services/Contract.ts"
import { DiskError, type DiskTrouble } from "../../src/services/Disk.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { guestTopic } from "../../src/services/GuestApi.ts"
import { GuestHostApi, guestHostTopic } from "../../src/services/GuestHostApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { serverSpec } from "../conformance/guestHosts.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { eventually } from "./rabbitFixture.ts"

const kek = Redacted.make(new Uint8Array(32).map((_, n) => n * 5 + 1))
const key = (seed: number) => Redacted.make(Buffer.alloc(32, seed).toString("hex"))

const Clerk = RpcGroup.make(
  cast("file", { n: Schema.Int }),
  call("copy", { text: Schema.String }, { success: Schema.String, timeout: "2 seconds" })
)

const keyring = (seed: number) =>
  Layer.mock(Keyring, { find: () => Effect.succeed(Option.some({ key: key(seed), protocol: "coffer" as const })) })

const fabric = (server: string, protections: Layer.Layer<Protections>) =>
  Effect.gen(function* () {
    const { url } = yield* TestBroker
    const rabbit = RabbitFabric.layer({
      urls: [Redacted.make(url)],
      tls: {},
      names: { exchange: "trove", queues: "durable" },
      server,
      prefetch: 16,
      restricted: false
    }).pipe(Layer.provide(protections))
    return Context.get(yield* Layer.build(rabbit), Fabric)
  })

const controlPlane = (seed: number) => Layer.provide(ControlPlaneProtections.layer(kek), keyring(seed))

let guests = 0

/** A disk that takes nothing while it has a trouble, and what keeps there how much was heard. */
const makeDisk = () => {
  const disk: { trouble: DiskTrouble | null; tries: number } = { trouble: null, tries: 0 }
  const write = Effect.suspend(() => {
    disk.tries++
    const { trouble } = disk
    return trouble === null ? Effect.void : new DiskError({ trouble, detail: "/srv/a/replay: ENOSPC" })
  })
  return { disk, floor: { read: Effect.succeed(0n), write: () => write } }
}

/** A guest, and the control plane that asks it. */
const setting = Effect.gen(function* () {
  const id = InstanceId.make(`00000000-0000-4000-8000-${String(++guests).padStart(12, "0")}`)
  const { disk, floor } = makeDisk()
  const done = yield* Ref.make<ReadonlyArray<string>>([])
  const guest = yield* fabric(id, GuestProtections.guest(id, { key: key(1), protocol: "coffer" }, floor))
  const does = (what: string) => Ref.update(done, (all) => [...all, what])
  yield* guest.serve(guestTopic(id), Clerk, {
    file: ({ n }) => does(`filed ${n}`),
    copy: ({ text }) => Effect.as(does(`copied ${text}`), text)
  })
  const asked = (yield* fabric("taskmanager", controlPlane(1))).client(guestTopic(id), Clerk)
  return { id, disk, done: Ref.get(done), asked }
})

const told: Array<string> = []
const log = Logger.layer([Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))])
const toldOf = (id: string) => told.filter((line) => line.includes(id))

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`a full disk behind RabbitMQ${skipped}`, { timeout: 60_000 }, () => {
  layer(Layer.merge(TestBroker.layer(), log), { excludeTestServices: true, timeout: 60_000 })((it) => {
    for (const trouble of ["DiskFull", "DiskFailing"] as const) {
      it.effect(`is told to whoever calls, as ${trouble}, with the path; it is done when asked for again`, () =>
        Effect.gen(function* () {
          const { asked, disk, done } = yield* setting
          disk.trouble = trouble
          const error = yield* Effect.flip(asked.copy({ text: "one" }))
          assert.deepInclude(error, { _tag: "FabricError", reason: trouble, detail: "/srv/a/replay: ENOSPC" })
          assert.deepEqual(yield* done, [])
          disk.trouble = null
          assert.strictEqual(yield* asked.copy({ text: "two" }), "two")
          assert.deepEqual(yield* done, ["copied two"])
        })
      )
    }

    it.effect("of a guest host is told to whoever asks for a server, and done when asked for again", () =>
      Effect.gen(function* () {
        const { disk, floor } = makeDisk()
        const key = ControlPlaneProtections.hostKey(kek, "alpha")
        const host = yield* fabric("alpha", GuestProtections.host("alpha", key, floor))
        const done = yield* Ref.make(0)
        const does = () => Ref.update(done, (n) => n + 1)
        yield* host.serve(guestHostTopic("alpha"), GuestHostApi, {
          ensure: does,
          destroy: does,
          is_free: () => Effect.succeed(true),
          inventory: () => Effect.succeed({ covers: [], servers: [], more: false })
        })
        const taskmanager = Layer.succeed(Fabric, yield* fabric("taskmanager", controlPlane(1)))
        const layer = HostsCompute.layer({ command: null, queues: "durable" }).pipe(
          Layer.provide([taskmanager, MemoryOrders.layer])
        )
        const compute = Context.get(yield* Layer.build(layer), Compute)
        const id = InstanceId.make("00000000-0000-4000-8000-0000000000ff")
        const asked = [compute.ensure({ ...serverSpec(id), host: "alpha" }, null), compute.destroy(id, "alpha")]
        disk.trouble = "DiskFull"
        for (const each of asked) {
          const error = yield* Effect.flip(each)
          assert.strictEqual(error.message, "The disk of the database's machine is full.")
          assert.include(error.detail, "/srv/a/replay: ENOSPC")
          assert.isTrue(error.transient)
        }
        assert.strictEqual(yield* Ref.get(done), 0)
        disk.trouble = null
        for (const each of asked) yield* each
        assert.strictEqual(yield* Ref.get(done), 2)
      })
    )

    it.effect("is told to nobody who does not have the guest's key", () =>
      Effect.gen(function* () {
        const { disk, done, id } = yield* setting
        const stranger = (yield* fabric("stranger", controlPlane(2))).client(guestTopic(id), Clerk)
        disk.trouble = "DiskFull"
        const error = yield* Effect.flip(stranger.copy({ text: "one" }))
        assert.deepInclude(error, { reason: "Timeout", detail: "" })
        assert.deepEqual([yield* done, disk.tries], [[], 0])
      })
    )

    it.effect("lets what it is told wait, in no hot loop, and the log says it once; then all is taken once", () =>
      Effect.gen(function* () {
        const { asked, disk, done, id } = yield* setting
        disk.trouble = "DiskFull"
        for (const n of [1, 2, 3]) yield* asked.file({ n })
        const from = Date.now()
        yield* eventually(
          "it was tried four times",
          Effect.sync(() => disk.tries >= 4)
        )
        assert.isAtLeast(Date.now() - from, 2_500)
        yield* Effect.flip(asked.copy({ text: "one" }))
        assert.deepEqual(yield* done, [])
        assert.lengthOf(toldOf(id), 1)
        assert.match(
          toldOf(id)[0] ?? "",
          /^Error The disk of the database's machine is full\. .*nothing is taken that is sent to.*ENOSPC/
        )
        disk.trouble = null
        yield* eventually(
          "all three are filed",
          Effect.map(done, (all) => all.length === 3)
        )
        assert.sameMembers([...(yield* done)], ["filed 1", "filed 2", "filed 3"])
        assert.lengthOf(toldOf(id), 2)
        assert.match(toldOf(id)[1] ?? "", /^Info The disk can be written to again/)
      })
    )
  })
})
