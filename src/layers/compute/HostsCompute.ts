/**
 * Compute on many machines: the guest host of a server is asked over the fabric; servers for Trove's agents are
 * made by a program of the operator.
 */
import { Effect, Layer } from "effect"
import type { DatastoreManagerName } from "../../services/Catalog.ts"
import { Compute, ComputeError } from "../../services/Compute.ts"
import { diskMessageOr } from "../../services/Disk.ts"
import { Fabric, FabricError } from "../../services/Fabric.ts"
import { GuestHostApi, guestHostTopic, serverPatience } from "../../services/GuestHostApi.ts"
import { Orders } from "../../services/Orders.ts"
import { isCommandHost } from "../../services/Placing.ts"
import * as CommandCompute from "./CommandCompute.ts"

/** No manager is here to be asked. */
const ports: Record<DatastoreManagerName, number> = { postgresql: 5432, mariadb: 3306, mysql: 3306 }

/** What was asked may have happened all the same: everything is ensured, and asked again. */
const unreachable = (error: FabricError) =>
  new ComputeError({
    message: diskMessageOr(error.reason, "The machine of the database cannot be reached."),
    detail: error.message,
    transient: true
  })

/**
 * Asks a host for a server, or for none, for as long as the step can wait. Who was killed while it worked on that, or
 * stands still, gives no sign of life: it is asked again, with a number that makes what it has in hand still a late order.
 */
const insist = (topic: string, method: string, ask: Effect.Effect<void, ComputeError | FabricError>) =>
  ask.pipe(
    Effect.retry({ while: (error) => error._tag === "FabricError" && error.reason === "Timeout" }),
    Effect.timeoutOrElse({
      duration: serverPatience,
      orElse: () => Effect.fail(new FabricError({ reason: "Timeout", topic, method, detail: "" }))
    }),
    Effect.catchTag("FabricError", unreachable)
  )

const make = Effect.gen(function* () {
  const fabric = yield* Fabric
  const command = yield* CommandCompute.CommandCompute
  const orders = yield* Orders
  const askHost = (name: string) => fabric.client(guestHostTopic(name), GuestHostApi)

  return Compute.of({
    portOf: (manager) => ports[manager],
    // The operator's range is the operator's: nobody else listens there.
    isFree: Effect.fn("HostsCompute.isFree")(function* (host, address, port) {
      if (isCommandHost(host)) return true
      return yield* Effect.mapError(askHost(host).is_free({ address, port }), unreachable)
    }),
    ensure: Effect.fn("HostsCompute.ensure")(function* (spec, link) {
      // Also for the program: who draws a number has not been replaced.
      if (spec.agent === "trove") return yield* Effect.andThen(orders.next, command.ensure(spec, link))
      const { ensure } = askHost(spec.host)
      const ask = Effect.flatMap(orders.next, (order) => ensure({ spec, link, order }))
      yield* insist(guestHostTopic(spec.host), "ensure", ask)
    }),
    destroy: Effect.fn("HostsCompute.destroy")(function* (id, host) {
      if (isCommandHost(host)) return yield* Effect.andThen(orders.next, command.destroy(id))
      const { destroy } = askHost(host)
      const ask = Effect.flatMap(orders.next, (order) => destroy({ instance_id: id, order }))
      yield* insist(guestHostTopic(host), "destroy", ask)
    })
  })
})

export interface Settings {
  /** The operator's program that makes servers for Trove's agents; null where there is none. */
  readonly command: CommandCompute.Settings["command"] | null
  readonly queues: CommandCompute.Settings["queues"]
}

export const commandLayer = ({ command, queues }: Settings) =>
  command === null ? CommandCompute.none : CommandCompute.layer({ command, queues })

export const layer = (settings: Settings): Layer.Layer<Compute, never, Fabric | Orders> =>
  Layer.effect(Compute, make).pipe(Layer.provide(commandLayer(settings)))
