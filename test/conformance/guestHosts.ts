/**
 * What every GuestHosts does, wherever it keeps homes. An adapter's test gives a world without homes, as an effect
 * that opens it: each opening is a new start of the process over what the last one left.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, type Scope } from "effect"
import { type GuestHosts, isSameLink } from "../../src/layers/embedded/GuestHosts.ts"
import type { ServerSpec } from "../../src/services/Compute.ts"
import { DiskError } from "../../src/services/Disk.ts"
import type { GuestLink } from "../../src/services/GuestAccess.ts"

type Open = Effect.Effect<GuestHosts["Service"], never, Scope.Scope>

export const serverSpec = (instanceId: string): ServerSpec => ({
  instanceId,
  manager: "postgresql",
  version: "18",
  image: "postgres:18",
  host: "local",
  agent: "coffer",
  address: "127.70.0.1",
  memoryMb: 512,
  vcpus: 1,
  volumeSize: 1
})

export const guestLink = (key: string): GuestLink => ({
  urls: [
    Redacted.make("amqp://a-guest:its-password@broker-1:5672"),
    Redacted.make("amqp://a-guest:its-password@broker-2")
  ],
  controlExchange: "trove",
  declares: false,
  protocol: "coffer",
  key: Redacted.make(key)
})

const order = {
  databases: [{ name: "shop" }],
  users: [{ name: "ann", password: Redacted.make("pw"), host: "%", databases: [{ name: "shop" }] }]
}

export const guestHostsConformance = (name: string, world: Effect.Effect<Open, never, Scope.Scope>) =>
  describe(name, () => {
    const behaves = (behaviour: string, test: (open: Open) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(behaviour, () => Effect.scoped(Effect.flatMap(world, test)))

    const idsOf = (hosts: GuestHosts["Service"]) =>
      Effect.map(hosts.list, (homes) => homes.map(({ spec }) => spec.instanceId).toSorted())

    behaves("knows no home at first, and removes one that never was", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        assert.deepEqual(yield* hosts.list, [])
        assert.isTrue(Option.isNone(yield* hosts.find("a")))
        yield* hosts.remove("a")
      })
    )

    behaves("makes a home once, and finds it again after a start as it was made, but for its size", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        const made = yield* hosts.ensure(serverSpec("a"), null, "docker")
        const larger = { memoryMb: 1024, vcpus: 4, volumeSize: 9 }
        const again = yield* hosts.ensure({ ...serverSpec("a"), version: "99", ...larger }, null, "process")
        for (const home of [again, Option.getOrThrow(yield* (yield* open).find("a"))]) {
          assert.deepEqual(home.spec, { ...serverSpec("a"), ...larger })
          assert.strictEqual(home.runtime, "docker")
          assert.strictEqual(home.volume, made.volume)
        }
      })
    )

    behaves("tells the larger size of a volume that has grown, over starts, and never a smaller one", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        const { disk } = yield* hosts.ensure(serverSpec("a"), null, "docker")
        assert.strictEqual(yield* disk.size, 1)
        for (const size of [3, 2]) {
          const { spec } = yield* hosts.ensure({ ...serverSpec("a"), volumeSize: size }, null, "docker")
          assert.strictEqual(spec.volumeSize, 3)
          assert.strictEqual(yield* disk.size, 3)
          assert.deepEqual(Option.getOrThrow(yield* (yield* open).find("a")).spec, {
            ...serverSpec("a"),
            volumeSize: 3
          })
        }
      })
    )

    behaves("lists every home, after a start as well, and each has a volume of its own", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        const one = yield* hosts.ensure(serverSpec("a"), null, "docker")
        const other = yield* hosts.ensure(serverSpec("b"), null, "process")
        assert.notStrictEqual(one.volume, other.volume)
        assert.deepEqual(yield* idsOf(hosts), ["a", "b"])
        assert.deepEqual(yield* idsOf(yield* open), ["a", "b"])
      })
    )

    behaves("removes a home with its notes, twice, and leaves the others", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        const { notes } = yield* hosts.ensure(serverSpec("a"), null, "docker")
        yield* notes.setPhase("ready")
        yield* hosts.ensure(serverSpec("b"), null, "docker")
        yield* hosts.remove("a")
        yield* hosts.remove("a")
        assert.deepEqual(yield* idsOf(hosts), ["b"])
        assert.deepEqual(yield* idsOf(yield* open), ["b"])
        const anew = yield* hosts.ensure(serverSpec("a"), null, "docker")
        assert.strictEqual(yield* anew.notes.phase, "new")
      })
    )

    behaves("tells whose homes are there, and where the volume of anybody lies, below one folder", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        assert.deepEqual(yield* hosts.remains, [])
        const { volume } = yield* hosts.ensure(serverSpec("a"), null, "docker")
        yield* hosts.ensure(serverSpec("b"), null, "process")
        assert.strictEqual(hosts.volumeOf("a"), volume)
        assert.isTrue(hosts.volumeOf("never").startsWith(`${hosts.root}/never`))
        const whose = Effect.map(hosts.remains, (homes) => homes.map(({ instanceId }) => instanceId).toSorted())
        assert.deepEqual(yield* whose, ["a", "b"])
        yield* hosts.remove("a")
        assert.deepEqual(yield* whose, ["b"])
      })
    )

    behaves("keeps the phase, over starts", (open) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        assert.strictEqual(yield* notes.phase, "new")
        for (const phase of ["preparing", "ready", "stopped", "failed"] as const) {
          yield* notes.setPhase(phase)
          assert.strictEqual(yield* notes.phase, phase)
          const { notes: later } = Option.getOrThrow(yield* (yield* open).find("a"))
          assert.strictEqual(yield* later.phase, phase)
        }
      })
    )

    for (const end of ["ready", "failed"] as const) {
      behaves(`keeps the order, over starts, until the phase is ${end}`, (open) =>
        Effect.gen(function* () {
          const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
          assert.isTrue(Option.isNone(yield* notes.order))
          yield* notes.keepOrder(order)
          yield* notes.setPhase("preparing")
          const { notes: later } = Option.getOrThrow(yield* (yield* open).find("a"))
          const kept = Option.getOrThrow(yield* later.order)
          assert.deepEqual(kept.databases, order.databases)
          assert.deepEqual(
            kept.users.map(({ name, password }) => [name, Redacted.value(password)]),
            [["ann", "pw"]]
          )
          yield* later.setPhase(end)
          assert.isTrue(Option.isNone(yield* later.order))
        })
      )
    }

    behaves("draws the administrator's password once, and it is the same ever after", (open) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        const drawn = Redacted.value(yield* notes.adminPassword)
        assert.isNotEmpty(drawn)
        assert.strictEqual(Redacted.value(yield* notes.adminPassword), drawn)
        const { notes: later } = Option.getOrThrow(yield* (yield* open).find("a"))
        assert.strictEqual(Redacted.value(yield* later.adminPassword), drawn)
      })
    )

    behaves("keeps how far reports may be stamped, over starts", (open) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        assert.strictEqual(yield* notes.stamp, 0)
        for (const upTo of [1_700_000_000.12345, 1_700_000_600.5]) {
          yield* notes.reserveStamps(upTo)
          assert.strictEqual(yield* notes.stamp, upTo)
          const { notes: later } = Option.getOrThrow(yield* (yield* open).find("a"))
          assert.strictEqual(yield* later.stamp, upTo)
        }
        yield* notes.setPhase("ready")
        assert.strictEqual(yield* notes.stamp, 1_700_000_600.5)
      })
    )

    behaves("keeps what its server is set to, over starts", (open) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        assert.deepEqual(yield* notes.overrides, { wanted: {}, good: {} })
        const overrides = { wanted: { work_mem: 100, jit: false, lc_messages: "it's" }, good: { work_mem: 0.5 } }
        yield* notes.keepOverrides(overrides)
        const { notes: later } = Option.getOrThrow(yield* (yield* open).find("a"))
        assert.deepEqual(yield* later.overrides, overrides)
        yield* later.setPhase("ready")
        assert.deepEqual(yield* later.overrides, overrides)
      })
    )

    behaves("keeps who reaches its server, over starts", (open) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        assert.deepEqual(yield* notes.access, [])
        yield* notes.keepAccess(["10.0.0.0/8"])
        assert.deepEqual(yield* Option.getOrThrow(yield* (yield* open).find("a")).notes.access, ["10.0.0.0/8"])
      })
    )

    behaves("keeps which of its logs are on, over starts", (open) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        assert.deepEqual(yield* notes.logs, {})
        const logs = { general: { on: true, published: 2 ** 40 } }
        yield* notes.keepLogs(logs)
        assert.deepEqual(yield* Option.getOrThrow(yield* (yield* open).find("a")).notes.logs, logs)
      })
    )

    behaves("keeps the link, over starts, and takes another one for it", (open) =>
      Effect.gen(function* () {
        const hosts = yield* open
        const made = yield* hosts.ensure(serverSpec("a"), guestLink("one"), "docker")
        yield* hosts.ensure(serverSpec("b"), null, "docker")
        assert.isTrue(isSameLink(made.link, guestLink("one")))
        const linkOf = (id: string) =>
          Effect.flatMap(open, (hosts) => Effect.map(hosts.find(id), (home) => Option.getOrThrow(home).link))
        assert.isTrue(isSameLink(yield* linkOf("a"), guestLink("one")))
        assert.isFalse(isSameLink(yield* linkOf("a"), guestLink("other")))
        assert.isNull(yield* linkOf("b"))
        const changed = yield* hosts.ensure(serverSpec("a"), guestLink("other"), "docker")
        assert.isTrue(isSameLink(changed.link, guestLink("other")))
        assert.isTrue(isSameLink(yield* linkOf("a"), guestLink("other")))
        yield* hosts.ensure(serverSpec("a"), null, "docker")
        assert.isNull(yield* linkOf("a"))
      })
    )

    behaves("keeps how much a guest has heard, over starts, however much that is", (open) =>
      Effect.gen(function* () {
        const { replayFloor } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        assert.strictEqual(yield* replayFloor.read, 0n)
        for (const highest of [1n, 2n ** 63n]) {
          yield* replayFloor.write(highest)
          assert.strictEqual(yield* replayFloor.read, highest)
          const later = Option.getOrThrow(yield* (yield* open).find("a"))
          assert.strictEqual(yield* later.replayFloor.read, highest)
        }
        const other = yield* (yield* open).ensure(serverSpec("b"), null, "docker")
        assert.strictEqual(yield* other.replayFloor.read, 0n)
      })
    )
  })

/** A world whose disk can be made full, and have room again. */
export interface WorldWithDisk {
  readonly open: Open
  readonly fill: Effect.Effect<void>
  readonly empty: Effect.Effect<void>
}

/** What every GuestHosts does whose disk is full. */
export const fullDiskConformance = (name: string, world: Effect.Effect<WorldWithDisk, never, Scope.Scope>) =>
  describe(name, () => {
    const behaves = (behaviour: string, test: (world: WorldWithDisk) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(behaviour, () => Effect.scoped(Effect.flatMap(world, test)))

    /** It is said what is the matter, at which path, and in the system's words. */
    const isFull = Effect.fnUntraced(function* <A, E>(writing: Effect.Effect<A, E>, path: string) {
      const error = yield* Effect.flip(writing)
      assert.instanceOf(error, DiskError)
      assert.strictEqual(error.message, "The disk of the database's machine is full.")
      for (const part of [path, "ENOSPC"]) assert.include(error.detail, part)
    })

    behaves("keeps what the notes were, and says at which of them it is full; with room again it takes them", (world) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* world.open).ensure(serverSpec("a"), null, "docker")
        yield* notes.setPhase("preparing")
        yield* notes.reserveStamps(5)
        yield* world.fill
        yield* isFull(notes.setPhase("ready"), "/a/notes.json")
        yield* isFull(notes.keepOrder(order), "/a/order.json")
        yield* isFull(notes.reserveStamps(6), "/a/stamp")
        yield* isFull(notes.adminPassword, "/a/admin")
        const { notes: later } = Option.getOrThrow(yield* (yield* world.open).find("a"))
        for (const kept of [notes, later]) {
          assert.deepEqual([yield* kept.phase, yield* kept.stamp], ["preparing", 5])
          assert.isTrue(Option.isNone(yield* kept.order))
        }
        yield* world.empty
        yield* notes.keepOrder(order)
        yield* notes.reserveStamps(6)
        assert.isNotEmpty(Redacted.value(yield* notes.adminPassword))
        yield* notes.setPhase("ready")
        assert.deepEqual([yield* notes.phase, yield* notes.stamp], ["ready", 6])
      })
    )

    behaves("tells what it knows, the password as well", ({ fill, open }) =>
      Effect.gen(function* () {
        const { notes } = yield* (yield* open).ensure(serverSpec("a"), null, "docker")
        const drawn = Redacted.value(yield* notes.adminPassword)
        yield* fill
        assert.strictEqual(Redacted.value(yield* notes.adminPassword), drawn)
        assert.isTrue(Option.isSome(yield* (yield* open).find("a")))
      })
    )

    behaves("makes no home and keeps no other link; with room again it does", ({ empty, fill, open }) =>
      Effect.gen(function* () {
        const hosts = yield* open
        yield* hosts.ensure(serverSpec("a"), guestLink("one"), "docker")
        yield* fill
        yield* hosts.ensure(serverSpec("a"), guestLink("one"), "docker")
        yield* isFull(hosts.ensure(serverSpec("a"), guestLink("two"), "docker"), "/a/")
        yield* isFull(hosts.ensure(serverSpec("b"), guestLink("b"), "docker"), "/b")
        assert.deepEqual(
          (yield* (yield* open).list).map(({ spec }) => spec.instanceId),
          ["a"]
        )
        yield* empty
        yield* hosts.ensure(serverSpec("a"), guestLink("two"), "docker")
        yield* hosts.ensure(serverSpec("b"), guestLink("b"), "docker")
        const { link } = Option.getOrThrow(yield* (yield* open).find("a"))
        assert.isTrue(isSameLink(link, guestLink("two")))
      })
    )

    behaves("goes on to keep how much a guest has heard, and cannot begin with it", ({ empty, fill, open }) =>
      Effect.gen(function* () {
        const hosts = yield* open
        const heard = yield* hosts.ensure(serverSpec("a"), null, "docker")
        const deaf = yield* hosts.ensure(serverSpec("b"), null, "docker")
        yield* heard.replayFloor.write(1_700_000_000_000_000n)
        yield* fill
        yield* heard.replayFloor.write(1_700_000_000_000_001n)
        yield* isFull(deaf.replayFloor.write(1_700_000_000_000_001n), "/b/replay")
        yield* isFull(heard.replayFloor.write(10_000_000_000_000_000n), "/a/replay")
        const after = yield* open
        const floorOf = (id: string) =>
          Effect.flatMap(after.find(id), (home) => Option.getOrThrow(home).replayFloor.read)
        assert.deepEqual([yield* floorOf("a"), yield* floorOf("b")], [1_700_000_000_000_001n, 0n])
        yield* empty
        yield* deaf.replayFloor.write(1_700_000_000_000_002n)
        assert.strictEqual(yield* floorOf("b"), 1_700_000_000_000_002n)
      })
    )

    behaves("removes homes, whole and half ones", ({ fill, open }) =>
      Effect.gen(function* () {
        const hosts = yield* open
        yield* hosts.ensure(serverSpec("a"), null, "docker")
        yield* fill
        yield* isFull(hosts.ensure(serverSpec("b"), null, "docker"), "/b")
        for (const id of ["a", "b"]) yield* hosts.remove(id)
        assert.deepEqual(yield* hosts.remains, [])
      })
    )
  })
