/** Fabrics over a test's broker, as many as it wants, each with connections of its own as a process has them. */
import { connect } from "amqplib"
import { Context, Duration, Effect, Layer, Logger, Redacted, Schedule } from "effect"
import * as RabbitFabric from "../../src/layers/fabric/RabbitFabric.ts"
import * as NoProtection from "../../src/layers/fabric/secure/NoProtection.ts"
import { Fabric } from "../../src/services/Fabric.ts"

export interface FabricOptions extends Partial<Omit<RabbitFabric.Options, "urls">> {
  readonly url: string
  readonly server: string
}

export const fabricLayer = ({ url, ...options }: FabricOptions) =>
  RabbitFabric.layer({
    urls: [Redacted.make(url)],
    tls: {},
    names: { exchange: "trove", queues: "durable" },
    prefetch: 100,
    restricted: false,
    ...options
  }).pipe(Layer.provide(NoProtection.layer))

/** One that ends with the scope. */
export const fabricOf = (options: FabricOptions) =>
  Effect.map(Layer.build(fabricLayer(options)), (context) => ({
    ...Context.get(context, Fabric),
    health: Context.get(context, RabbitFabric.FabricHealth)
  }))

/** Looks again and again until it is so: for what tells nobody when it happens. */
export const eventually = <E>(what: string, isSo: Effect.Effect<boolean, E>, within: Duration.Input = "20 seconds") =>
  Effect.repeat(isSo, { until: (so) => so, schedule: Schedule.spaced("20 millis") }).pipe(
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => Effect.die(new Error(`not within ${Duration.format(Duration.fromInputUnsafe(within))}: ${what}`))
    }),
    Effect.asVoid
  )

/** Fabrics tell what befalls them, which is what these tests bring about. */
export const quiet = Logger.layer([])

/** A channel of somebody else's, who sends and looks as he likes. */
export const channelOf = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const connection = await connect(url)
      connection.on("error", () => {})
      const channel = await connection.createConfirmChannel()
      channel.on("error", () => {})
      return { connection, channel }
    }),
    ({ connection }) => Effect.promise(() => connection.close().catch(() => {}))
  ).pipe(Effect.map(({ channel }) => channel))
