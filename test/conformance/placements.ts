/**
 * What every store does about guest hosts and about who lives where. Given a store whose only standing place is the
 * operator's program, with the network 10.99.0.0/29.
 */
import { assert, layer } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, type Layer, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Compute, ComputeError } from "../../src/services/Compute.ts"
import { GuestHostDirectory, hostExpiry } from "../../src/services/GuestHostDirectory.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { type Placement, Placements, type Wanted } from "../../src/services/Placements.ts"
import { commandHost } from "../../src/services/Placing.ts"
import { Resizes } from "../../src/services/Resizes.ts"
import { defaultZone } from "../../src/services/Zones.ts"
import { create } from "./asApi.ts"
import type { Store } from "./store.ts"

export const standing = [commandHost("10.99.0.0/29")]

const zone = "az1"

const ordered = (ram = 512) => create({ ram })

const wanted = { port: 5432, memoryMb: 512, agent: "coffer" as const, zone: null }

const place = (id: InstanceId, wants: Partial<Omit<Wanted, "port">> = {}) =>
  Effect.flatMap(Placements, (placements) => placements.ensure(id, { ...wanted, ...wants }))

/** An instance with a place of its own. */
const placed = Effect.fnUntraced(function* (ram = 512) {
  const id = yield* ordered(ram)
  return { id, ...(yield* place(id, { memoryMb: ram })) }
})

const known = new Set<string>()

/** These hosts are alive, with so much memory and this network, and no others. */
const fleet = Effect.fnUntraced(function* (hosts: Record<string, readonly [addresses: string, memoryMb: number]>) {
  const directory = yield* GuestHostDirectory
  for (const name of known) yield* directory.report({ name, addresses: "10.1.0.0/24", memoryMb: 1, zone, at: 0 })
  const at = yield* Clock.currentTimeMillis
  for (const [name, [addresses, memoryMb]] of Object.entries(hosts)) {
    known.add(name)
    yield* directory.report({ name, addresses, memoryMb, zone, at })
  }
})

/** What hosts say when they are asked whether an address is free. */
type Answer = (host: string, address: string) => Effect.Effect<boolean, ComputeError>

const answering = (isFree: Answer) =>
  Effect.provideService(
    Compute,
    Compute.of({ portOf: () => 5432, isFree, ensure: () => Effect.void, destroy: () => Effect.void })
  )

const unreachable = new ComputeError({ message: "away", detail: "", transient: true })

const addressesOf = (places: ReadonlyArray<Placement>) => places.map(({ address }) => address)

export const placementsConformance = (name: string, store: Layer.Layer<Store, unknown>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    const behaves = (
      behaviour: string,
      test: Effect.Effect<void, unknown, Store | Compute>,
      isFree: Answer = () => Effect.succeed(true)
    ) => it.effect(behaviour, () => answering(isFree)(test))

    behaves(
      "gives two that look for one instance at once the same place, and keeps it",
      Effect.gen(function* () {
        yield* fleet({ own: ["10.3.0.0/24", 9000] })
        for (let round = 0; round < 5; round++) {
          const id = yield* ordered()
          const places = yield* Effect.all([place(id), place(id), place(id)], { concurrency: "unbounded" })
          const kept = yield* (yield* Placements).find(id)
          assert.deepStrictEqual(Option.getOrNull(kept), places[0])
          assert.deepStrictEqual(places[1], places[0])
          assert.deepStrictEqual(places[2], places[0])
        }
      }),
      () => Effect.as(Effect.sleep("5 millis"), true)
    )

    behaves(
      "count what a resize takes more on its machine, and tell whether there is room for it",
      Effect.gen(function* () {
        const placements = yield* Placements
        yield* fleet({ tight: ["10.5.0.0/24", 1_600] })
        const { id } = yield* placed(512)
        assert.isTrue(yield* placements.hasRoom(id))
        const lifecycles = yield* Lifecycles
        yield* lifecycles.commit(id, { generation: 0, state: { _tag: "Active" }, transition: null, handled: [] })
        const { desired } = Option.getOrThrow(yield* (yield* Instances).get("any", id))
        const resizes = yield* Resizes
        assert.isTrue(yield* resizes.request(id, desired, { _tag: "Flavor", flavor: "2", ram: 1_024 }))
        assert.isTrue(yield* placements.hasRoom(id))
        // 576 MB are left, and not 1088.
        yield* Effect.flip(place(yield* ordered(1_024), { memoryMb: 1_024 }))
        yield* placed(512)
        assert.isTrue(yield* placements.hasRoom(id))
        yield* fleet({ tight: ["10.5.0.0/24", 1_535] })
        assert.isFalse(yield* placements.hasRoom(id))
        assert.isFalse(yield* placements.hasRoom(yield* ordered()))
        yield* placements.release(id)
      })
    )

    let wasAsked = 0
    behaves(
      "asks again about a place that was left before anybody said that it is free",
      Effect.gen(function* () {
        yield* fleet({ own: ["10.4.0.0/24", 9000] })
        const id = yield* ordered()
        const cutOff = yield* Effect.forkChild(place(id))
        yield* Effect.repeat(
          Effect.sync(() => wasAsked),
          { until: (asked) => asked > 0 }
        )
        yield* Fiber.interrupt(cutOff)
        const before = wasAsked
        const found = yield* place(id)
        assert.isAbove(wasAsked, before)
        assert.deepStrictEqual(Option.getOrNull(yield* (yield* Placements).find(id)), found)
        yield* place(id)
        assert.strictEqual(wasAsked, before + 1)
      }),
      () =>
        Effect.suspend(() => {
          wasAsked++
          return wasAsked === 1 ? Effect.never : Effect.succeed(true)
        })
    )

    behaves(
      "gives each instance a place of its own, the same whenever it is asked, until it is released",
      Effect.gen(function* () {
        yield* fleet({ own: ["10.2.0.0/24", 9000] })
        const placements = yield* Placements
        const [one, other] = [yield* placed(), yield* placed()]
        assert.deepEqual(yield* place(one.id), { host: "own", address: one.address })
        assert.deepEqual(Option.getOrThrow(yield* placements.find(one.id)), { host: "own", address: one.address })
        assert.notStrictEqual(other.address, one.address)
        const shown = Effect.flatMap(Instances, (instances) => instances.get("any", one.id))
        assert.strictEqual(Option.getOrThrow(yield* shown).address, one.address)
        yield* placements.release(one.id)
        yield* placements.release(one.id)
        assert.isTrue(Option.isNone(yield* placements.find(one.id)))
        assert.isNull(Option.getOrThrow(yield* shown).address)
      })
    )

    behaves(
      "takes the host with the most memory left, and the first by name among equals",
      Effect.gen(function* () {
        yield* fleet({ "b-2": ["10.3.0.0/24", 2000], "b-1": ["10.4.0.0/24", 2000], "b-0": ["10.5.0.0/24", 1600] })
        const hosts: Array<string> = []
        for (let n = 0; n < 5; n++) hosts.push((yield* placed(500)).host)
        // Left of b-0, b-1, b-2: 1600 2000 2000; 1600 1500 2000; 1600 1500 1500; 1100 1500 1500; 1100 1000 1500.
        assert.deepEqual(hosts, ["b-1", "b-2", "b-0", "b-1", "b-2"])
        const live = yield* (yield* GuestHostDirectory).live(1)
        assert.deepEqual(live, [
          { name: "b-0", addresses: "10.5.0.0/24", memoryMb: 1600, zone, usedMb: 500 },
          { name: "b-1", addresses: "10.4.0.0/24", memoryMb: 2000, zone, usedMb: 1000 },
          { name: "b-2", addresses: "10.3.0.0/24", memoryMb: 2000, zone, usedMb: 1000 }
        ])
      })
    )

    behaves(
      "puts an instance that names a zone there and nowhere else, and tells which zones there are",
      Effect.gen(function* () {
        const directory = yield* GuestHostDirectory
        yield* fleet({ near: ["10.20.0.0/24", 9000] })
        const at = yield* Clock.currentTimeMillis
        const far = { name: "far", addresses: "10.20.1.0/24", memoryMb: 700, zone: "az2", at }
        yield* directory.report(far)
        known.add("far")
        assert.deepEqual(yield* directory.zones("coffer"), [zone, "az2"])
        assert.deepEqual(yield* directory.zones("trove"), [defaultZone])
        const id = yield* ordered()
        const elsewhere = yield* Effect.flip(place(id, { zone: "az3" }))
        assert.deepInclude(elsewhere, { _tag: "NoHost", live: 0, message: "no guest host of the zone az3 is alive" })
        assert.strictEqual((yield* place(id, { zone: "az2" })).host, "far")
        const full = yield* Effect.flip(place(yield* ordered(), { zone: "az2" }))
        assert.deepInclude(full, { live: 1, message: "no guest host of the zone az2 has 512 MB of memory left" })
        assert.strictEqual((yield* placed()).host, "near")
        // Who is there stays there, whatever its machine says of itself.
        yield* directory.report({ ...far, zone })
        assert.strictEqual((yield* place(id, { zone: "az2" })).host, "far")
        assert.deepEqual(yield* directory.zones("coffer"), [zone])
      })
    )

    behaves(
      "says so when no host is alive, or none has the memory",
      Effect.gen(function* () {
        yield* fleet({})
        const id = yield* ordered(800)
        const nobody = yield* Effect.flip(place(id, { memoryMb: 800 }))
        assert.deepInclude(nobody, { _tag: "NoHost", live: 0, message: "no guest host is alive" })
        yield* fleet({ small: ["10.6.0.0/24", 799] })
        const small = yield* Effect.flip(place(id, { memoryMb: 800 }))
        assert.deepInclude(small, { live: 1, message: "no guest host has 800 MB of memory left" })
        yield* fleet({ small: ["10.6.0.0/24", 800] })
        assert.strictEqual((yield* place(id, { memoryMb: 800 })).host, "small")
        const full = yield* Effect.flip(place(yield* ordered(1), { memoryMb: 1 }))
        assert.deepInclude(full, { _tag: "NoHost", live: 1 })
      })
    )

    behaves(
      "puts nobody on a host that has gone silent, and leaves there who lives there",
      Effect.gen(function* () {
        yield* fleet({ silent: ["10.7.0.0/24", 9000] })
        const resident = yield* placed()
        const directory = yield* GuestHostDirectory
        const now = yield* Clock.currentTimeMillis
        const report = { name: "silent", addresses: "10.7.0.0/24", memoryMb: 9000, zone }
        yield* directory.report({ ...report, at: now - 50_000 })
        assert.strictEqual((yield* placed()).host, "silent")
        yield* directory.report({ ...report, at: now - Duration.toMillis(hostExpiry) - 1 })
        assert.strictEqual((yield* Effect.flip(placed()))._tag, "NoHost")
        assert.deepEqual(yield* place(resident.id), { host: "silent", address: resident.address })
      })
    )

    behaves(
      "gives an address out again only when all the others have had their turn",
      Effect.gen(function* () {
        yield* fleet({ round: ["10.8.0.0/29", 90_000] })
        const placements = yield* Placements
        const kept = yield* placed()
        const turn: Array<string> = [kept.address]
        for (let n = 0; n < 7; n++) {
          const { address, id } = yield* placed()
          turn.push(address)
          yield* placements.release(id)
        }
        assert.deepEqual(
          turn,
          [1, 2, 3, 4, 5, 6, 2, 3].map((n) => `10.8.0.${n}`)
        )
      })
    )

    behaves(
      "says when a host has no address left, and goes to another that has",
      Effect.gen(function* () {
        yield* fleet({ narrow: ["10.9.0.0/30", 90_000] })
        assert.deepEqual(addressesOf([yield* placed(), yield* placed()]), ["10.9.0.1", "10.9.0.2"])
        const full = yield* Effect.flip(placed())
        assert.deepInclude(full, { _tag: "NoAddressLeft", host: "narrow", range: "10.9.0.0/30" })
        yield* fleet({ narrow: ["10.9.0.0/30", 90_000], wide: ["10.9.1.0/30", 1000] })
        assert.strictEqual((yield* placed()).host, "wide")
      })
    )

    behaves(
      "passes over addresses at which somebody listens",
      Effect.gen(function* () {
        yield* fleet({ busy: ["10.10.0.0/29", 90_000], taken: ["10.10.1.0/30", 1000] })
        assert.strictEqual((yield* placed()).address, "10.10.0.3")
        yield* fleet({ taken: ["10.10.1.0/30", 1000] })
        const error = yield* Effect.flip(placed())
        assert.deepInclude(error, { _tag: "NoAddressLeft", host: "taken" })
        assert.deepEqual(yield* (yield* GuestHostDirectory).live(1), [
          { name: "taken", addresses: "10.10.1.0/30", memoryMb: 1000, zone, usedMb: 0 }
        ])
      }),
      (host, address) => Effect.succeed(host !== "taken" && !["10.10.0.1", "10.10.0.2"].includes(address))
    )

    behaves(
      "goes to the next host when one cannot be reached, and keeps no place there",
      Effect.gen(function* () {
        yield* fleet({ away: ["10.11.0.0/24", 9000], here: ["10.11.1.0/24", 1000] })
        assert.strictEqual((yield* placed()).host, "here")
        yield* fleet({ away: ["10.11.0.0/24", 9000] })
        const id = yield* ordered()
        assert.deepInclude(yield* Effect.flip(place(id)), { _tag: "ComputeError", transient: true })
        assert.isTrue(Option.isNone(yield* (yield* Placements).find(id)))
      }),
      (host) => (host === "away" ? Effect.fail(unreachable) : Effect.succeed(true))
    )

    behaves(
      "keeps no place for who is called off while the host is asked",
      Effect.gen(function* () {
        yield* fleet({ slow: ["10.12.0.0/24", 9000] })
        const placements = yield* Placements
        const id = yield* ordered()
        const asking = yield* Effect.forkChild(place(id))
        yield* placements.find(id).pipe(Effect.repeat({ until: Option.isSome }), Effect.timeout("5 seconds"))
        yield* Fiber.interrupt(asking)
        assert.isTrue(Option.isNone(yield* placements.find(id)))
      }),
      () => Effect.never
    )

    behaves(
      "takes no memory twice, and no address, when many ask at once",
      Effect.gen(function* () {
        yield* fleet({ "m-1": ["10.13.0.0/24", 3000], "m-2": ["10.13.1.0/24", 3000] })
        const all = yield* Effect.forEach(Array.from({ length: 12 }), () => placed(500), { concurrency: "unbounded" })
        for (const host of ["m-1", "m-2"])
          assert.lengthOf(
            all.filter((one) => one.host === host),
            6
          )
        assert.strictEqual(new Set(addressesOf(all)).size, 12)
        assert.strictEqual((yield* Effect.flip(placed(500)))._tag, "NoHost")
      })
    )

    behaves(
      "has a place for Trove's agents where the operator's program makes servers, and no host is one",
      Effect.gen(function* () {
        yield* fleet({ host: ["10.14.0.0/24", 9000] })
        const id = yield* ordered(100_000)
        const trove = yield* place(id, { agent: "trove", memoryMb: 100_000 })
        assert.deepEqual(trove, { host: "command", address: "10.99.0.1" })
        assert.strictEqual((yield* placed()).host, "host")
      })
    )

    behaves(
      "gives one that nobody but few may reach a host that can keep the others out, and knows whether there is one",
      Effect.gen(function* () {
        const directory = yield* GuestHostDirectory
        const at = yield* Clock.currentTimeMillis
        const says = (name: string, n: number, guards?: boolean) => {
          known.add(name)
          return directory.report({
            name,
            addresses: `10.2${n}.0.0/24`,
            memoryMb: 9000 - n,
            zone,
            at,
            ...(guards === undefined ? {} : { guards })
          })
        }
        yield* fleet({})
        assert.isNull(yield* directory.guards({ zone: null }))
        yield* says("bare", 1, false)
        assert.isFalse(yield* directory.guards({ zone: null }))
        const open = yield* ordered()
        assert.strictEqual((yield* place(open)).host, "bare")
        const kept = yield* ordered()
        const refused = yield* Effect.flip(place(kept, { guarded: true }))
        assert.include(refused, { _tag: "NoHost", unguarded: true })
        assert.isNull(yield* directory.guards({ instance: kept }))
        yield* says("guarding", 2, true)
        assert.isTrue(yield* directory.guards({ zone: null }))
        assert.deepEqual(
          [yield* directory.guards({ zone }), yield* directory.guards({ zone: "elsewhere" })],
          [true, null]
        )
        assert.strictEqual((yield* place(kept, { guarded: true })).host, "guarding")
        assert.deepEqual(
          [yield* directory.guards({ instance: open }), yield* directory.guards({ instance: kept })],
          [false, true]
        )
        // One of a release before does not say: it may.
        yield* says("bare", 1)
        assert.isNull(yield* directory.guards({ instance: open }))
      })
    )

    behaves(
      "listens to no host that instances cannot live on",
      Effect.gen(function* () {
        yield* fleet({})
        const directory = yield* GuestHostDirectory
        const at = yield* Clock.currentTimeMillis
        yield* directory.report({ name: "command", addresses: "10.15.0.0/24", memoryMb: 9000, zone, at })
        yield* directory.report({ name: "odd", addresses: "10.15.0.1/24", memoryMb: 9000, zone, at })
        assert.deepEqual(yield* directory.live(1), [])
        const trove = yield* place(yield* ordered(), { agent: "trove" })
        assert.match(trove.address, /^10\.99\./)
      })
    )

    behaves(
      "knows every host that has reported, with who lives there, alive or not",
      Effect.gen(function* () {
        yield* fleet({ roomy: ["10.16.0.0/24", 9000] })
        const directory = yield* GuestHostDirectory
        const { id } = yield* placed(300)
        yield* placed(200)
        yield* directory.report({ name: "roomy", addresses: "10.16.0.0/24", memoryMb: 8000, zone, at: 1 })
        yield* directory.report({ name: "empty", addresses: "10.16.1.0/24", memoryMb: 1000, zone, at: 2000 })
        assert.deepEqual(yield* directory.known, [
          { name: "empty", addresses: "10.16.1.0/24", memoryMb: 1000, zone, usedMb: 0, instances: 0, reportedAt: 2000 },
          { name: "roomy", addresses: "10.16.0.0/24", memoryMb: 8000, zone, usedMb: 500, instances: 2, reportedAt: 1 }
        ])
        yield* (yield* Placements).release(id)
        assert.deepInclude((yield* directory.known)[1], { usedMb: 200, instances: 1 })
        assert.strictEqual(yield* directory.remove("empty", "kept"), 0)
      })
    )

    behaves(
      "removes a host that nobody lives on, and no other, unless who lives there is lost with it",
      Effect.gen(function* () {
        yield* fleet({ burnt: ["10.17.0.0/24", 9000] })
        const [directory, placements] = [yield* GuestHostDirectory, yield* Placements]
        const [one, other] = [yield* placed(), yield* placed()]
        const names = Effect.map(directory.known, (hosts) => hosts.map(({ name }) => name))
        const refused = yield* Effect.flip(directory.remove("burnt", "kept"))
        assert.deepInclude(refused, { _tag: "HostInhabited", host: "burnt", instances: 2 })
        assert.include(yield* names, "burnt")
        assert.strictEqual(Option.getOrThrow(yield* placements.find(one.id)).host, "burnt")
        yield* placements.release(other.id)
        assert.strictEqual(yield* directory.remove("burnt", "lost"), 1)
        assert.isTrue(Option.isNone(yield* placements.find(one.id)))
        assert.notInclude(yield* names, "burnt")
        assert.strictEqual((yield* Effect.flip(place(one.id)))._tag, "NoHost")
        assert.strictEqual(yield* directory.remove("burnt", "lost"), 0)
        yield* fleet({ burnt: ["10.17.0.0/24", 9000] })
        assert.strictEqual((yield* place(one.id)).host, "burnt")
        yield* placements.release(one.id)
        assert.strictEqual(yield* directory.remove("burnt", "kept"), 0)
        assert.deepEqual(yield* directory.live(1), [])
      })
    )

    behaves(
      "removes no place that does not report",
      Effect.gen(function* () {
        yield* fleet({})
        const directory = yield* GuestHostDirectory
        const id = yield* ordered()
        const kept = yield* place(id, { agent: "trove" })
        assert.strictEqual(yield* directory.remove("command", "lost"), 0)
        assert.deepEqual(Option.getOrThrow(yield* (yield* Placements).find(id)), kept)
        assert.notInclude(
          (yield* directory.known).map(({ name }) => name),
          "command"
        )
      })
    )
  })
