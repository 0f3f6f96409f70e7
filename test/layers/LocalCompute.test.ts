/** Compute on this machine, over fake databases in virtual time: which agents run, and what stops none of the others. */

import { createServer as createListener } from "node:net"
import { assert, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { GuestHosts, GuestHostsError } from "../../src/layers/embedded/GuestHosts.ts"
import { GuestLinkError, GuestLinks } from "../../src/layers/embedded/GuestLinks.ts"
import * as LocalCompute from "../../src/layers/embedded/LocalCompute.ts"
import { LocalRuntimes } from "../../src/layers/embedded/LocalRuntimes.ts"
import { VolumeError } from "../../src/layers/embedded/Volumes.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import { Compute } from "../../src/services/Compute.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, guestTopic } from "../../src/services/GuestApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { guestLink, serverSpec } from "../conformance/guestHosts.ts"
import { FakeDatabases, layer as fakeDatabases } from "../kit/FakeDatabases.ts"

const one = InstanceId.make("00000000-0000-4000-8000-000000000001")
const other = InstanceId.make("00000000-0000-4000-8000-000000000002")

/** What goes wrong. Change it in the middle of a test. */
const makeFaults = () => ({
  engineAnswers: true,
  irremovable: false,
  /** No guest has a way into the fabric. */
  unlinked: false,
  /** Instances whose notes cannot be read. */
  damaged: new Set<string>(),
  /** How long a guest waits until it can be heard, as for a broker that is away. */
  hearing: Duration.zero,
  /** What a guest goes through on its way into the fabric. */
  entering: (_instance: string): Effect.Effect<void> => Effect.void,
  /** What happens before a home is removed. */
  removing: Effect.void,
  /** Volumes grow only while nobody works in them. */
  growsStopped: false,
  /** No volume can be mounted. */
  unmountable: false,
  /** What was done to volumes. */
  volumes: [] as string[]
})
type Faults = ReturnType<typeof makeFaults>

const faultyHosts = (faults: Faults) =>
  Layer.effect(
    GuestHosts,
    Effect.map(GuestHosts, (hosts) => {
      const damageable = (home: Effect.Success<ReturnType<typeof hosts.ensure>>) => ({
        ...home,
        disk: {
          ...home.disk,
          mount: Effect.suspend(() =>
            faults.unmountable ? Effect.fail(new VolumeError({ detail: "no loop device" })) : home.disk.mount
          ),
          grow: (size: number) =>
            Effect.suspend(() => {
              faults.volumes.push(`grow to ${size}`)
              return faults.growsStopped ? Effect.succeed(false) : home.disk.grow(size)
            }),
          growStopped: (size: number) =>
            Effect.suspend(() => {
              faults.volumes.push(`grow to ${size}, stopped`)
              return home.disk.growStopped(size)
            })
        },
        notes: {
          ...home.notes,
          phase: Effect.suspend(() =>
            faults.damaged.has(home.spec.instanceId) ? Effect.die("notes.json is damaged") : home.notes.phase
          )
        }
      })
      return GuestHosts.of({
        ...hosts,
        list: Effect.map(hosts.list, (homes) => homes.map(damageable)),
        find: (id) => Effect.map(hosts.find(id), Option.map(damageable)),
        ensure: (spec, link, runtime) => Effect.map(hosts.ensure(spec, link, runtime), damageable),
        remove: (id) =>
          faults.irremovable
            ? Effect.fail(new GuestHostsError({ detail: "EACCES: permission denied, rmdir '/x'" }))
            : Effect.andThen(
                Effect.suspend(() => faults.removing),
                hosts.remove(id)
              )
      })
    })
  ).pipe(Layer.provide(MemoryGuestHosts.layer))

/** The ways into the fabric that guests have now: their keys, by instance. */
const recordedLinks = (open: Map<string, string | null>, faults: Faults) =>
  Layer.effect(
    GuestLinks,
    Effect.map(Fabric, (fabric) =>
      GuestLinks.of({
        open: (link, instanceId, floor) =>
          Effect.gen(function* () {
            yield* faults.entering(instanceId)
            if (faults.unlinked) return yield* new GuestLinkError({ detail: "no broker" })
            yield* Effect.orDie(floor.write((yield* floor.read) + 1n))
            open.set(instanceId, link === null ? null : Redacted.value(link.key))
            yield* Effect.addFinalizer(() => Effect.sync(() => open.delete(instanceId)))
            return Fabric.of({
              ...fabric,
              serve: (topic, contract, handlers, options) =>
                Effect.delay(fabric.serve(topic, contract, handlers, options), faults.hearing)
            })
          })
      })
    )
  )

const runtimes = (faults: Faults) =>
  Layer.effect(
    LocalRuntimes,
    Effect.map(FakeDatabases, ({ manager, runtime }) => ({
      byKind: () => (faults.engineAnswers ? runtime : undefined),
      choose: () => "docker" as const,
      managers: [manager],
      obstacle: Effect.succeed(null)
    }))
  )

interface World {
  readonly faults: Faults
  readonly hosts: GuestHosts["Service"]
  readonly databases: FakeDatabases["Service"]
  /** Starts compute over the homes that are there. */
  readonly start: Effect.Effect<Compute["Service"], never, Scope.Scope>
  readonly hasAgent: (id: InstanceId) => Effect.Effect<boolean>
  /** The key with which each guest has come into the fabric. */
  readonly links: ReadonlyMap<string, string | null>
}

const test = (behaviour: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(behaviour, () => {
    const faults = makeFaults()
    const links = new Map<string, string | null>()
    const surroundings = Layer.mergeAll(faultyHosts(faults), runtimes(faults), recordedLinks(links, faults)).pipe(
      Layer.provideMerge(InProcessFabric.layer),
      Layer.provideMerge(fakeDatabases)
    )
    return Effect.gen(function* () {
      // Without the scope of the test: each start has one of its own.
      const context = Context.pick(
        GuestHosts,
        LocalRuntimes,
        GuestLinks
      )(yield* Effect.context<GuestHosts | LocalRuntimes | GuestLinks>())
      const fabric = yield* Fabric
      yield* body({
        faults,
        hosts: yield* GuestHosts,
        databases: yield* FakeDatabases,
        links,
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
    yield* hosts.ensure(serverSpec(one), null, "docker")
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
    yield* hosts.ensure(serverSpec(one), null, "docker")
    yield* hosts.ensure(serverSpec(other), null, "docker")
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
    const error = yield* Effect.flip(compute.ensure(serverSpec(one), null))
    assert.strictEqual(error.message, "The guest of the instance could not be started.")
    assert.include(error.detail, "notes.json")
    assert.isTrue(error.transient)
    faults.damaged.clear()
    yield* compute.ensure(serverSpec(one), null)
    assert.isTrue(yield* hasAgent(one))
  }))

test("starts nothing in a folder where the volume is not, and does when it is", ({ faults, hasAgent, hosts, start }) =>
  Effect.gen(function* () {
    yield* hosts.ensure(serverSpec(one), null, "docker")
    faults.unmountable = true
    const compute = yield* start
    assert.isFalse(yield* hasAgent(one))
    const error = yield* Effect.flip(compute.ensure(serverSpec(one), null))
    assert.deepEqual([error.message, error.detail], ["The volume of the database cannot be used.", "no loop device"])
    assert.isTrue(error.transient)
    faults.unmountable = false
    yield* TestClock.adjust(LocalCompute.tryAgainInterval)
    assert.isTrue(yield* hasAgent(one))
  }))

test("has a volume grow that is ordered larger, under its server, and never shrink", (world) =>
  Effect.gen(function* () {
    const { faults, hasAgent, hosts, start } = world
    const compute = yield* start
    for (const volumeSize of [1, 3, 3, 2]) yield* compute.ensure({ ...serverSpec(one), volumeSize }, null)
    assert.deepEqual(faults.volumes, ["grow to 3"])
    assert.strictEqual(Option.getOrThrow(yield* hosts.find(one)).spec.volumeSize, 3)
    assert.isTrue(yield* hasAgent(one))
  }))

test("stops the server for a volume that does not grow under it, and goes on with it", (world) =>
  Effect.gen(function* () {
    const { databases, faults, hasAgent, start } = world
    const compute = yield* start
    yield* compute.ensure(serverSpec(one), null)
    const database = {
      ...serverSpec(one),
      datastore: "postgresql",
      port: 5432,
      volume: "/volumes/one",
      adminPassword: Redacted.make("admin"),
      settings: {}
    } as const
    yield* Effect.all([databases.runtime.start(database, () => Effect.void), TestClock.adjust("5 seconds")], {
      concurrency: 2
    })
    assert.isTrue(databases.servers.get(one)?.running)
    faults.growsStopped = true
    yield* compute.ensure({ ...serverSpec(one), volumeSize: 2 }, null)
    assert.deepEqual(faults.volumes, ["grow to 2", "grow to 2, stopped"])
    assert.isFalse(databases.servers.get(one)?.running)
    assert.isTrue(yield* hasAgent(one))
  }))

test("starts no agent for a home that was removed meanwhile", ({ faults, hasAgent, hosts, start }) =>
  Effect.gen(function* () {
    yield* hosts.ensure(serverSpec(one), null, "docker")
    faults.damaged.add(one)
    const compute = yield* start
    yield* compute.destroy(one, "local")
    faults.damaged.clear()
    yield* TestClock.adjust("1 minute")
    assert.isFalse(yield* hasAgent(one))
  }))

test("fails for now when a home cannot be removed, and removes it when it can", ({ faults, hosts, start }) =>
  Effect.gen(function* () {
    const compute = yield* start
    yield* compute.ensure(serverSpec(one), null)
    faults.irremovable = true
    const error = yield* Effect.flip(compute.destroy(one, "local"))
    assert.strictEqual(error.message, "The storage of the instance could not be removed.")
    assert.include(error.detail, "EACCES")
    assert.isTrue(error.transient)
    faults.irremovable = false
    yield* compute.destroy(one, "local")
    assert.isTrue(Option.isNone(yield* hosts.find(one)))
  }))

test("gives each agent its own way into the fabric, from its home after a start, and takes it back", (world) =>
  Effect.gen(function* () {
    const { hasAgent, hosts, links, start } = world
    const process = yield* Scope.make()
    const compute = yield* Scope.provide(start, process)
    yield* compute.ensure(serverSpec(one), guestLink("key of one"))
    yield* compute.ensure(serverSpec(other), guestLink("key of other"))
    assert.deepEqual([links.get(one), links.get(other)], ["key of one", "key of other"])
    yield* Scope.close(process, Exit.void)
    assert.strictEqual(links.size, 0)
    const next = yield* start
    assert.deepEqual([links.get(one), links.get(other)], ["key of one", "key of other"])
    assert.isTrue(yield* hasAgent(one))
    const { replayFloor } = Option.getOrThrow(yield* hosts.find(one))
    assert.strictEqual(yield* replayFloor.read, 2n)
    yield* next.destroy(one, "local")
    assert.deepEqual([...links.keys()], [other])
  }))

test("starts an agent anew when it is given another link, and only then", ({ hasAgent, hosts, links, start }) =>
  Effect.gen(function* () {
    const compute = yield* start
    yield* compute.ensure(serverSpec(one), guestLink("old"))
    const { replayFloor } = Option.getOrThrow(yield* hosts.find(one))
    yield* compute.ensure(serverSpec(one), guestLink("old"))
    assert.strictEqual(yield* replayFloor.read, 1n)
    yield* compute.ensure(serverSpec(one), guestLink("new"))
    assert.strictEqual(links.get(one), "new")
    assert.strictEqual(yield* replayFloor.read, 2n)
    assert.isTrue(yield* hasAgent(one))
  }))

test("fails for now while a guest has no way into the fabric, and tries again by itself", (world) =>
  Effect.gen(function* () {
    const { faults, hasAgent, start } = world
    const compute = yield* start
    faults.unlinked = true
    const error = yield* Effect.flip(compute.ensure(serverSpec(one), guestLink("key")))
    assert.strictEqual(error.detail, "no broker")
    assert.isTrue(error.transient)
    assert.isFalse(yield* hasAgent(one))
    faults.unlinked = false
    yield* TestClock.adjust("12 seconds")
    assert.isTrue(yield* hasAgent(one))
  }))

/** A home whose database was ready before the machine went down. */
const readyHome = Effect.fnUntraced(function* ({ hosts }: World, id: InstanceId, address: string) {
  const { notes } = yield* hosts.ensure({ ...serverSpec(id), address }, null, "docker")
  yield* notes.setPhase("ready")
})

test("brings every database up within half a minute of a power cut, with the broker away", (world) =>
  Effect.gen(function* () {
    const { databases, faults, start } = world
    const ids = Array.from({ length: 200 }, (_, n) =>
      InstanceId.make(`00000000-0000-4000-8000-${String(n).padStart(12, "0")}`)
    )
    for (const [n, id] of ids.entries()) yield* readyHome(world, id, `127.70.1.${n}`)
    // As long as a server of the fabric waits for a broker.
    faults.hearing = Duration.seconds(2)
    yield* Effect.forkScoped(start)
    yield* TestClock.adjust("30 seconds")
    const down = ids.filter((id) => databases.servers.get(id)?.running !== true)
    assert.deepEqual(down, [])
  }))

test("brings a database up before its guest can be heard", (world) =>
  Effect.gen(function* () {
    yield* readyHome(world, one, "127.70.0.1")
    world.faults.hearing = Duration.hours(1)
    yield* Effect.forkScoped(world.start)
    yield* TestClock.adjust("5 seconds")
    assert.isTrue(world.databases.servers.get(one)?.running)
  }))

test("makes and removes others while one is being made, and removes that one when it is made", (world) =>
  Effect.gen(function* () {
    const { faults, hasAgent, hosts, start } = world
    const compute = yield* start
    const gate = yield* Deferred.make<void>()
    const reached = yield* Deferred.make<void>()
    faults.entering = (id) =>
      id === one ? Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(gate)) : Effect.void
    const making = yield* Effect.forkScoped(compute.ensure(serverSpec(one), null))
    yield* Deferred.await(reached)
    const removing = yield* Effect.forkScoped(compute.destroy(one, "local"))
    yield* compute.ensure(serverSpec(other), null)
    assert.isTrue(yield* hasAgent(other))
    yield* compute.destroy(other, "local")
    assert.isTrue(Option.isSome(yield* hosts.find(one)))
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.all([Fiber.join(making), Fiber.join(removing)])
    assert.isFalse(yield* hasAgent(one))
    assert.deepEqual(yield* hosts.list, [])
  }))

test("makes a server that is being removed only when it is gone: its agent has a home", (world) =>
  Effect.gen(function* () {
    const { faults, hasAgent, hosts, start } = world
    const compute = yield* start
    yield* compute.ensure(serverSpec(one), null)
    const gate = yield* Deferred.make<void>()
    const reached = yield* Deferred.make<void>()
    faults.removing = Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(gate))
    const removing = yield* Effect.forkScoped(compute.destroy(one, "local"))
    yield* Deferred.await(reached)
    const making = yield* Effect.forkScoped(compute.ensure(serverSpec(one), null))
    // It has every chance to go ahead.
    yield* TestClock.adjust("1 second")
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.all([Fiber.join(making), Fiber.join(removing)])
    assert.isTrue(Option.isSome(yield* hosts.find(one)))
    assert.isTrue(yield* hasAgent(one))
  }))

test("knows an address at which somebody listens from one that is free", ({ start }) =>
  Effect.gen(function* () {
    const compute = yield* start
    const listener = createListener()
    const port = yield* Effect.callback<number>((resume) => {
      listener.listen(0, "127.78.250.1", () => {
        const bound = listener.address()
        resume(Effect.succeed(bound === null || typeof bound === "string" ? 0 : bound.port))
      })
    })
    assert.isFalse(yield* compute.isFree("local", "127.78.250.1", port))
    assert.isTrue(yield* compute.isFree("local", "127.78.250.2", port))
    // A machine does not listen where it is not.
    assert.isFalse(yield* compute.isFree("local", "192.0.2.1", port))
    yield* Effect.callback<void>((resume) => void listener.close(() => resume(Effect.void)))
    assert.isTrue(yield* compute.isFree("local", "127.78.250.1", port))
  }))
