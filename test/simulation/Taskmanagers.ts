/** A taskmanager with its conductor as one process that can be killed and frozen at any call, over what all share. */
import { NodeCrypto } from "@effect/platform-node"
import { Clock, Context, Duration, Effect, Layer, Option, Scope } from "effect"
import { ClusterWorkflowEngine, MachineId, RunnerAddress, Sharding, ShardingConfig, Snowflake } from "effect/cluster"
import { OperationDeadlines } from "../../src/actors/InstanceActor.ts"
import * as HostsCompute from "../../src/layers/compute/HostsCompute.ts"
import * as HostsInventory from "../../src/layers/compute/HostsInventory.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import { olderRelease } from "../kit/OlderRelease.ts"
import type { Party } from "./Broker.ts"
import * as EngineTables from "./EngineTables.ts"
import * as FaultyServices from "./FaultyServices.ts"
import { lease, type Shared, type Universe } from "./Universe.ts"
import { alive, type Life, thaw } from "./VirtualTime.ts"

/** Shorter than in service, so that a life is short. */
export const deadlines = {
  build: Duration.minutes(6),
  restart: Duration.minutes(5),
  upgrade: Duration.minutes(10),
  configure: Duration.minutes(5),
  resize: Duration.minutes(6),
  stop: Duration.minutes(5),
  start: Duration.minutes(5),
  rebuild: Duration.minutes(5),
  delete: Duration.minutes(6)
}

const compute = { command: null, queues: "durable" } as const

/** Milliseconds that a taskmanager stands still: within its lease, or for long after. */
const shortestFreeze = 2_000
export const longestFreeze = 120_000

/** Milliseconds after which it is started again where it was killed at a call. */
const moment = 500

/** Milliseconds that a taskmanager of the older release is there before one of the newer takes its place: long enough to give up. */
const [shortestUpgrade, longestUpgrade] = [10_000, 200_000]

/** Calls that are made all the time and change nothing, and those of which it matters most who makes them, and when. */
export const idle =
  /^(EngineTables|Lifecycles\.(overdue|underWay|load|prune)|Observations\.(silentSince|get)|MemoryDriver\.(unprocessed|replies|reset))/
const decisive = /^(Lifecycles\.commit|Placements\.|GuestAccess\.)/

/** How many times as likely it is that a call is the last, or the one before a long sleep. */
const weightOf = (call: string) => (idle.test(call) ? 1 : decisive.test(call) ? 80 : 15)

const start = Effect.fnUntraced(function* (universe: Universe, party: Party, address: RunnerAddress.RunnerAddress) {
  const { broker, leases, number, secureRandom } = universe
  const generator = Layer.effect(
    Snowflake.Generator,
    Effect.tap(Snowflake.makeGenerator, ({ setMachineId }) => setMachineId(MachineId.make(number())))
  )
  const engine = ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(Sharding.layer),
    Layer.provide(leases.runners),
    Layer.provideMerge(ControlPlane.messageStorage),
    Layer.provide([generator, leases.storage(party.life), leases.health]),
    Layer.provide(
      ShardingConfig.layer({
        runnerAddress: Option.some(address),
        entityTerminationTimeout: 0,
        shardLockExpiration: Duration.millis(lease),
        runnerHealthCheckInterval: Duration.seconds(20),
        entityReplyPollInterval: Duration.seconds(1),
        entityMessagePollInterval: Duration.seconds(5),
        shardsPerGroup: 4,
        simulateRemoteSerialization: false
      })
    ),
    Layer.provideMerge(Layer.mergeAll(secureRandom, NodeCrypto.layerDigest))
  )
  const layer = Layer.mergeAll(ControlPlane.roles, ControlPlane.audits([]), EngineTables.pruning).pipe(
    Layer.provideMerge(HostsInventory.layer(compute)),
    Layer.provideMerge(HostsCompute.layer(compute)),
    Layer.provideMerge(Layer.succeed(Fabric, broker.fabricOf(party))),
    Layer.provideMerge(engine)
  )
  const scope = yield* Scope.make()
  // Nobody closes the scope: who is killed runs no finalizer.
  const built = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope)
  return Context.get(built, Sharding.Sharding)
})

/** One place in which a taskmanager runs, and is started again when it was killed. */
export const make = (universe: Universe, name: string, port: number) => {
  const address = RunnerAddress.make("taskmanager", port)
  const { broker, faults, leases, outage, story, time } = universe
  let life: Life = alive()
  let party: Party | null = null
  let isOlder = false
  /** Since when it stands still, if it does. */
  let heldSince = 0

  const kill = (where: string) => {
    if (party === null || life.over) return
    life.over = true
    story.tell("fault", `${name} is killed: ${where}`)
    broker.drop(party)
    leases.leave(address)
    party = null
  }

  const reviveAfter = (millis: number) => time.after(millis, () => universe.run(boot))

  /** A call at which it may be killed, though nothing goes wrong by chance. */
  const atCall = (call: string) =>
    universe.hooks.atCall({
      process: "taskmanager",
      call,
      kill: () => {
        kill(call)
        reviveAfter(moment)
      }
    })

  const strike = (call: string) => {
    const times = weightOf(call)
    if (faults.strikes("taskmanager is killed", `${name} ${call}`, times)) {
      kill(call)
      reviveAfter(faults.lasts("taskmanager is killed", 500, 60_000))
    } else if (life.held === null && faults.strikes("taskmanager freezes", `${name} ${call}`, times)) {
      const frozen = life
      frozen.held = []
      heldSince = time.now
      universe.hooks.whenHeldUp()
      const millis = faults.lasts("taskmanager freezes", shortestFreeze, longestFreeze)
      time.after(millis, () => {
        if (frozen.over) return
        // As src/layers/cluster/Tenure.ts sees to it, before it makes another statement.
        if (millis >= lease) {
          kill("it stood still past its lease")
          reviveAfter(500)
          return
        }
        story.tell("fault", `${name} goes on`)
        thaw(frozen)
      })
    }
  }

  /** One of the older release gives its place to one of the newer, in the middle of whatever it does. */
  const upgrade = () => {
    kill("the newer release takes its place")
    reviveAfter(moment)
  }

  const boot: Effect.Effect<void, never, Shared> = Effect.gen(function* () {
    if (party !== null) return
    life = alive()
    const mine = life
    const older = "taskmanager is of the older release"
    isOlder = faults.strikes(older, name)
    if (isOlder) time.after(faults.lasts(older, shortestUpgrade, longestUpgrade), () => mine.over || upgrade())
    const references = universe.references.pipe(
      Context.add(Clock.Clock, time.clockOf(mine)),
      Context.add(OperationDeadlines, deadlines)
    )
    party = { name, life: mine, references, meet: FaultyServices.mortal(mine, atCall) }
    const member = { life: mine, references, sharding: null as Sharding.Sharding["Service"] | null }
    leases.join(address, member)
    story.tell("fault", `${name} starts`)
    const mortal = FaultyServices.mortal(mine, (call) => {
      if (mine !== life) return undefined
      strike(call)
      return atCall(call)
    })
    const troubled = FaultyServices.troubled({ faults, outage, now: () => time.now, who: name })
    const engine = FaultyServices.troubledEngine({ faults, outage, now: () => time.now, who: name })
    const world = FaultyServices.world(
      yield* Effect.context<Shared>(),
      (_, isStore) => (call, effect) =>
        mortal(
          call,
          call === "Lifecycles.load" && faults.strikes("turn dies", name)
            ? Effect.die("the turn met a bug")
            : isStore
              ? troubled(call, effect)
              : FaultyServices.isEngine(call)
                ? engine(call, effect)
                : effect
        )
    )
    const services = Context.merge(isOlder ? olderRelease(world) : world, references)
    member.sharding = yield* start(universe, party, address).pipe(Effect.provideContext(services))
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.sync(() => {
        story.tell("fault", `${name} did not start: ${String(cause)}`)
        kill("it did not start")
        reviveAfter(5_000)
      })
    )
  )

  return {
    boot,
    /** Nothing holds it up any more. */
    heal: Effect.suspend(() => {
      if (life.held !== null && time.now - heldSince >= lease) kill("it stood still past its lease")
      else if (life.held !== null) thaw(life)
      if (isOlder) kill("the newer release takes its place")
      return party === null ? boot : Effect.void
    })
  }
}
