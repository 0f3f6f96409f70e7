/**
 * One simulated world: a store and a broker, and the dice, the clock and the faults that everything in it goes by. What
 * lives in it is made elsewhere: taskmanagers, machines, clients.
 */
import { Clock, Context, Duration, Effect, Exit, Layer, Logger, Random, References } from "effect"
import { SecureRandom } from "effect/crypto"
import * as Lease from "../../src/layers/cluster/Lease.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as MemoryOrders from "../../src/layers/memory/MemoryOrders.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import * as InstantCrypto from "../kit/InstantCrypto.ts"
import { Access } from "./Access.ts"
import { Broker } from "./Broker.ts"
import * as Dice from "./Dice.ts"
import * as EngineTables from "./EngineTables.ts"
import { Faults } from "./Faults.ts"
import type { Outage } from "./FaultyServices.ts"
import { Leases } from "./Leases.ts"
import { Story } from "./Story.ts"
import type { VirtualTime } from "./VirtualTime.ts"
import { Witness } from "./Witness.ts"

const shared = (witness: Witness, access: Access, faults: Faults) =>
  Layer.mergeAll(
    witness.around(MemoryStore.layerOf([])),
    MemoryOrders.layer,
    EngineTables.layer((instance) => witness.isAtRest(instance)),
    access.layer(faults),
    InstantCrypto.layer
  )

/** What all processes have in common, as it is, without the troubles that each has with it. */
export type Shared = Layer.Success<ReturnType<typeof shared>>

/** Milliseconds that a taskmanager's locks last. */
export const lease = Duration.toMillis(Lease.lease)

/** What others see to, who are made later. */
interface Hooks {
  /** What clients do when they see that a process stands still. */
  whenHeldUp: () => void
  /** A process is about to make a call, and can be killed at it; answers what is to be done right after the call. */
  atCall: (call: Call) => (() => void) | undefined
}

export interface Call {
  readonly process: "taskmanager" | "guest host"
  readonly call: string
  /** Kills the process; it is started again a moment later. */
  readonly kill: () => void
}

const hooks = (): Hooks => ({ whenHeldUp: () => {}, atCall: () => undefined })

export const make = Effect.fnUntraced(function* (seed: number, time: VirtualTime) {
  const story = new Story(() => time.elapsed)
  const dice = (concern: string) => Dice.make(seed, concern)
  const faults = new Faults(dice, story)
  const witness = new Witness(story)
  const access = new Access(witness.admitted)
  const random = dice("random")
  const secure = dice("ids")
  const wide = () => Math.floor((random.next() - 0.5) * 2 * Number.MAX_SAFE_INTEGER)
  const references = Context.make(Clock.Clock, time.clock).pipe(
    Context.add(Random.Random, { nextDoubleUnsafe: random.next, nextIntUnsafe: wide }),
    Context.add(References.TracerEnabled, false),
    Context.merge(yield* Layer.build(Layer.merge(InstantCrypto.layer, Logger.layer([]))))
  )
  const world = yield* Layer.build(shared(witness, access, faults))
  const core = Context.get(yield* Layer.build(InProcessFabric.layer), Fabric)
  const outage: Outage = { until: 0 }
  let machineIds = 0
  const runFork = Effect.runForkWith(Context.merge(world, references))

  return {
    seed,
    time,
    story,
    dice,
    faults,
    witness,
    access,
    outage,
    references,
    world,
    hooks: hooks(),
    /** Ids are drawn from dice. */
    secureRandom: Layer.succeed(
      SecureRandom.SecureRandom,
      SecureRandom.make((size) => secure.bytes(size))
    ),
    broker: new Broker(core, time, faults, dice("broker")),
    leases: new Leases(() => time.now, lease),
    /** A number that no process had before. */
    number: () => ++machineIds,
    /** Goes on by itself, in this world. */
    run: (effect: Effect.Effect<void, never, Shared>) => {
      runFork(effect, { scheduler: time.scheduler }).addObserver((exit) => {
        if (Exit.isFailure(exit)) witness.wrong(`the simulation failed: ${String(exit.cause)}`)
      })
    }
  }
})

export type Universe = Effect.Success<ReturnType<typeof make>>
