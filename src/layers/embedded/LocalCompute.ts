/**
 * Compute on this very machine: a server is a home (a folder) and a guest agent that runs in this process, with a
 * way into the fabric of its own. A start is like a reboot: the agents of all homes are started, and adopt the
 * databases they find. One that cannot be started keeps nobody else from it, and is tried again.
 */
import { Duration, Effect, Exit, Layer, Option, RcMap, Scope, Semaphore } from "effect"
import { RuntimeError } from "../../guest/DatabaseRuntime.ts"
import * as GuestAgent from "../../guest/GuestAgent.ts"
import { GuestNotes } from "../../guest/GuestNotes.ts"
import { type FirewallError, HostFirewall } from "../../guest/HostFirewall.ts"
import type { ServerSize } from "../../guest/Sizing.ts"
import type { VolumeRoom } from "../../guest/VolumeRoom.ts"
import type { DatastoreManagerName } from "../../services/Catalog.ts"
import { Compute, ComputeError } from "../../services/Compute.ts"
import type { DiskError } from "../../services/Disk.ts"
import { Fabric } from "../../services/Fabric.ts"
import { type GuestHome, GuestHosts, type GuestHostsError, isSameLink } from "./GuestHosts.ts"
import { type GuestLinkError, GuestLinks } from "./GuestLinks.ts"
import { HostFitness } from "./HostFitness.ts"
import { LocalRuntimes } from "./LocalRuntimes.ts"
import { PortProbe } from "./PortProbe.ts"
import type { VolumeError } from "./Volumes.ts"

/** How often agents that could not be started are tried again. */
export const tryAgainInterval = Duration.seconds(5)

/** How many agents are started, or stopped with their databases, at once. */
export const atOnce = 16

const asComputeError = ({ detail, message, transient }: RuntimeError) =>
  new ComputeError({ message, detail, transient })

const unusableHome = ({ detail }: GuestHostsError) =>
  new ComputeError({ message: "The storage of the instance cannot be used.", detail, transient: true })

const unusableVolume = (error: VolumeError | DiskError) =>
  new ComputeError({ message: error.message, detail: error.detail, transient: true })

const unwritable = ({ detail, message }: DiskError) => new ComputeError({ message, detail, transient: true })

const unusableLink = ({ detail }: GuestLinkError) =>
  new ComputeError({ message: "The guest of the instance has no way to the others.", detail, transient: true })

/** The volume as the home's agent sees it. */
const roomOf = ({ disk }: GuestHome): VolumeRoom => ({
  ...disk,
  ready: Effect.mapError(disk.mount, ({ detail, message }) => new RuntimeError({ message, detail, transient: true }))
})
const stillGuarded = ({ detail }: FirewallError) =>
  new ComputeError({ message: "Who reached the database could not be forgotten.", detail, transient: true })

const irremovableHome = ({ detail }: GuestHostsError) =>
  new ComputeError({ message: "The storage of the instance could not be removed.", detail, transient: true })

interface Agent {
  readonly home: GuestHome
  readonly scope: Scope.Closeable
  readonly learn: (size: ServerSize) => Effect.Effect<void>
}

const make = Effect.gen(function* () {
  const hosts = yield* GuestHosts
  const runtimes = yield* LocalRuntimes
  const links = yield* GuestLinks
  const canListen = yield* PortProbe
  const firewall = yield* HostFirewall
  const agents = new Map<string, Agent>()
  /** Homes whose agent has yet to be started. */
  const waiting = new Map<string, GuestHome>()
  const locks = yield* RcMap.make({ lookup: (_instanceId: string) => Semaphore.make(1) })
  /** What concerns one instance is done one at a time: nothing comes to life behind the back of its removal. */
  const inTurn = <A, E>(instanceId: string, work: Effect.Effect<A, E>) =>
    Effect.scoped(Effect.flatMap(RcMap.get(locks, instanceId), (lock) => lock.withPermits(1)(work)))

  const managerOf = (name: DatastoreManagerName) =>
    runtimes.managers.find(({ datastores }) => datastores.includes(name))

  const openAgent = Effect.fnUntraced(function* (home: GuestHome, scope: Scope.Scope) {
    const runtime = runtimes.byKind(home.runtime)
    const manager = managerOf(home.spec.manager)
    if (manager === undefined) {
      const message = `Databases of kind ${home.spec.manager} cannot be run here.`
      return yield* new ComputeError({ message, detail: "", transient: false })
    }
    if (runtime === undefined) {
      const message = `This database was made for ${home.runtime}, which does not answer.`
      return yield* new ComputeError({ message, detail: "", transient: true })
    }
    const { disk, link, notes, replayFloor, spec, volume } = home
    yield* Effect.mapError(disk.mount, unusableVolume)
    return yield* Effect.gen(function* () {
      const fabric = yield* Effect.mapError(links.open(link, spec.instanceId, replayFloor), unusableLink)
      return yield* GuestAgent.start({ spec, volume, room: roomOf(home), runtime, manager }).pipe(
        Effect.provideService(GuestNotes, notes),
        Effect.provideService(Fabric, fabric),
        Effect.provideService(HostFirewall, firewall),
        Effect.mapError(unwritable)
      )
    }).pipe(
      Scope.provide(scope),
      // A guest fails with its disk; the others go on.
      Effect.catchDefect((defect) => {
        const message = "The guest of the instance could not be started."
        return Effect.fail(new ComputeError({ message, detail: String(defect), transient: true }))
      })
    )
  })

  const endAgent = Effect.fnUntraced(function* (instanceId: string) {
    waiting.delete(instanceId)
    const agent = agents.get(instanceId)
    if (agent === undefined) return
    agents.delete(instanceId)
    yield* Scope.close(agent.scope, Exit.void)
  })

  /** The agent runs after this, with this link, or is one of those that wait. */
  const startAgent = (home: GuestHome) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const running = agents.get(home.spec.instanceId)
        if (running !== undefined && isSameLink(running.home.link, home.link)) {
          yield* running.learn(home.spec)
          agents.set(home.spec.instanceId, { ...running, home })
          return
        }
        yield* endAgent(home.spec.instanceId)
        waiting.set(home.spec.instanceId, home)
        const scope = yield* Scope.make()
        const learn = yield* Effect.onError(restore(openAgent(home, scope)), () => Scope.close(scope, Exit.void))
        waiting.delete(home.spec.instanceId)
        agents.set(home.spec.instanceId, { home, scope, learn })
      })
    )

  const startOne = (instance: string, tell: (text: string) => Effect.Effect<void>) =>
    inTurn(
      instance,
      Effect.suspend(() => {
        // Removed, perhaps, or given another link, before it had its turn.
        const home = waiting.get(instance)
        if (home === undefined) return Effect.void
        return startAgent(home).pipe(
          Effect.catch(({ detail, message }) => tell(`${message} ${detail}`)),
          Effect.annotateLogs({ instance, volume: home.volume })
        )
      })
    )

  const startWaiting = (tell: (text: string) => Effect.Effect<void>) =>
    Effect.suspend(() =>
      Effect.forEach([...waiting.keys()], (instance) => startOne(instance, tell), {
        concurrency: atOnce,
        discard: true
      })
    )

  /** It does not run after this. */
  const stopDatabase = Effect.fnUntraced(function* (home: GuestHome) {
    const runtime = runtimes.byKind(home.runtime)
    const manager = managerOf(home.spec.manager)
    if (runtime === undefined || manager === undefined) {
      const message = `The database cannot be stopped: it was made for ${home.runtime}, which does not answer.`
      return yield* new ComputeError({ message, detail: "", transient: true })
    }
    const adminPassword = yield* Effect.mapError(home.notes.adminPassword, unwritable)
    const database = GuestAgent.databaseOf({ spec: home.spec, volume: home.volume, manager }, adminPassword, {})
    yield* Effect.mapError(runtime.stop(database), asComputeError)
  })

  // A clean stop takes the databases along, unless they outlive us; the next start brings them back.
  const outliveUs = yield* GuestAgent.DatabasesOutliveAgents
  yield* Effect.addFinalizer(() =>
    Effect.forEach(
      [...agents.values()],
      ({ home }) => {
        const end = endAgent(home.spec.instanceId)
        // Whoever removes the folder of what has ended finds nothing mounted in it.
        const letGo = Effect.catch(home.disk.unmount, ({ detail, message }) => Effect.logError(`${message} ${detail}`))
        // What still runs is guarded still.
        const stop = Effect.andThen(stopDatabase(home), firewall.forget(home.spec.instanceId)).pipe(
          // The others are stopped all the same.
          Effect.catchCause((cause) => Effect.logError("a database could not be stopped", cause))
        )
        const all = Effect.andThen(end, Effect.andThen(stop, letGo))
        return inTurn(home.spec.instanceId, outliveUs ? end : all)
      },
      { concurrency: atOnce, discard: true }
    )
  )

  for (const home of yield* hosts.list) waiting.set(home.spec.instanceId, home)
  const guards = yield* Effect.forEach([...waiting.values()], ({ notes, spec: { address, instanceId, manager } }) =>
    notes.access.pipe(
      // Nobody comes in where it cannot be told who may.
      Effect.catchDefect(() => Effect.succeed([`${address}/32`])),
      Effect.map((networks) => ({ instanceId, address, port: managerOf(manager)?.port ?? 0, networks }))
    )
  )
  // Before any of them can be reached. Where it cannot be done, each that is guarded waits for it.
  yield* Effect.catch(firewall.rebuild(guards), ({ detail, message }) => Effect.logError(`${message} ${detail}`))
  yield* startWaiting((text) => Effect.logError(text))
  // It was told at the start, and is not told every few seconds.
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.delay(
        startWaiting((text) => Effect.logDebug(text)),
        tryAgainInterval
      )
    )
  )

  /** What is left of a server whose home is gone, or was never whole. An engine that does not answer has none. */
  const removeStray = Effect.fnUntraced(function* (id: string) {
    const volume = hosts.volumeOf(id)
    for (const kind of ["docker", "process"] as const) {
      const runtime = runtimes.byKind(kind)
      if (runtime === undefined) continue
      const found = yield* Effect.option(runtime.list(hosts.root))
      if (Option.exists(found, (volumes) => volumes.includes(volume)))
        yield* Effect.mapError(runtime.remove(id, volume), asComputeError)
    }
  })

  /** Before the home tells of it: a size that is told is there. */
  const growVolume = Effect.fnUntraced(function* (home: GuestHome, size: number) {
    if (size <= home.spec.volumeSize) return
    if (yield* Effect.mapError(home.disk.grow(size), unusableVolume)) return
    yield* Effect.logInfo("the database is stopped, so that its volume can grow").pipe(
      Effect.annotateLogs({ instance: home.spec.instanceId })
    )
    yield* endAgent(home.spec.instanceId)
    // Whatever becomes of this, its agent is started again.
    waiting.set(home.spec.instanceId, home)
    // What is in use is not grown behind its back: a container keeps a mount of its own.
    yield* stopDatabase(home)
    yield* Effect.mapError(home.disk.growStopped(size), unusableVolume)
  })

  return Compute.of({
    portOf: (name) => managerOf(name)?.port ?? 0,
    isFree: (_host, address, port) => canListen(address, port),
    ensure: Effect.fn("LocalCompute.ensure")(
      function* (spec, link) {
        const known = yield* Effect.mapError(hosts.find(spec.instanceId), unusableHome)
        if (Option.isSome(known)) yield* growVolume(known.value, spec.volumeSize)
        const home = yield* Effect.mapError(hosts.ensure(spec, link, runtimes.choose(spec.manager)), (error) =>
          error._tag === "DiskError" ? unwritable(error) : unusableHome(error)
        )
        yield* startAgent(home)
      },
      (work, { instanceId }) => inTurn(instanceId, work)
    ),
    destroy: Effect.fn("LocalCompute.destroy")(
      function* (id) {
        const home = agents.get(id)?.home ?? Option.getOrUndefined(yield* Effect.mapError(hosts.find(id), unusableHome))
        yield* endAgent(id)
        if (home !== undefined) {
          const runtime = runtimes.byKind(home.runtime)
          if (runtime === undefined) {
            const message = `The database cannot be removed: it was made for ${home.runtime}, which does not answer.`
            return yield* new ComputeError({ message, detail: "", transient: true })
          }
          yield* Effect.mapError(runtime.remove(id, home.volume), asComputeError)
        } else yield* removeStray(id)
        yield* Effect.mapError(firewall.forget(id), stillGuarded)
        yield* Effect.mapError(hosts.remove(id), irremovableHome)
      },
      (work, id) => inTurn(id, work)
    )
  })
})

/** With what a host must know of itself before it asks for more to do. */
export const layer: Layer.Layer<Compute | HostFitness, never, GuestHosts | LocalRuntimes | GuestLinks> = Layer.merge(
  Layer.effect(Compute, make),
  HostFitness.layer
)
