/**
 * Compute on this very machine: a server is a home (a folder) and a guest agent that runs in this process.
 * A start is like a reboot: the agents of all homes are started, and adopt the databases they find.
 */
import { Context, Effect, Exit, Layer, Option, Scope, Semaphore } from "effect"
import type { DatabaseRuntimeShape, RuntimeError } from "../../guest/DatabaseRuntime.ts"
import type { DatastoreManager } from "../../guest/DatastoreManager.ts"
import * as GuestAgent from "../../guest/GuestAgent.ts"
import { GuestNotes } from "../../guest/GuestNotes.ts"
import type { DatastoreManagerName } from "../../services/Catalog.ts"
import { Compute, ComputeError } from "../../services/Compute.ts"
import { Fabric } from "../../services/Fabric.ts"
import { type GuestHome, GuestHosts } from "./GuestHosts.ts"

/** What this machine can run databases with. */
export class LocalRuntimes extends Context.Service<
  LocalRuntimes,
  {
    readonly byKind: (kind: GuestHome["runtime"]) => DatabaseRuntimeShape | undefined
    /** The kind that a new database of this manager gets. */
    readonly choose: (manager: DatastoreManagerName) => GuestHome["runtime"]
    readonly managers: ReadonlyArray<DatastoreManager>
  }
>()("coffer/layers/embedded/LocalRuntimes") {}

const asComputeError = ({ detail, message, transient }: RuntimeError) =>
  new ComputeError({ message, detail, transient })

const make = Effect.gen(function* () {
  const hosts = yield* GuestHosts
  const runtimes = yield* LocalRuntimes
  const fabric = yield* Fabric
  const agents = new Map<string, { readonly home: GuestHome; readonly scope: Scope.Closeable }>()
  const turn = yield* Semaphore.make(1)

  const managerOf = (name: DatastoreManagerName) =>
    runtimes.managers.find(({ datastores }) => datastores.includes(name))

  const unusable = (message: string) => new ComputeError({ message, detail: "", transient: false })

  const startAgent = Effect.fnUntraced(function* (home: GuestHome) {
    if (agents.has(home.spec.instanceId)) return
    const runtime = runtimes.byKind(home.runtime)
    const manager = managerOf(home.spec.manager)
    if (manager === undefined) return yield* unusable(`Databases of kind ${home.spec.manager} cannot be run here.`)
    if (runtime === undefined)
      return yield* unusable(`This database was made for ${home.runtime}, which does not answer.`)
    const scope = yield* Scope.make()
    agents.set(home.spec.instanceId, { home, scope })
    yield* GuestAgent.start({ spec: home.spec, volume: home.volume, runtime, manager }).pipe(
      Effect.provideService(GuestNotes, home.notes),
      Effect.provideService(Fabric, fabric),
      Scope.provide(scope)
    )
  })

  const stopAgent = Effect.fnUntraced(function* (instanceId: string) {
    const agent = agents.get(instanceId)
    if (agent === undefined) return
    agents.delete(instanceId)
    yield* Scope.close(agent.scope, Exit.void)
  })

  yield* Effect.forEach(
    yield* hosts.list,
    (home) =>
      startAgent(home).pipe(
        Effect.catch((error) =>
          Effect.logError(error.message).pipe(Effect.annotateLogs("instance", home.spec.instanceId))
        )
      ),
    { discard: true }
  )

  // A clean stop takes the databases along; the next start brings them back.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(
      [...agents.values()],
      Effect.fnUntraced(function* ({ home }) {
        yield* stopAgent(home.spec.instanceId)
        const runtime = runtimes.byKind(home.runtime)
        const manager = managerOf(home.spec.manager)
        if (runtime === undefined || manager === undefined) return
        const adminPassword = yield* home.notes.adminPassword
        yield* runtime
          .stop(GuestAgent.databaseOf({ spec: home.spec, volume: home.volume, runtime, manager }, adminPassword))
          .pipe(Effect.catch((error) => Effect.logError(`${error.message} ${error.detail}`)))
      }),
      { concurrency: 16, discard: true }
    )
  )

  return Compute.of({
    portOf: (name) => managerOf(name)?.port ?? 0,
    ensure: Effect.fn("LocalCompute.ensure")(function* (spec) {
      const home = yield* hosts.ensure(spec, runtimes.choose(spec.manager))
      yield* turn.withPermits(1)(startAgent(home))
    }),
    destroy: Effect.fn("LocalCompute.destroy")(function* (id) {
      const home = agents.get(id)?.home ?? Option.getOrUndefined(yield* hosts.find(id))
      yield* stopAgent(id)
      if (home !== undefined) {
        const runtime = runtimes.byKind(home.runtime)
        if (runtime === undefined) {
          const message = `The database cannot be removed: it was made for ${home.runtime}, which does not answer.`
          return yield* new ComputeError({ message, detail: "", transient: true })
        }
        yield* Effect.mapError(runtime.remove(id, home.volume), asComputeError)
      }
      yield* hosts.remove(id)
    })
  })
})

export const layer: Layer.Layer<Compute, never, GuestHosts | LocalRuntimes | Fabric> = Layer.effect(Compute, make)
