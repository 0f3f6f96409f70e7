/**
 * One connection to a broker, and channels on it, each from its first byte to its last. Whatever amqplib says of them
 * is heard at all times, for an "error" that nobody hears ends the process; and nothing outlives its scope, neither
 * what was still being opened when that closed, nor the socket of a broker that answers no more.
 * The sockets go without Nagle's algorithm, which costs 40 ms a call.
 */
import type { EventEmitter } from "node:events"
import { type ChannelModel, type ConfirmChannel, connect } from "amqplib"
import { Deferred, Duration, Effect, Latch, Random, Redacted, Schema, type Scope } from "effect"
import type { BrokerAddress } from "./Urls.ts"

export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

export interface BrokerOptions {
  readonly brokers: ReadonlyArray<BrokerAddress>
  readonly tls: TlsFiles
  /** As the broker's operators see the connection. */
  readonly name: string
}

/** The broker, or our channel on it, is gone. */
export class BrokerLost extends Schema.TaggedError<BrokerLost>()("BrokerLost", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** How long a broker may take to accept a connection or a channel, and to show that it lives. */
const openTimeout = Duration.seconds(5)
const heartbeat = Duration.seconds(30)

/** How long it may take to say goodbye. */
const closeTimeout = Duration.seconds(2)

const reasonOf = (error: unknown): string => {
  // Of a host with several addresses: the error itself says nothing.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(", ")
  return error instanceof Error ? error.message : String(error)
}

export const lost = (error: unknown) => new BrokerLost({ reason: reasonOf(error) })

export interface OpenChannel {
  readonly channel: ConfirmChannel
  /** Fails when the channel is no more. */
  readonly lost: Effect.Effect<never, BrokerLost>
}

export interface Connection {
  /** Fails when the connection is no more, or no channel can be opened on it. */
  readonly lost: Effect.Effect<never, BrokerLost>
  readonly isLost: () => boolean
  readonly channel: Effect.Effect<OpenChannel, BrokerLost, Scope.Scope>
  /** Waits while the broker is short of memory or disk, and reads nothing that is published. */
  readonly flowing: Effect.Effect<unknown>
  readonly isFlowing: () => boolean
  /** Waits until it is. */
  readonly stopped: Effect.Effect<unknown>
}

/** Something that is being opened, and how to end it whether or not it is open yet. */
interface Opening<A> {
  readonly opened: Promise<A>
  readonly end: Effect.Effect<void>
  readonly lost: Deferred.Deferred<never, BrokerLost>
}

const hear = (emitter: EventEmitter, gone: Deferred.Deferred<never, BrokerLost>, what: string) => {
  let reason: unknown = null
  emitter.on("error", (error) => {
    reason = error
  })
  emitter.once("close", (error) =>
    Deferred.doneUnsafe(gone, Effect.fail(lost(reason ?? error ?? `${what} was closed`)))
  )
}

/**
 * Ends when it is closed, or cannot be: amqplib's promise never ends where the connection breaks meanwhile. A broker
 * that does not answer is not asked for anything more: its socket goes, and with it all that is on it.
 */
const close = (emitter: EventEmitter & { readonly close: () => Promise<void> }, socket: AbortController) =>
  Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    emitter.once("close", done)
    emitter.close().then(done, done)
  }).pipe(Effect.timeoutOrElse({ duration: closeTimeout, orElse: () => Effect.sync(() => socket.abort()) }))

const held = <A>(begin: () => Opening<A>, describe: (reason: string) => string) =>
  Effect.gen(function* () {
    const opening = yield* Effect.acquireRelease(Effect.sync(begin), ({ end }) => end)
    const failed = (error: unknown) => new BrokerLost({ reason: describe(reasonOf(error)) })
    const opened = yield* Effect.tryPromise({ try: () => opening.opened, catch: failed }).pipe(
      // A little later than amqplib's own, which tells more.
      Effect.timeoutOrElse({
        duration: Duration.sum(openTimeout, Duration.seconds(1)),
        orElse: () => failed("no answer")
      }),
      // At once: the scope may stay open for another that does open.
      Effect.tapError(() => opening.end)
    )
    return { opened, lost: opening.lost }
  })

interface OpenConnection {
  readonly model: ChannelModel
  /** Destroys the socket, in whatever state it is: amqplib only ever ends its own half. */
  readonly socket: AbortController
  readonly flowing: Latch.Latch
  readonly isFlowing: () => boolean
  readonly stopped: Latch.Latch
}

const beginChannel = ({ model, socket }: OpenConnection): Opening<ConfirmChannel> => {
  const gone = Deferred.makeUnsafe<never, BrokerLost>()
  let open: ConfirmChannel | null = null
  let isWanted = true
  const opened = model.createConfirmChannel().then((channel) => {
    hear(channel, gone, "the channel")
    if (isWanted) open = channel
    else channel.close().catch(() => {})
    return channel
  })
  // Where nobody waits for it any more.
  opened.catch(() => {})
  const end = Effect.suspend(() => {
    isWanted = false
    return open === null ? Effect.void : close(open, socket)
  })
  return { opened, end, lost: gone }
}

const beginConnection = ({ name, tls }: BrokerOptions, address: BrokerAddress): Opening<OpenConnection> => {
  const gone = Deferred.makeUnsafe<never, BrokerLost>()
  const [flowing, stopped] = [Latch.makeUnsafe(true), Latch.makeUnsafe(false)]
  let isFlowing = true
  const flow = () => {
    isFlowing = true
    stopped.closeUnsafe()
    flowing.openUnsafe()
  }
  const socket = new AbortController()
  const options = {
    ...tls,
    noDelay: true,
    keepAlive: true,
    timeout: Duration.toMillis(openTimeout),
    clientProperties: { connection_name: name },
    signal: socket.signal
  }
  let open: ChannelModel | null = null
  const opened = connect(
    {
      protocol: address.tls ? "amqps" : "amqp",
      hostname: address.host,
      port: address.port,
      username: address.user,
      password: Redacted.value(address.password),
      // It is decoded there once more.
      vhost: encodeURIComponent(address.vhost),
      heartbeat: Duration.toSeconds(heartbeat)
    },
    options
  ).then((model) => {
    hear(model, gone, "the connection")
    model.on("blocked", () => {
      isFlowing = false
      flowing.closeUnsafe()
      stopped.openUnsafe()
    })
    model.on("unblocked", flow)
    model.once("close", flow)
    open = model
    return { model, socket, flowing, stopped, isFlowing: () => isFlowing }
  })
  opened.catch(() => {})
  const end = Effect.suspend(() => (open === null ? Effect.void : close(open, socket))).pipe(
    Effect.ensuring(Effect.sync(() => socket.abort()))
  )
  return { opened, end, lost: gone }
}

/** A connection to this broker, for as long as the scope is open. */
const connectTo = Effect.fnUntraced(function* (options: BrokerOptions, address: BrokerAddress) {
  const connection = yield* held(
    () => beginConnection(options, address),
    (reason) => `${address.host}:${address.port}: ${reason}`
  )
  const { flowing, isFlowing, stopped } = connection.opened
  const channel = held(
    () => beginChannel(connection.opened),
    (reason) => reason
  ).pipe(
    Effect.map(({ lost, opened }): OpenChannel => ({ channel: opened, lost: Deferred.await(lost) })),
    // It may have been closed before anybody listened, or be without life.
    Effect.tapError((error) => Effect.sync(() => Deferred.doneUnsafe(connection.lost, Effect.fail(error))))
  )
  return {
    lost: Deferred.await(connection.lost),
    isLost: () => Deferred.isDoneUnsafe(connection.lost),
    channel,
    flowing: flowing.await,
    isFlowing,
    stopped: stopped.await
  } satisfies Connection as Connection
})

/** To the first of the brokers that answers; they are asked in a random order, so that their load is even. */
export const connectAny = Effect.fnUntraced(function* (options: BrokerOptions) {
  const reasons: Array<string> = []
  for (const address of yield* Random.shuffle(options.brokers)) {
    const connecting = yield* Effect.result(connectTo(options, address))
    if (connecting._tag === "Success") return connecting.success
    reasons.push(connecting.failure.reason)
  }
  return yield* new BrokerLost({ reason: reasons.sort().join("; ") })
})
