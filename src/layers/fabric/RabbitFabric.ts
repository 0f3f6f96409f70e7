/**
 * The fabric over RabbitMQ, in oslo.messaging's format: the roles as processes of their own, on many machines, among
 * Trove's own if there are any.
 */
import type { ConfirmChannel } from "amqplib"
import { Context, Effect, Latch, Layer, type Redacted, References } from "effect"
import { Fabric } from "../../services/Fabric.ts"
import * as Broker from "./amqp/Broker.ts"
import { lost, type TlsFiles } from "./amqp/Connection.ts"
import * as Publisher from "./amqp/Publisher.ts"
import { parseUrl } from "./amqp/Urls.ts"
import { declareDeadLetters } from "./DeadLetters.ts"
import * as Deadlines from "./Deadlines.ts"
import { declareExchange, type Names } from "./oslo/Topology.ts"
import { makeClient } from "./RabbitClient.ts"
import { type Liveness, makeServer } from "./RabbitServer.ts"
import type { RabbitWire } from "./RabbitWire.ts"
import { Protections } from "./secure/Protection.ts"

export interface Options {
  /** Brokers of one cluster, any of which will do. */
  readonly urls: ReadonlyArray<Redacted.Redacted>
  readonly tls: TlsFiles
  readonly names: Names
  /** oslo's server name, and the connection's as the broker's operators see it. */
  readonly server: string
  readonly prefetch: number
  /** See `RabbitWire`. */
  readonly restricted: boolean
}

/** Whether the broker answers and the servers of this process take what comes. */
export class FabricHealth extends Context.Service<
  FabricHealth,
  {
    readonly isConnected: () => boolean
    readonly servers: () => ReadonlyArray<Liveness>
  }
>()("coffer/layers/fabric/FabricHealth") {}

export const make = Effect.fnUntraced(function* ({ names, prefetch, restricted, server, tls, urls }: Options) {
  const brokers = yield* Effect.try({
    try: () => urls.flatMap(parseUrl),
    catch: (error) => error
  }).pipe(Effect.orDie)
  const listening = yield* Broker.make({ brokers, tls, name: `${server} listening` })
  const publishing = restricted ? listening : yield* Broker.make({ brokers, tls, name: `${server} publishing` })
  const deadlines = yield* Deadlines.make
  // A guest may declare nothing, and finds it all there.
  const publisher = yield* Publisher.make(publishing, deadlines, async (channel) => {
    if (!restricted) await declareExchange(channel, names)
  })
  const undeclared = yield* Latch.make(true)
  const wire: RabbitWire = {
    names,
    listening,
    publisher,
    deadlines,
    protections: yield* Protections,
    server,
    prefetch,
    restricted,
    isTraced: yield* References.TracerEnabled,
    declareDeadLetters: () => undeclared.openUnsafe()
  }
  const deadLetters = (channel: ConfirmChannel) =>
    Effect.gen(function* () {
      yield* undeclared.await
      yield* Effect.tryPromise({ try: () => declareDeadLetters(channel, names.exchange), catch: lost })
      yield* undeclared.close
    }).pipe(Effect.forever, Effect.ensuring(undeclared.open))
  if (!restricted) yield* Effect.forkScoped(publishing.onChannel(deadLetters))
  const servers = new Set<Liveness>()
  const onServe = Effect.fnUntraced(function* (liveness: Liveness) {
    yield* Effect.acquireRelease(
      Effect.sync(() => servers.add(liveness)),
      () => Effect.sync(() => servers.delete(liveness))
    )
  })
  const health = FabricHealth.of({
    isConnected: () => listening.isConnected() && publisher.isOpen(),
    servers: () => [...servers]
  })
  return { fabric: Fabric.of({ serve: makeServer(wire, onServe), client: yield* makeClient(wire) }), health }
})

export const layer = (options: Options): Layer.Layer<Fabric | FabricHealth, never, Protections> =>
  Layer.effectContext(
    Effect.map(make(options), ({ fabric, health }) =>
      Context.make(Fabric, fabric).pipe(Context.add(FabricHealth, health))
    )
  )
