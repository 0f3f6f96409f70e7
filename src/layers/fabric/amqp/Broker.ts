/** A connection to the broker that is made again whenever it is lost, and channels on it that come back with it. */
import type { ConfirmChannel } from "amqplib"
import { Duration, Effect, Latch, Schedule, type Scope } from "effect"
import { type BrokerLost, type BrokerOptions, type Connection, connectAny } from "./Connection.ts"

/** The pause before the next try: 0.1 s, growing, at most 3 s. */
const backOff = Schedule.min([Schedule.exponential("100 millis", 1.5), Schedule.spaced("3 seconds")]).pipe(
  Schedule.jittered
)

/** The pause after a connection was lost: a broker that takes connections and drops them is not asked at once. */
const lostPause = Duration.millis(50)

/** The pause before a channel that failed on a connection that lives is opened again. */
const channelPause = Duration.seconds(1)

export interface Broker {
  /**
   * Runs `use` on a channel, and again on a new one whenever that channel or its connection is lost, or `use` fails.
   * Interrupting it closes the channel.
   */
  readonly onChannel: (
    use: (channel: ConfirmChannel) => Effect.Effect<unknown, BrokerLost, Scope.Scope>
  ) => Effect.Effect<never>
  readonly isConnected: () => boolean
  /** Waits while the broker is connected and takes nothing that is published. */
  readonly flowing: Effect.Effect<unknown>
  readonly isFlowing: () => boolean
  /** Waits until it takes nothing. */
  readonly stopped: Effect.Effect<unknown>
}

export const make = Effect.fnUntraced(function* (options: BrokerOptions) {
  let current: Connection | null = null
  const connected = yield* Latch.make(false)

  const watch = ({ lost, stopped, flowing }: Connection) =>
    Effect.gen(function* () {
      yield* stopped
      yield* Effect.logWarning("the broker is short of memory or disk, and takes no messages")
      yield* flowing
      yield* Effect.logInfo("the broker takes messages again")
    }).pipe(Effect.forever, Effect.raceFirst(lost))

  /** Why the broker does not answer, as it was last said: once is enough. */
  let said: string | null = null
  const say = ({ reason }: BrokerLost) =>
    Effect.suspend(() => {
      if (reason === said) return Effect.void
      said = reason
      return Effect.logWarning(`the broker does not answer: ${reason}`)
    })

  /** Fails where no broker answers; ends when the connection was lost. */
  const connection = Effect.gen(function* () {
    const connection = yield* Effect.tapError(connectAny(options), say)
    said = null
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        current = null
        connected.closeUnsafe()
      })
    )
    current = connection
    connected.openUnsafe()
    yield* Effect.logInfo("connected to the broker")
    yield* Effect.catch(watch(connection), ({ reason }) => Effect.logWarning(`the broker is lost: ${reason}`))
  }).pipe(Effect.scoped)

  yield* connection.pipe(
    Effect.retry(backOff),
    Effect.andThen(Effect.sleep(lostPause)),
    Effect.forever,
    Effect.annotateLogs({ connection: options.name }),
    Effect.forkScoped
  )

  /** With the connection gone there is nothing more to say, and waiting for the next one is pause enough. */
  const pause = (connection: Connection, ...message: ReadonlyArray<unknown>) =>
    connection.isLost()
      ? Effect.sleep(lostPause)
      : Effect.andThen(Effect.logWarning(...message), Effect.sleep(channelPause))

  const onChannel: Broker["onChannel"] = (use) =>
    Effect.gen(function* () {
      yield* connected.await
      const connection = current
      if (connection === null) return
      yield* Effect.gen(function* () {
        const { channel, lost } = yield* connection.channel
        yield* Effect.raceFirst(Effect.andThen(use(channel), Effect.never), lost)
      }).pipe(
        Effect.scoped,
        Effect.catch(({ reason }) => pause(connection, `a channel of the broker was lost: ${reason}`)),
        Effect.catchDefect((defect) => pause(connection, "what was done on a channel met a bug", defect))
      )
    }).pipe(Effect.forever, Effect.annotateLogs({ connection: options.name }))

  return {
    onChannel,
    isConnected: () => current !== null,
    flowing: Effect.suspend(() => current?.flowing ?? Effect.void),
    isFlowing: () => current?.isFlowing() ?? false,
    stopped: Effect.suspend(() => current?.stopped ?? Effect.never)
  } satisfies Broker as Broker
})
