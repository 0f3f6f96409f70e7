/**
 * A machine of databases: its disk, which is full now and then, and its databases outlive the process of its agents,
 * which is killed, frozen, and has a wrong clock.
 */
import { Clock, Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { type DatabaseRuntimeShape, RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { DatabasesOutliveAgents } from "../../src/guest/GuestAgent.ts"
import { gigabyte, leastRoom } from "../../src/guest/VolumeWatch.ts"
import { type GuestHome, GuestHosts, GuestHostsError } from "../../src/layers/embedded/GuestHosts.ts"
import { GuestLinks } from "../../src/layers/embedded/GuestLinks.ts"
import * as LocalCompute from "../../src/layers/embedded/LocalCompute.ts"
import * as LocalInventory from "../../src/layers/embedded/LocalInventory.ts"
import { StorageProbe } from "../../src/layers/embedded/StorageProbe.ts"
import * as GuestHost from "../../src/layers/guesthost/GuestHost.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import type { DiskTrouble } from "../../src/services/Disk.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import * as FakeDatabases from "../kit/FakeDatabases.ts"
import type { Party } from "./Broker.ts"
import * as FaultyServices from "./FaultyServices.ts"
import { fatalConnections } from "./Requests.ts"
import type { Universe } from "./Universe.ts"
import { alive, type Life, thaw, whileAlive } from "./VirtualTime.ts"

/** How far a clock can be wrong, in milliseconds. */
const wrong = 45_000

/** Milliseconds after which its agents are started again where they were killed at a call. */
const moment = 500

/** How long the agents stand still at the most, in milliseconds. */
const longestFreeze = 60_000

/** How long the disk is full at the most, in milliseconds. */
const longestFull = 240_000

/** How long a volume is full at the most, in milliseconds. */
const longestFullVolume = 240_000

/** What it is of the disk that changes. */
interface Disk {
  trouble: DiskTrouble | null
}

/** Servers that do not do as they are told. */
type Databases = FakeDatabases.FakeDatabases["Service"]

const troubledRuntime = (
  { faults }: Universe,
  name: string,
  life: Life,
  disk: Readonly<Disk>,
  isFull: (instanceId: string) => Effect.Effect<boolean>,
  raw: DatabaseRuntimeShape
) => {
  const broken = (detail: string, transient: boolean) =>
    new RuntimeError({ message: transient ? "The engine is away." : "There is no such image.", detail, transient })
  const change = <A>(call: string, effect: Effect.Effect<A, RuntimeError>) =>
    whileAlive(
      life,
      Effect.suspend(() => {
        const where = `${name} ${call}`
        if (faults.strikes("runtime fails before", where)) return Effect.fail(broken("nothing was done", true))
        if (faults.strikes("runtime fails after", where)) return Effect.andThen(effect, broken("no answer", true))
        if (faults.strikes("runtime is slow", where))
          return Effect.delay(effect, faults.lasts("runtime is slow", 1_000, 100_000))
        return effect
      })
    )
  /** Where the disk is full, or the volume, of a server that runs already. */
  const start: DatabaseRuntimeShape["start"] = Effect.fnUntraced(function* (spec, progress) {
    const isStuck = disk.trouble !== null || (yield* isFull(spec.instanceId))
    if (isStuck && (yield* raw.status(spec)) !== "running") return yield* broken("no space left on device", true)
    yield* raw.start(spec, progress)
  })
  const runtime: DatabaseRuntimeShape = {
    kind: raw.kind,
    start: (spec, progress) =>
      Effect.suspend(() =>
        faults.strikes("runtime fails for good", `${name} start`)
          ? Effect.fail(broken("404", false))
          : change("start", start(spec, progress))
      ),
    provide: (spec, progress) => change("provide", raw.provide(spec, progress)),
    convert: (spec) => change("convert", raw.convert(spec)),
    kept: {
      room: (spec) => whileAlive(life, raw.kept.room(spec)),
      keep: (spec) => change("keep", raw.kept.keep(spec)),
      putBack: (spec) => change("put back", raw.kept.putBack(spec)),
      forget: (spec) => change("forget", raw.kept.forget(spec))
    },
    logFiles: {
      extent: (spec, log) => whileAlive(life, raw.logFiles.extent(spec, log)),
      isLarge: (spec, log) => whileAlive(life, raw.logFiles.isLarge(spec, log)),
      read: (spec, log, offset, most) => whileAlive(life, raw.logFiles.read(spec, log, offset, most)),
      cut: (spec, log, offset) => change("cut", raw.logFiles.cut(spec, log, offset))
    },
    configure: (spec) => change("configure", raw.configure(spec)),
    limit: (spec, how) => change("limit", raw.limit(spec, how)),
    stop: (spec) => change("stop", raw.stop(spec)),
    takeApart: (spec, progress) => change("take apart", raw.takeApart(spec, progress)),
    hardware: (spec) => whileAlive(life, raw.hardware(spec)),
    process: (spec) => whileAlive(life, raw.process(spec)),
    remove: (id, volume) => change("remove", raw.remove(id, volume)),
    list: (folder) => whileAlive(life, raw.list(folder)),
    status: (spec) => whileAlive(life, raw.status(spec)),
    logs: (spec, lines) => whileAlive(life, raw.logs(spec, lines))
  }
  return runtime
}

/** A disk on which homes cannot be made or removed. */
const troubledHomes = ({ faults }: Universe, name: string, life: Life, raw: GuestHosts["Service"]) => {
  const broken = (detail: string) => Effect.fail(new GuestHostsError({ detail }))
  return GuestHosts.of({
    ...raw,
    find: (id) => whileAlive(life, raw.find(id)),
    ensure: (spec, link, runtime) =>
      whileAlive(
        life,
        Effect.suspend(() =>
          faults.strikes("volume does not appear", name) ? broken("no volume") : raw.ensure(spec, link, runtime)
        )
      ),
    remove: (id) =>
      whileAlive(
        life,
        Effect.suspend(() => (faults.strikes("volume does not go", name) ? broken("it is busy") : raw.remove(id)))
      )
  })
}

/** The services of a machine, each call of which may be the last that its process makes. */
const mortalServices = (meet: FaultyServices.Meet, homes: GuestHosts["Service"], databases: Databases) => {
  const mortalHome = (home: GuestHome): GuestHome => ({
    ...home,
    notes: FaultyServices.met("GuestNotes", home.notes, meet)
  })
  const { find, list, ensure, remove } = FaultyServices.met("GuestHosts", homes, meet)
  return Context.make(GuestHosts, {
    ...homes,
    remove,
    list: Effect.map(list, (all) => all.map(mortalHome)),
    find: (id) => Effect.map(find(id), Option.map(mortalHome)),
    ensure: (spec, link, runtime) => Effect.map(ensure(spec, link, runtime), mortalHome)
  }).pipe(
    Context.add(FakeDatabases.FakeDatabases, {
      ...databases,
      runtime: {
        ...FaultyServices.met("DatabaseRuntime", databases.runtime, meet),
        kept: FaultyServices.met("KeptData", databases.runtime.kept, meet),
        logFiles: FaultyServices.met("LogFiles", databases.runtime.logFiles, meet)
      },
      firewall: FaultyServices.met("HostFirewall", databases.firewall, meet),
      manager: {
        ...databases.manager,
        open: (endpoint) =>
          Effect.map(databases.manager.open(endpoint), (session) => FaultyServices.met("Datastore", session, meet))
      }
    })
  )
}

export interface Machine {
  readonly name: string
  readonly zone: string
  readonly databases: FakeDatabases.FakeDatabases["Service"]
  readonly homes: GuestHosts["Service"]
  readonly boot: Effect.Effect<void>
  /** Something goes wrong with it, perhaps. */
  readonly trouble: () => void
  /** Nothing is wrong with it any more. */
  readonly heal: Effect.Effect<void>
}

/** A machine that has never been started. */
export const make = Effect.fnUntraced(function* (universe: Universe, name: string, addresses: string, zone: string) {
  const { access, broker, faults, story, time } = universe
  const disk: Disk = { trouble: null }
  const usedOfVolumes = new Map<string, number>()
  const lasting = yield* Layer.build(
    Layer.merge(Layer.fresh(MemoryGuestHosts.layer), Layer.fresh(FakeDatabases.layer)).pipe(
      Layer.provide([
        Layer.succeed(MemoryGuestHosts.MemoryDisk, disk),
        Layer.succeed(MemoryGuestHosts.MemoryVolumes, usedOfVolumes)
      ])
    )
  )
  const databases = Context.get(lasting, FakeDatabases.FakeDatabases)
  databases.faults.fatal = (settings) => settings["max_connections"] === fatalConnections
  const homes = Context.get(lasting, GuestHosts)
  const storage = Effect.sync(() => (disk.trouble === null ? null : `the disk of ${name} is full`))
  const homeOf = (instanceId: string) => Effect.map(Effect.option(homes.find(instanceId)), Option.flatten)
  const isFull = (instanceId: string) =>
    Effect.gen(function* () {
      const home = yield* homeOf(instanceId)
      const stats = Option.isSome(home) ? yield* home.value.disk.stats : null
      return stats !== null && stats.total - stats.used < leastRoom
    })
  /** To the last byte of what it is now. */
  const fill = (instanceId: string) =>
    Effect.map(homeOf(instanceId), (home) => {
      if (Option.isSome(home)) usedOfVolumes.set(instanceId, home.value.spec.volumeSize * gigabyte)
      databases.crash(instanceId)
    })
  let life: Life = alive()
  let running: { readonly party: Party; readonly scope: Scope.Closeable } | null = null

  const boot = Effect.gen(function* () {
    if (running !== null) return
    life = alive()
    const references = universe.references.pipe(
      Context.add(Clock.Clock, time.clockOf(life)),
      Context.add(DatabasesOutliveAgents, true)
    )
    const mine = life
    const atCall = (call: string) =>
      universe.hooks.atCall({
        process: "guest host",
        call,
        kill: () => {
          if (mine !== life || mine.over) return
          story.tell("fault", `${name} is killed: ${call}`)
          kill()
          reviveAfter(moment)
        }
      })
    const meet = FaultyServices.mortal(mine, atCall)
    const party = { name, life, references, meet }
    const scope = yield* Scope.make()
    running = { party, scope }
    story.tell("fault", `${name} starts`)
    const fabric = broker.fabricOf(party)
    const world = mortalServices(meet, troubledHomes(universe, name, life, homes), {
      ...databases,
      runtime: troubledRuntime(universe, name, life, disk, isFull, databases.runtime)
    })
    const layer = GuestHost.layer({ name, addresses, memoryMb: 4096, zone }).pipe(
      Layer.provide(Layer.merge(LocalCompute.layer, LocalInventory.layer)),
      Layer.provide([
        FakeDatabases.runtimesLayer,
        ControlPlane.probe,
        Layer.succeed(StorageProbe, storage),
        Layer.succeed(
          GuestLinks,
          GuestLinks.of({ open: (link, id) => Effect.succeed(broker.fabricOf(party, () => access.isHeard(id, link))) })
        )
      ]),
      Layer.provide(Layer.succeedContext(world)),
      Layer.provide(Layer.succeed(Fabric, fabric))
    )
    yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope).pipe(
      Effect.provideContext(references),
      Effect.orDie
    )
  })

  const kill = () => {
    if (running === null) return
    const { party, scope } = running
    running = null
    life.over = true
    broker.drop(party)
    universe.run(Scope.close(scope, Exit.void))
  }
  const reviveAfter = (millis: number) => time.after(millis, () => universe.run(boot))

  const trouble = () => {
    const [crashed] = [...databases.servers].filter(([, { running }]) => running)
    if (crashed !== undefined && faults.strikes("database crashes", `${crashed[0]} on ${name}`)) {
      databases.crash(crashed[0])
    }
    if (disk.trouble === null && faults.strikes("guest host's disk is full", name)) {
      disk.trouble = "DiskFull"
      time.after(faults.lasts("guest host's disk is full", 1_000, longestFull), () => {
        disk.trouble = null
      })
    }
    const [filled] = [...databases.servers].filter(([id, { running }]) => running && !usedOfVolumes.has(id))
    if (filled !== undefined && faults.strikes("volume is full", `${filled[0]} on ${name}`)) {
      universe.run(fill(filled[0]))
      time.after(faults.lasts("volume is full", 1_000, longestFullVolume), () => {
        usedOfVolumes.delete(filled[0])
      })
    }
    if (running === null) return
    if (faults.strikes("guest host is killed", name)) {
      kill()
      reviveAfter(faults.lasts("guest host is killed", 500, 90_000))
    } else if (faults.strikes("guest host loses its power", name)) {
      kill()
      for (const id of databases.servers.keys()) databases.crash(id)
      reviveAfter(faults.lasts("guest host loses its power", 5_000, 90_000))
    } else if (life.held === null && faults.strikes("guest host freezes", name)) {
      const frozen = life
      frozen.held = []
      time.after(faults.lasts("guest host freezes", 1_000, longestFreeze), () => thaw(frozen))
    }
    if (faults.strikes("guest host has a wrong clock", name)) {
      life.skew = faults.lasts("guest host has a wrong clock", -wrong, wrong)
    }
  }

  const heal = Effect.suspend(() => {
    life.skew = 0
    disk.trouble = null
    usedOfVolumes.clear()
    if (life.held !== null) thaw(life)
    return boot
  })

  return { name, zone, databases, homes, boot, trouble, heal } satisfies Machine as Machine
})
