/** Compute on this machine, over fake databases in virtual time: which agents run, and what stops none of the others. */

import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { GuestHosts, GuestHostsError } from "../../src/layers/embedded/GuestHosts.ts"
import * as Host from "../../src/layers/embedded/Host.ts"
import * as LocalCompute from "../../src/layers/embedded/LocalCompute.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import { Compute } from "../../src/services/Compute.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, guestTopic } from "../../src/services/GuestApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { serverSpec } from "../conformance/guestHosts.ts"
import { FakeDatabases, layer as fakeDatabases } from "../kit/FakeDatabases.ts"

const one = InstanceId.make("00000000-0000-4000-8000-000000000001")
const other = InstanceId.make("00000000-0000-4000-8000-000000000002")

/** What goes wrong. Change it in the middle of a test. */
const makeFaults = () => ({
  engineAnswers: true,
  irremovable: false,
  /** Instances whose notes cannot be read. */
  damaged: new Set<string>()
})
type Faults = ReturnType<typeof makeFaults>

const faultyHosts = (faults: Faults) =>
  Layer.effect(
    GuestHosts,
    Effect.map(GuestHosts, (hosts) => {
      const damageable = (home: Effect.Success<ReturnType<typeof hosts.ensure>>) => ({
        ...home,
        notes: {
          ...home.notes,
          phase: Effect.suspend(() =>
            faults.damaged.has(home.spec.instanceId) ? Effect.die("notes.json is damaged") : home.notes.phase
          )
        }
      })
      return GuestHosts.of({
        list: Effect.map(hosts.list, (homes) => homes.map(damageable)),
        find: (id) => Effect.map(hosts.find(id), Option.map(damageable)),
        ensure: (spec, runtime) => Effect.map(hosts.ensure(spec, runtime), damageable),
        remove: (id) =>
          faults.irremovable
            ? Effect.fail(new GuestHostsError({ detail: "EACCES: permission denied, rmdir '/x'" }))
            : hosts.remove(id)
      })
    })
  ).pipe(Layer.provide(MemoryGuestHosts.layer))

const runtimes = (faults: Faults) =>
  Layer.effect(
    LocalCompute.LocalRuntimes,
    Effect.map(FakeDatabases, ({ manager, runtime }) => ({
      byKind: () => (faults.engineAnswers ? runtime : undefined),
      choose: () => "docker" as const,
      managers: [manager]
    }))
  )

interface World {
  readonly faults: Faults
  readonly hosts: GuestHosts["Service"]
  /** Starts compute over the homes that are there. */
  readonly start: Effect.Effect<Compute["Service"], never, Scope.Scope>
  readonly hasAgent: (id: InstanceId) => Effect.Effect<boolean>
}

const test = (behaviour: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(behaviour, () => {
    const faults = makeFaults()
    const surroundings = Layer.mergeAll(faultyHosts(faults), runtimes(faults), InProcessFabric.layer).pipe(
      Layer.provide(fakeDatabases)
    )
    return Effect.gen(function* () {
      const context = yield* Effect.context<GuestHosts | LocalCompute.LocalRuntimes | Fabric>()
      const fabric = yield* Fabric
      yield* body({
        faults,
        hosts: yield* GuestHosts,
        start: Layer.build(LocalCompute.layer).pipe(
          Effect.map((built) => Context.get(built, Compute)),
          Effect.provideContext(context)
        ),
        hasAgent: (id) => Effect.orElseSucceed(fabric.client(guestTopic(id), GuestApi).rpc_ping({}), () => false)
      })
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  })

test("starts the agents that it could not start as soon as their runtime answers", ({
  faults,
  hasAgent,
  hosts,
  start
}) =>
  Effect.gen(function* () {
    yield* hosts.ensure(serverSpec(one), "docker")
    faults.engineAnswers = false
    yield* start
    assert.isFalse(yield* hasAgent(one))
    yield* TestClock.adjust("12 seconds")
    assert.isFalse(yield* hasAgent(one))
    faults.engineAnswers = true
    yield* TestClock.adjust(LocalCompute.tryAgainInterval)
    assert.isTrue(yield* hasAgent(one))
  }))

test("starts the others when the notes of one are damaged, and that one when they are mended", (world) =>
  Effect.gen(function* () {
    const { faults, hasAgent, hosts, start } = world
    yield* hosts.ensure(serverSpec(one), "docker")
    yield* hosts.ensure(serverSpec(other), "docker")
    faults.damaged.add(one)
    yield* start
    assert.deepEqual([yield* hasAgent(one), yield* hasAgent(other)], [false, true])
    faults.damaged.clear()
    yield* TestClock.adjust(LocalCompute.tryAgainInterval)
    assert.isTrue(yield* hasAgent(one))
  }))

test("does not count an agent as started that failed to start: an ensure says so, and the next one starts it", (world) =>
  Effect.gen(function* () {
    const { faults, hasAgent, start } = world
    const compute = yield* start
    faults.damaged.add(one)
    const error = yield* Effect.flip(compute.ensure(serverSpec(one)))
    assert.strictEqual(error.message, "The guest of the instance could not be started.")
    assert.include(error.detail, "notes.json")
    assert.isTrue(error.transient)
    faults.damaged.clear()
    yield* compute.ensure(serverSpec(one))
    assert.isTrue(yield* hasAgent(one))
  }))

test("starts no agent for a home that was removed meanwhile", ({ faults, hasAgent, hosts, start }) =>
  Effect.gen(function* () {
    yield* hosts.ensure(serverSpec(one), "docker")
    faults.damaged.add(one)
    const compute = yield* start
    yield* compute.destroy(one)
    faults.damaged.clear()
    yield* TestClock.adjust("1 minute")
    assert.isFalse(yield* hasAgent(one))
  }))

test("fails for now when a home cannot be removed, and removes it when it can", ({ faults, hosts, start }) =>
  Effect.gen(function* () {
    const compute = yield* start
    yield* compute.ensure(serverSpec(one))
    faults.irremovable = true
    const error = yield* Effect.flip(compute.destroy(one))
    assert.strictEqual(error.message, "The storage of the instance could not be removed.")
    assert.include(error.detail, "EACCES")
    assert.isTrue(error.transient)
    faults.irremovable = false
    yield* compute.destroy(one)
    assert.isTrue(Option.isNone(yield* hosts.find(one)))
  }))

/** An engine that is played, at a socket: no more than what it takes to be found. */
const engineAt = (socket: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((_, response) => response.end(JSON.stringify({ Version: "1", NCPU: 1 })))
      server.listen(socket, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

it.effect(
  "finds the container engine when it comes up later, and new databases go on as was decided at the start",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-engine-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const socket = join(folder, "engine.sock")
      const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ DOCKER_HOST: `unix://${socket}` }))
      const noPrograms = Layer.succeed(PostgresBinaries, { initdb: "", postgres: "", owner: null })
      const found = { host: { runtime: "process", mariadb: Option.none() }, engine: Option.none() } as const
      const built = yield* Layer.build(Host.layer(found).pipe(Layer.provide([noPrograms, settings])))
      const { byKind, choose } = Context.get(built, LocalCompute.LocalRuntimes)
      assert.isUndefined(byKind("docker"))
      yield* engineAt(socket)
      yield* TestClock.adjust(Host.lookAgainInterval)
      const runtime = yield* Effect.repeat(
        Effect.sync(() => byKind("docker")),
        { until: (runtime) => runtime !== undefined }
      )
      assert.strictEqual(runtime?.kind, "docker")
      assert.strictEqual(choose("postgresql"), "process")
    }).pipe(Effect.scoped)
)
