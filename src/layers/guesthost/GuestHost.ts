/**
 * A guest host: the process of one machine that databases run on. It has the servers that it is told to have, each
 * with an agent of its own, and tells the conductor that it is alive and what it can hold, for as long as it can run
 * databases. It knows nothing of the control plane but its messages.
 */
import { Clock, Effect, Layer, RcMap, Schedule, Schema, Semaphore } from "effect"
import { HostFirewall } from "../../guest/HostFirewall.ts"
import { Compute, ComputeError } from "../../services/Compute.ts"
import { ConductorApi, conductorTopic, HostName } from "../../services/ConductorApi.ts"
import { Fabric } from "../../services/Fabric.ts"
import { GuestHostApi, guestHostTopic } from "../../services/GuestHostApi.ts"
import { hostReportInterval } from "../../services/GuestHostDirectory.ts"
import { InstanceId } from "../../services/Ids.ts"
import { ServerInventory } from "../../services/Inventories.ts"
import { hostProblem } from "../../services/Placing.ts"
import { defaultZone } from "../../services/Zones.ts"
import { HostFitness } from "../embedded/HostFitness.ts"
import * as NewestOrders from "./NewestOrders.ts"

export interface Options {
  /** What this host is called; no other may be called so. */
  readonly name: string
  /** The IPv4 network that its databases listen on, "10.9.0.0/16". */
  readonly addresses: string
  /** What its databases may have together. */
  readonly memoryMb: number
  /** The availability zone that it is in; with nothing, the default one. */
  readonly zone?: string
  /** Where it keeps how far orders have come; with nothing, it forgets that with its process. */
  readonly orders?: NewestOrders.OrderFloor
}

/** The host is set up so that it can have no database. */
export class GuestHostInvalid extends Schema.TaggedError<GuestHostInvalid>()("GuestHostInvalid", {
  reason: Schema.String
}) {
  override get message() {
    return `This machine cannot run databases: ${this.reason}.`
  }
}

const refuse = (detail: string) =>
  new ComputeError({ message: "The machine of the database refused what it was asked.", detail, transient: false })

/** Whoever gave it was replaced, or has asked again: nobody waits for this one. */
const tooLate = new ComputeError({
  message: "The machine of the database was asked something newer meanwhile.",
  detail: "a newer order for the same server has come since",
  transient: true
})

const isHostName = Schema.is(HostName)
const isInstanceId = Schema.is(InstanceId)

/** Whether the machine can take another database now; why it cannot is told once, and that it can again. */
const makeIsFit = Effect.gen(function* () {
  const fitness = yield* HostFitness
  let told: string | null = null
  return Effect.gen(function* () {
    const obstacle = yield* fitness.obstacle
    if (obstacle !== told) {
      told = obstacle
      yield* obstacle === null
        ? Effect.logInfo("this machine can take databases again")
        : Effect.logError(`this machine can take no database now, and asks for none: ${obstacle}`)
    }
    return obstacle === null
  })
})

/** Whether the machine can keep clients out of its databases; why it cannot is told once. */
const makeCanGuard = Effect.gen(function* () {
  const firewall = yield* HostFirewall
  let told: string | null = null
  return Effect.gen(function* () {
    const obstacle = yield* firewall.obstacle
    if (obstacle !== told && obstacle !== null)
      yield* Effect.logWarning(`this machine cannot restrict who reaches its databases (allowed_cidrs): ${obstacle}`)
    told = obstacle
    return obstacle === null
  })
})

const serve = Effect.fnUntraced(function* ({
  addresses,
  memoryMb,
  name,
  orders = NewestOrders.unkept,
  zone = defaultZone
}: Options) {
  if (!isHostName(name)) return yield* new GuestHostInvalid({ reason: `no host can be called ${JSON.stringify(name)}` })
  const problem = hostProblem({ addresses, name })
  if (problem !== null) return yield* new GuestHostInvalid({ reason: problem })

  const fabric = yield* Fabric
  const compute = yield* Compute
  const inventory = yield* ServerInventory
  // A removal waits for what makes the same server, also if nobody waits for that any more: nothing comes back.
  const locks = yield* RcMap.make({ lookup: (_id: string) => Semaphore.make(1) })
  const newest = yield* NewestOrders.make(orders)
  const inTurn = (id: string, order: number | undefined, work: Effect.Effect<void, ComputeError>) =>
    Effect.gen(function* () {
      if (order !== undefined) yield* newest.hear(id, order)
      const ifNewest = Effect.suspend(() =>
        order !== undefined && newest.isLate(id, order) ? Effect.fail(tooLate) : work
      )
      const lock = yield* RcMap.get(locks, id)
      yield* lock.withPermits(1)(ifNewest)
    }).pipe(Effect.scoped)

  yield* fabric.serve(guestHostTopic(name), GuestHostApi, {
    ensure: Effect.fnUntraced(function* ({ link, order, spec }) {
      if (spec.host !== name) return yield* refuse(`${name} was asked for a server of ${spec.host}`)
      if (!isInstanceId(spec.instanceId)) return yield* refuse("no instance id")
      yield* inTurn(spec.instanceId, order, compute.ensure(spec, link))
    }),
    destroy: Effect.fnUntraced(function* ({ instance_id: id, order }) {
      if (!isInstanceId(id)) return yield* refuse("no instance id")
      yield* inTurn(id, order, compute.destroy(id, name))
    }),
    is_free: ({ address, port }) => Effect.orDie(compute.isFree(name, address, port)),
    inventory: Effect.fnUntraced(function* ({ after, limit }) {
      const { covers, servers } = yield* inventory.of(name)
      const rest = servers.filter(({ instance }) => after === null || instance > after)
      return { covers, servers: rest.slice(0, limit), more: rest.length > limit }
    })
  })

  const conductor = fabric.client(conductorTopic, ConductorApi)
  const isFit = yield* makeIsFit
  const canGuard = yield* makeCanGuard
  const report = Effect.gen(function* () {
    // Its silence is heard: it is placed upon no more.
    if (!(yield* isFit)) return
    const now = yield* Clock.currentTimeMillis
    const guards = yield* canGuard
    yield* conductor.host_report({ name, addresses, memory_mb: memoryMb, guards, zone, sent: now / 1000 })
  }).pipe(Effect.catch((error) => Effect.logDebug(`the next report will tell: ${error.message}`)))
  yield* Effect.forkScoped(Effect.repeat(report, Schedule.spaced(hostReportInterval)))
})

/** Serves until the scope closes. */
export const layer = (
  options: Options
): Layer.Layer<never, GuestHostInvalid, Fabric | Compute | HostFitness | ServerInventory> =>
  Layer.effectDiscard(serve(options))
