/**
 * What taskmanagers share, in memory: which of them there are, who has which shards until when, and how they reach each
 * other. As in PostgreSQL, a lock that is not refreshed in time is lost to whoever asks, and a process that was killed
 * loses its own at once.
 */
import { Context, Effect, Layer, Option } from "effect"
import {
  ClusterError,
  ClusterSchema,
  Message,
  type MessageStorage,
  type RunnerAddress,
  RunnerHealth,
  RunnerStorage,
  Runners,
  type Sharding,
  type ShardingConfig,
  type Snowflake
} from "effect/cluster"
import { RpcSerialization } from "effect/rpc"
import { type Life, whileAlive } from "./VirtualTime.ts"

interface Member {
  readonly life: Life
  /** What is done for it is done as by it. */
  readonly references: Context.Context<never>
  sharding: Sharding.Sharding["Service"] | null
}

interface Lock {
  readonly owner: string
  until: number
}

const { codecFor } = RpcSerialization.json

const nameOf = ({ host, port }: RunnerAddress.RunnerAddress) => `${host}:${port}`

export class Leases {
  readonly #members = new Map<string, Member>()
  readonly #runners = new Map<string, readonly [runner: string, healthy: boolean]>()
  readonly #locks = new Map<string, Lock>()
  readonly #now: () => number
  readonly #expiry: number
  #registered = 0

  /** `expiry`: milliseconds. */
  constructor(now: () => number, expiry: number) {
    this.#now = now
    this.#expiry = expiry
  }

  join(address: RunnerAddress.RunnerAddress, member: Member) {
    this.#members.set(nameOf(address), member)
  }

  /** Its connections are closed, and with them its locks are gone. */
  leave(address: RunnerAddress.RunnerAddress) {
    const name = nameOf(address)
    this.#members.delete(name)
    for (const [shard, { owner }] of this.#locks) if (owner === name) this.#locks.delete(shard)
  }

  #lock(owner: string, shards: ReadonlyArray<string>, isRefresh: boolean): Array<string> {
    return shards.filter((shard) => {
      const lock = this.#locks.get(shard)
      const isHeld = lock !== undefined && lock.until > this.#now()
      if (isHeld ? lock.owner !== owner : isRefresh) return false
      this.#locks.set(shard, { owner, until: this.#now() + this.#expiry })
      return true
    })
  }

  /** The table of runners and locks, as one process sees it. */
  storage(life: Life) {
    const asking = <A>(ask: () => A): Effect.Effect<A> => whileAlive(life, Effect.sync(ask))
    return Layer.succeed(
      RunnerStorage.RunnerStorage,
      RunnerStorage.makeEncoded({
        getRunners: asking(() => [...this.#runners.values()]),
        register: (address, runner, healthy) =>
          asking(() => {
            this.#runners.set(address, [runner, healthy])
            return ++this.#registered
          }),
        unregister: (address) => asking(() => void this.#runners.delete(address)),
        setRunnerHealth: (address, healthy) =>
          asking(() => {
            const known = this.#runners.get(address)
            if (known !== undefined) this.#runners.set(address, [known[0], healthy])
          }),
        acquire: (owner, shards) => asking(() => this.#lock(owner, shards, false)),
        refresh: (owner, shards) => asking(() => this.#lock(owner, shards, true)),
        release: (owner, shard) =>
          asking(() => {
            if (this.#locks.get(shard)?.owner === owner) this.#locks.delete(shard)
          }),
        releaseAll: (owner) =>
          asking(() => {
            for (const [shard, lock] of this.#locks) if (lock.owner === owner) this.#locks.delete(shard)
          })
      })
    )
  }

  readonly #reach = (address: RunnerAddress.RunnerAddress) => {
    const member = this.#members.get(nameOf(address))
    return member === undefined || member.life.over || member.life.held !== null || member.sharding === null
      ? undefined
      : { sharding: member.sharding, references: member.references }
  }

  readonly health = Layer.succeed(
    RunnerHealth.RunnerHealth,
    RunnerHealth.RunnerHealth.of({ isAlive: (address) => Effect.sync(() => this.#reach(address) !== undefined) })
  )

  /** The way from one process to the others. */
  get runners(): Layer.Layer<
    Runners.Runners,
    never,
    MessageStorage.MessageStorage | Snowflake.Generator | ShardingConfig.ShardingConfig
  > {
    const reach = this.#reach
    const send: Runners.Runners["Service"]["send"] = Effect.fnUntraced(function* ({ address, message }) {
      const peer = reach(address)
      if (peer === undefined) return yield* new ClusterError.RunnerUnavailable({ address })
      if (Context.get(message.rpc.annotations, ClusterSchema.Persisted)) {
        // What is stored is read from there, and so is its answer.
        yield* Effect.provideContext(peer.sharding.pollStorage, peer.references)
        return yield* new ClusterError.EntityNotAssignedToRunner({ address: message.envelope.address })
      }
      const envelope = yield* Effect.orDie(Message.serialize(message, codecFor))
      const incoming =
        envelope._tag === "Request"
          ? new Message.IncomingRequest({
              envelope,
              codecFor,
              lastSentReply: Option.none(),
              respond: ({ reply }) => (message._tag === "OutgoingRequest" ? message.respond(reply) : Effect.void)
            })
          : new Message.IncomingEnvelope({ envelope })
      yield* Effect.provideContext(peer.sharding.send(incoming), peer.references)
    })
    return Layer.effect(
      Runners.Runners,
      Runners.make({
        codecFor,
        ping: (address) =>
          Effect.suspend(() =>
            reach(address) === undefined ? Effect.fail(new ClusterError.RunnerUnavailable({ address })) : Effect.void
          ),
        send,
        notify: ({ address, message }) => {
          if (Option.isNone(address)) return Effect.void
          if (!Context.get(message.rpc.annotations, ClusterSchema.Persisted))
            return send({ address: address.value, message })
          const peer = reach(address.value)
          return peer === undefined ? Effect.void : Effect.provideContext(peer.sharding.pollStorage, peer.references)
        },
        onRunnerUnavailable: () => Effect.void
      })
    )
  }
}
