/**
 * A control plane with many machines on virtual time: taskmanager and conductor over the store in memory, hosts that
 * are asked over the fabric, each with databases that are fake. Hosts come, go, and come back with what was on them.
 */
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { MessageStorage } from "effect/cluster"
import * as HostsCompute from "../../src/layers/compute/HostsCompute.ts"
import * as HostsInventory from "../../src/layers/compute/HostsInventory.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import { GuestLinks } from "../../src/layers/embedded/GuestLinks.ts"
import * as LocalCompute from "../../src/layers/embedded/LocalCompute.ts"
import * as LocalInventory from "../../src/layers/embedded/LocalInventory.ts"
import * as GuestHost from "../../src/layers/guesthost/GuestHost.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import * as MemoryOrders from "../../src/layers/memory/MemoryOrders.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestAccess } from "../../src/services/GuestAccess.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { AccessInventory } from "../../src/services/Inventories.ts"
import * as FakeDatabases from "./FakeDatabases.ts"
import * as InstantCrypto from "./InstantCrypto.ts"
import * as World from "./World.ts"

/** The key that a guest is given. */
export const keyOf = (instance: string) => `key-of-${instance}`

/** Who may enter the fabric now. */
export class Admitted extends Context.Service<
  Admitted,
  {
    readonly instances: Set<string>
    /** What happens at the moment that one is admitted. Change it in the middle of a test. */
    meanwhile: Effect.Effect<void>
  }
>()("coffer/test/Fleet/Admitted") {
  static readonly layer = Layer.sync(Admitted, () => ({ instances: new Set<string>(), meanwhile: Effect.void }))
}

const access = Layer.effect(
  GuestAccess,
  Effect.map(Admitted, (admitted) =>
    GuestAccess.of({
      grant: (id, protocol) =>
        Effect.gen(function* () {
          admitted.instances.add(id)
          yield* admitted.meanwhile
          const url = Redacted.make(`amqp://${id}:password@broker`)
          return { urls: [url], controlExchange: "trove", declares: false, protocol, key: Redacted.make(keyOf(id)) }
        }),
      revoke: (id) => Effect.sync(() => void admitted.instances.delete(id))
    })
  )
)

const compute = HostsCompute.layer({ command: null, queues: "durable" }).pipe(Layer.provide(MemoryOrders.layer))

const accessInventory = Layer.effect(
  AccessInventory,
  Effect.map(Admitted, ({ instances }) =>
    AccessInventory.of({
      all: Effect.sync(() => ({
        covers: ["login" as const],
        found: [...instances].map((id) => ({ resource: "login" as const, instance: InstanceId.make(id), since: null }))
      })),
      restore: (id) => Effect.sync(() => instances.add(id).has(id))
    })
  )
)

const layer = World.controlPlane(
  Layer.mergeAll(compute, HostsInventory.layer({ command: null, queues: "durable" }), access, accessInventory),
  []
).pipe(
  Layer.provideMerge(
    Layer.mergeAll(MemoryStore.layerOf([]), MessageStorage.MemoryDriver.layer, InstantCrypto.layer, Admitted.layer)
  )
)

export type Fleet = Layer.Success<typeof layer>

/** Runs a test in a fleet of its own, which has no host yet. */
export const run = <A, E>(test: Effect.Effect<A, E, Fleet | Scope.Scope>) =>
  Effect.andThen(World.passes("200 millis"), test).pipe(Effect.scoped, Effect.provide(layer))

/** One machine, with what is on its disk. */
export interface Machine {
  readonly databases: FakeDatabases.FakeDatabases["Service"]
  readonly homes: GuestHosts["Service"]
  /** The keys with which its guests have come into the fabric, by instance. */
  readonly keys: ReadonlyMap<string, string | undefined>
  /** Boots it. */
  readonly start: Effect.Effect<void, GuestHost.GuestHostInvalid>
  /** A power cut: nothing of it answers any more. */
  readonly cut: Effect.Effect<void>
}

/** A machine that has never been started. */
export const machine = Effect.fnUntraced(function* (name: string, addresses: string, memoryMb = 4096, zone?: string) {
  const fabric = yield* Fabric
  const disk = yield* Layer.build(Layer.merge(Layer.fresh(MemoryGuestHosts.layer), Layer.fresh(FakeDatabases.layer)))
  const databases = Context.get(disk, FakeDatabases.FakeDatabases)
  const keys = new Map<string, string | undefined>()
  let power: Scope.Closeable | undefined

  const links = Layer.succeed(
    GuestLinks,
    GuestLinks.of({
      open: (link, id) =>
        Effect.gen(function* () {
          keys.set(id, link === null ? undefined : Redacted.value(link.key))
          yield* Effect.addFinalizer(() => Effect.sync(() => keys.delete(id)))
          return fabric
        })
    })
  )
  const host = GuestHost.layer({ name, addresses, memoryMb, ...(zone === undefined ? {} : { zone }) }).pipe(
    Layer.provide([Layer.fresh(LocalCompute.layer), LocalInventory.layer]),
    Layer.provide([Layer.fresh(FakeDatabases.runtimesLayer), Layer.fresh(World.probe), links]),
    Layer.provide(Layer.succeedContext(disk)),
    Layer.provide(Layer.succeed(Fabric, fabric))
  )
  const cut = Effect.suspend(() => {
    const scope = power
    power = undefined
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  })
  const start = Effect.gen(function* () {
    power = yield* Scope.make()
    yield* Layer.buildWithScope(Layer.fresh(host), power)
  })
  yield* Effect.addFinalizer(() => cut)
  const found: Machine = { databases, homes: Context.get(disk, GuestHosts), keys, start, cut }
  return found
})
