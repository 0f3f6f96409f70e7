/** What a guest host does with what it is told, and what is told to it: over the fabric, with a compute that is played. */
import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { HostFirewall } from "../../../src/guest/HostFirewall.ts"
import { MariadbManager } from "../../../src/guest/MariadbManager.ts"
import { PostgresManager } from "../../../src/guest/PostgresManager.ts"
import * as HostsCompute from "../../../src/layers/compute/HostsCompute.ts"
import * as HostsInventory from "../../../src/layers/compute/HostsInventory.ts"
import { HostFitness } from "../../../src/layers/embedded/HostFitness.ts"
import * as InProcessFabric from "../../../src/layers/fabric/InProcessFabric.ts"
import * as GuestHost from "../../../src/layers/guesthost/GuestHost.ts"
import * as MemoryOrders from "../../../src/layers/memory/MemoryOrders.ts"
import { Compute, ComputeError } from "../../../src/services/Compute.ts"
import { ConductorApi, conductorTopic } from "../../../src/services/ConductorApi.ts"
import { Fabric } from "../../../src/services/Fabric.ts"
import { GuestHostApi, guestHostTopic, inventoryPage } from "../../../src/services/GuestHostApi.ts"
import { hostReportInterval } from "../../../src/services/GuestHostDirectory.ts"
import { InstanceId } from "../../../src/services/Ids.ts"
import { type HeldServers, ServerInventory } from "../../../src/services/Inventories.ts"
import { guestLink, serverSpec } from "../../conformance/guestHosts.ts"
import { makeFakeFirewall } from "../../kit/FakeFirewall.ts"

const one = InstanceId.make("00000000-0000-4000-8000-000000000001")
const other = InstanceId.make("00000000-0000-4000-8000-000000000002")
const specOf = (id: InstanceId) => ({ ...serverSpec(id), host: "alpha" })

interface World {
  /** What the host alpha was made to do, in order. */
  readonly log: Array<string>
  /** What befalls it on the way. */
  readonly faults: {
    before: Effect.Effect<void, ComputeError>
    /** What keeps it from taking databases. */
    obstacle: string | null
    /** What it holds, and what keeps it from being seen. */
    held: Effect.Effect<HeldServers, ComputeError>
  }
  /** What was logged. */
  readonly told: ReadonlyArray<string>
  /** Of the taskmanager: it asks hosts over the fabric. */
  readonly compute: Compute["Service"]
  readonly fabric: Fabric["Service"]
  /** Of the taskmanager, too. */
  readonly inventories: ServerInventory["Service"]
}

const test = (behaviour: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(behaviour, () => {
    const told: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))
    return Effect.gen(function* () {
      const log: Array<string> = []
      const faults: World["faults"] = {
        before: Effect.void,
        obstacle: null,
        held: Effect.succeed({ covers: ["home"], servers: [] })
      }
      const noted = (line: string) =>
        Effect.suspend(() => {
          log.push(`${line} begins`)
          return Effect.map(faults.before, () => void log.push(`${line} ends`))
        })
      const played = Compute.of({
        portOf: () => 0,
        isFree: (host, address, port) => Effect.succeed(`${host} ${address} ${port}` === "alpha 10.1.0.1 5432"),
        ensure: (spec, link) =>
          noted(`ensure ${spec.instanceId.at(-1)} ${link === null ? "" : Redacted.value(link.key)}`.trim()),
        destroy: (id, host) => noted(`destroy ${id.at(-1)} ${host}`)
      })
      const fabric = Context.get(yield* Layer.build(InProcessFabric.layer), Fabric)
      const host = GuestHost.layer({ name: "alpha", addresses: "10.1.0.0/24", memoryMb: 1024 })
      const inventory = Layer.succeed(ServerInventory, { of: () => Effect.suspend(() => faults.held) })
      const firewall = makeFakeFirewall()
      const fitness = Layer.succeed(HostFitness, { obstacle: Effect.sync(() => faults.obstacle) })
      yield* Layer.build(
        host.pipe(
          Layer.provide([
            Layer.succeed(Compute, played),
            Layer.succeed(Fabric, fabric),
            Layer.succeed(HostFirewall, firewall),
            fitness,
            inventory
          ])
        )
      )
      const settings = { command: null, queues: "durable" } as const
      const asking = Layer.merge(HostsCompute.layer(settings), HostsInventory.layer(settings))
      const built = yield* Layer.build(asking.pipe(Layer.provide([Layer.succeed(Fabric, fabric), MemoryOrders.layer])))
      const [compute, inventories] = [Context.get(built, Compute), Context.get(built, ServerInventory)]
      yield* body({ log, faults, told, compute, fabric, inventories })
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })

test("makes and removes servers where it is told to, with the guest's own link", ({ compute, log }) =>
  Effect.gen(function* () {
    yield* compute.ensure(specOf(one), guestLink("its key"))
    yield* compute.ensure(specOf(other), null)
    yield* compute.destroy(one, "alpha")
    assert.deepEqual(
      log.filter((line) => line.endsWith("ends")),
      ["ensure 1 its key ends", "ensure 2 ends", "destroy 1 alpha ends"]
    )
  }))

test("says for itself whether an address is free", ({ compute }) =>
  Effect.gen(function* () {
    assert.isTrue(yield* compute.isFree("alpha", "10.1.0.1", 5432))
    assert.isFalse(yield* compute.isFree("alpha", "10.1.0.2", 5432))
  }))

test("is heard when it fails, in its own words", ({ compute, faults }) =>
  Effect.gen(function* () {
    const failure = new ComputeError({ message: "The disk is full.", detail: "ENOSPC", transient: true })
    faults.before = Effect.fail(failure)
    assert.deepEqual(yield* Effect.flip(compute.ensure(specOf(one), null)), failure)
    assert.deepEqual(yield* Effect.flip(compute.destroy(one, "alpha")), failure)
  }))

test("is asked again later when it cannot be reached, whatever it was asked", ({ compute }) =>
  Effect.gen(function* () {
    for (const asked of [
      compute.ensure({ ...specOf(one), host: "beta" }, null),
      compute.destroy(one, "beta"),
      compute.isFree("beta", "10.1.0.1", 5432)
    ]) {
      const error = yield* Effect.flip(asked)
      assert.strictEqual(error.message, "The machine of the database cannot be reached.")
      assert.include(error.detail, "guesthost.beta")
      assert.isTrue(error.transient)
    }
  }))

test("is not waited for longer than the step that asks can wait", ({ compute, faults }) =>
  Effect.gen(function* () {
    faults.before = Effect.never
    const asking = yield* Effect.forkChild(Effect.flip(compute.ensure(specOf(one), null)))
    yield* TestClock.adjust("110 seconds")
    assert.include((yield* Fiber.join(asking)).detail, "Timeout")
  }))

test("removes a server only when what makes it has ended, and others meanwhile", ({ compute, faults, log }) =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const reached = yield* Deferred.make<void>()
    faults.before = Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(gate))
    const making = yield* Effect.forkChild(compute.ensure(specOf(one), null))
    yield* Deferred.await(reached)
    faults.before = Effect.void
    const removing = yield* Effect.forkChild(compute.destroy(one, "alpha"))
    yield* compute.ensure(specOf(other), null)
    assert.deepEqual(log, ["ensure 1 begins", "ensure 2 begins", "ensure 2 ends"])
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.all([Fiber.join(making), Fiber.join(removing)])
    assert.deepEqual(log.slice(3), ["ensure 1 ends", "destroy 1 alpha begins", "destroy 1 alpha ends"])
  }))

test("makes no server that is another host's, and none without an instance", ({ fabric, log }) =>
  Effect.gen(function* () {
    const host = fabric.client(guestHostTopic("alpha"), GuestHostApi)
    for (const asked of [
      host.ensure({ spec: { ...specOf(one), host: "beta" }, link: null }),
      host.ensure({ spec: { ...specOf(one), instanceId: "../../etc" }, link: null }),
      host.destroy({ instance_id: "../../etc" })
    ]) {
      const error = yield* Effect.flip(asked)
      assert.strictEqual(error._tag, "ComputeError")
    }
    assert.deepEqual(log, [])
  }))

test("reports itself only while it can take databases, and tells once why it cannot", ({ fabric, faults, told }) =>
  Effect.gen(function* () {
    const reports: Array<number> = []
    yield* fabric.serve(conductorTopic, ConductorApi, {
      host_report: ({ memory_mb, name, sent }) =>
        Effect.sync(() => {
          assert.deepEqual([name, memory_mb], ["alpha", 1024])
          reports.push(sent)
        }),
      heartbeat: () => Effect.void,
      notify_exc_info: () => Effect.void,
      notify_end: () => Effect.void,
      report_root: () => Effect.void,
      update_backup: () => Effect.void
    })
    const afterwards = TestClock.adjust(hostReportInterval)
    yield* afterwards
    const before = reports.length
    assert.isAbove(before, 0)
    faults.obstacle = "the container engine does not answer"
    yield* afterwards
    yield* afterwards
    assert.strictEqual(reports.length, before)
    faults.obstacle = null
    yield* afterwards
    yield* afterwards
    assert.strictEqual(reports.length, before + 2)
    assert.deepEqual(told, [
      "Error this machine can take no database now, and asks for none: the container engine does not answer",
      "Info this machine can take databases again"
    ])
  }))

test("tells what it holds a page at a time, as often as it takes, and what it could not look at", ({
  faults,
  inventories
}) =>
  Effect.gen(function* () {
    const held: HeldServers = {
      covers: ["home", "process"],
      servers: Array.from({ length: 2 * inventoryPage + 1 }, (_, n) => ({
        instance: InstanceId.make(`00000000-0000-4000-8000-${String(n).padStart(12, "0")}`),
        parts: n % 2 === 0 ? ["home"] : ["home", "process"],
        since: n % 3 === 0 ? null : n
      }))
    }
    for (const length of [0, 1, inventoryPage, inventoryPage + 1, 2 * inventoryPage, 2 * inventoryPage + 1]) {
      const some = { ...held, servers: held.servers.slice(0, length) }
      faults.held = Effect.succeed(some)
      assert.deepEqual(yield* inventories.of("alpha"), some)
    }
    const failure = new ComputeError({ message: "It cannot be seen.", detail: "EACCES", transient: true })
    faults.held = Effect.fail(failure)
    assert.deepEqual(yield* Effect.flip(inventories.of("alpha")), failure)
    for (const [host, said] of [
      ["beta", "cannot be reached"],
      ["command", "Nobody can tell what was made"]
    ] as const) {
      assert.include((yield* Effect.flip(inventories.of(host))).message, said)
    }
  }))

test("leaves servers of Trove's agents to the operator's program", ({ compute, log }) =>
  Effect.gen(function* () {
    const spec = { ...specOf(one), host: "command", agent: "trove" as const }
    for (const asked of [compute.ensure(spec, guestLink("key")), compute.destroy(one, "command")]) {
      const error = yield* Effect.flip(asked)
      assert.strictEqual(error.detail, "there is no compute_command")
      assert.isFalse(error.transient)
    }
    assert.isTrue(yield* compute.isFree("command", "10.9.0.1", 5432))
    assert.deepEqual(log, [])
  }))

test("knows the ports that the agents' managers listen on", ({ compute }) =>
  Effect.sync(() => {
    for (const { datastores, port } of [PostgresManager, MariadbManager]) {
      for (const datastore of datastores) assert.strictEqual(compute.portOf(datastore), port)
    }
  }))

test("carries out no order that comes after a newer one for the same server", ({ fabric, log }) =>
  Effect.gen(function* () {
    const host = fabric.client(guestHostTopic("alpha"), GuestHostApi)
    yield* host.ensure({ spec: specOf(one), link: null, order: 5 })
    yield* host.destroy({ instance_id: one, order: 7 })
    const error = yield* Effect.flip(host.ensure({ spec: specOf(one), link: null, order: 6 }))
    assert.strictEqual(error.message, "The machine of the database was asked something newer meanwhile.")
    // Again the newest, as the broker may bring it; another server; and a taskmanager that knows of no numbers.
    yield* host.destroy({ instance_id: one, order: 7 })
    yield* host.ensure({ spec: specOf(other), link: null, order: 6 })
    yield* host.ensure({ spec: specOf(other), link: null })
    assert.deepEqual(
      log.filter((line) => line.endsWith("ends")),
      ["ensure 1 ends", "destroy 1 alpha ends", "destroy 1 alpha ends", "ensure 2 ends", "ensure 2 ends"]
    )
  }))

test("carries out no order that a newer one has overtaken while it waited", ({ compute, fabric, faults, log }) =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    faults.before = Deferred.await(gate)
    const host = fabric.client(guestHostTopic("alpha"), GuestHostApi)
    const first = yield* Effect.forkChild(compute.ensure(specOf(one), null), { startImmediately: true })
    yield* Effect.repeat(Effect.yieldNow, { until: () => log.length === 1 })
    const second = yield* Effect.forkChild(Effect.flip(host.ensure({ spec: specOf(one), link: null, order: 2 })), {
      startImmediately: true
    })
    const third = yield* Effect.forkChild(host.destroy({ instance_id: one, order: 3 }), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(first)
    yield* Fiber.join(third)
    assert.include((yield* Fiber.join(second)).message, "newer")
    assert.deepEqual(log, ["ensure 1 begins", "ensure 1 ends", "destroy 1 alpha begins", "destroy 1 alpha ends"])
  }))
