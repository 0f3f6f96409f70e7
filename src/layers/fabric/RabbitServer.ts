/**
 * The serving side of the RabbitMQ fabric: takes the messages of one topic, in order, no more at once than it can
 * hold, and gives back what it cannot finish before it stops.
 */
import { randomUUID } from "node:crypto"
import type { ConfirmChannel, ConsumeMessage } from "amqplib"
import { Clock, Context, Deferred, Duration, Effect, Schedule, Scope } from "effect"
import type { Rpc } from "effect/rpc"
import type { Handlers } from "../../services/Contract.ts"
import { BrokerLost, lost } from "./amqp/Connection.ts"
import type { Contract } from "./ErasedContract.ts"
import { declareServer, fanoutQueue, serverQueue } from "./oslo/Topology.ts"
import { makeInbox, pingHeader } from "./RabbitInbox.ts"
import type { RabbitWire } from "./RabbitWire.ts"

/** How long a stop waits for what is in hand; the rest goes back to the broker. */
export const DrainTimeout = Context.Reference<Duration.Duration>("coffer/layers/fabric/DrainTimeout", {
  defaultValue: () => Duration.seconds(20)
})

/** How long a server may take to come up before it is left to come up behind our back. */
const startTimeout = Duration.seconds(2)

/** How long a broker may take for what it is asked at a stop. */
const stopTimeout = Duration.seconds(2)

/** How often a server sends a message to itself, which it is alive to take. */
export const pingInterval = Duration.seconds(10)
export const PingInterval = Context.Reference<Duration.Duration>("coffer/layers/fabric/PingInterval", {
  defaultValue: () => pingInterval
})

/** Whether a server takes what comes: by what it took, not by an open socket. */
export interface Liveness {
  readonly topic: string
  /** By the clock, in milliseconds. */
  readonly lastTaken: () => number
  /** How many it has taken, but for those that it sent to itself. */
  readonly count: () => number
}

interface Consuming {
  readonly channel: ConfirmChannel
  readonly tags: ReadonlyArray<string>
}

/** Whether the broker does what it is asked at a stop. It need not: it knows who is gone by the channel, too. */
const does = (ask: () => Promise<unknown>) => Effect.isSuccess(Effect.timeout(Effect.tryPromise(ask), stopTimeout))

const pingItself = Effect.fnUntraced(function* (wire: RabbitWire, topic: string) {
  const interval = yield* PingInterval
  const ping = wire.publisher.publish(
    {
      exchange: "",
      routingKey: serverQueue(topic, wire.server),
      body: Buffer.alloc(0),
      id: randomUUID(),
      headers: { [pingHeader]: wire.server },
      expiration: Duration.toMillis(interval),
      mandatory: false
    },
    interval
  )
  yield* Effect.forever(Effect.delay(Effect.ignore(ping), interval))
})

export const makeServer = (
  wire: RabbitWire,
  onServe: (liveness: Liveness) => Effect.Effect<void, never, Scope.Scope>
) =>
  Effect.fnUntraced(function* <R extends Rpc.Any>(
    topic: string,
    contract: Contract,
    handlers: Handlers<R>,
    { concurrency = 1 }: { readonly concurrency?: number } = {}
  ) {
    const clock = yield* Clock.Clock
    const drainTimeout = yield* DrainTimeout
    // Closed last: what is unacknowledged goes to others when the channel does, and we are to have let go of it.
    const consumer = yield* Scope.fork(yield* Effect.scope)
    const inbox = yield* makeInbox(wire, topic, contract, handlers, concurrency)

    const fanoutId = randomUUID().replaceAll("-", "")
    const consume = async (
      channel: ConfirmChannel,
      take: (message: ConsumeMessage) => void,
      gone: (reason: string) => void
    ): Promise<Consuming> => {
      await channel.prefetch(Math.max(wire.prefetch, concurrency))
      const queues = wire.restricted
        ? [topic]
        : await declareServer(channel, wire.names, { topic, server: wire.server, fanoutId })
      const tags: Array<string> = []
      for (const queue of queues) {
        const { consumerTag } = await channel.consume(
          queue,
          (message) => (message === null ? gone(`the queue ${queue} was deleted`) : take(message)),
          // A guest or host is one: what a second of its name took would be done in the wrong place.
          { exclusive: wire.restricted }
        )
        tags.push(consumerTag)
      }
      return { channel, tags }
    }

    /** Of two processes of one name the second serves nothing, and is to say so. */
    const isServedElsewhere = ({ reason }: BrokerLost) =>
      new BrokerLost({
        reason: reason.includes("in exclusive use")
          ? `another process serves ${topic} already, and this one serves nothing while it does: each needs a name of its own`
          : reason
      })

    let consuming: Consuming | null = null
    let isConsuming = false
    let stoppedConsuming = clock.currentTimeMillisUnsafe()
    const started = yield* Deferred.make<void>()
    const session = Effect.fnUntraced(function* (channel: ConfirmChannel) {
      // A channel that is lost during a stop is not to bring new messages.
      if (inbox.isStopping()) return yield* Effect.never
      const take = yield* inbox.onChannel(channel)
      const cancelled = yield* Deferred.make<never, BrokerLost>()
      const gone = (reason: string) => Deferred.doneUnsafe(cancelled, Effect.fail(new BrokerLost({ reason })))
      consuming = yield* Effect.tryPromise({ try: () => consume(channel, take, gone), catch: lost }).pipe(
        Effect.mapError(isServedElsewhere)
      )
      isConsuming = true
      yield* Deferred.succeed(started, undefined)
      yield* Effect.ensuring(
        Deferred.await(cancelled),
        Effect.sync(() => {
          isConsuming = false
          stoppedConsuming = clock.currentTimeMillisUnsafe()
        })
      )
    })
    yield* Effect.forkIn(wire.listening.onChannel(session), consumer)

    if (wire.restricted) {
      // It may not write to itself: that the broker counts it among the consumers must do.
      const lastConsuming = () => (isConsuming ? clock.currentTimeMillisUnsafe() : stoppedConsuming)
      yield* onServe({ topic, lastTaken: lastConsuming, count: inbox.count })
    } else {
      yield* Effect.forkScoped(pingItself(wire, topic))
      yield* onServe({ topic, lastTaken: inbox.lastTaken, count: inbox.count })
    }

    // Runs before the fibers above are interrupted: nothing new is taken, and what is in hand is finished.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        inbox.stop()
        const now = consuming
        const isHeard = now !== null && (yield* does(() => Promise.all(now.tags.map((tag) => now.channel.cancel(tag)))))
        yield* inbox.giveBackWaiting
        const idle = Effect.repeat(Effect.sync(inbox.isIdle), {
          until: (isIdle) => isIdle,
          schedule: Schedule.spaced("5 millis")
        })
        yield* Effect.ignore(Effect.timeout(idle, drainTimeout))
        if (isHeard && !wire.restricted) yield* does(() => now.channel.deleteQueue(fanoutQueue(topic, fanoutId)))
      })
    )
    yield* Effect.ignore(Effect.timeout(Deferred.await(started), startTimeout))
  })
