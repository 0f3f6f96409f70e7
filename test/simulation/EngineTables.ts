/**
 * The tables of the workflow engine, as production has them: a message has one final answer, and what has ended is
 * removed after a while, with all that belonged to it (`src/layers/postgres/ClusterPruning.ts`). Over the engine's own
 * driver in memory, which outlives every process.
 */
import { Clock, Context, Duration, Effect, Layer, Schedule, Schema } from "effect"
import { EntityAddress, EntityId, EntityType, MessageStorage, ShardId, Snowflake } from "effect/cluster"

/** How long what has ended is kept: shorter than in service, so that it goes while there is trouble. */
const retention = Duration.minutes(2)

/** Whether an instance has no operation under way, and none that was called off and goes on. */
type IsAtRest = (instance: string) => boolean

type Driver = MessageStorage.MemoryDriver["Service"]

/** A message has one final answer: the second is refused, as by the index of the table. */
const oneExit = (driver: Driver): Driver => ({
  ...driver,
  encoded: {
    ...driver.encoded,
    saveReply: (reply) =>
      Effect.suspend(() => {
        const replies = driver.requests.get(reply.requestId)?.replies ?? []
        const isSecond = reply._tag === "WithExit" && replies.some(({ _tag }) => _tag === "WithExit")
        return isSecond ? Effect.void : driver.encoded.saveReply(reply)
      })
  }
})

/** The answer of a run that only waits says so, in a success. */
const isSuspended = Schema.is(
  Schema.Struct({ _tag: Schema.Literal("Success"), value: Schema.Struct({ _tag: Schema.Literal("Suspended") }) })
)

const isOfInstance = Schema.is(Schema.Struct({ instance: Schema.String }))

/** Workflows of instances at rest whose run was answered for good before a moment. */
const ended = ({ requests }: Driver, before: number, isAtRest: IsAtRest) =>
  [...requests.values()].flatMap(({ envelope, replies }) => {
    if (envelope._tag !== "Request" || envelope.tag !== "run") return []
    if (!envelope.address.entityType.startsWith("Workflow/")) return []
    if (isOfInstance(envelope.payload) && !isAtRest(envelope.payload.instance)) return []
    const last = replies.findLast((reply) => reply._tag === "WithExit")
    if (last === undefined || isSuspended(last.exit)) return []
    return Snowflake.timestamp(Snowflake.Snowflake(last.id)) < before ? [envelope.address] : []
  })

const addressOf = (entityType: string, { entityId, shardId }: ReturnType<typeof ended>[number]) =>
  EntityAddress.make({
    shardId: ShardId.make(shardId.group, shardId.id),
    entityType: EntityType.make(entityType),
    entityId: EntityId.make(entityId)
  })

export class EngineTables extends Context.Service<
  EngineTables,
  {
    /** Removes what ended before a moment; how many workflows went. */
    readonly prune: (before: number) => Effect.Effect<number>
    /** What is there and waits for no time to come, in words. */
    readonly left: Effect.Effect<ReadonlyArray<string>>
  }
>()("coffer/test/simulation/EngineTables") {}

const tablesOf = (driver: Driver, isAtRest: IsAtRest) =>
  EngineTables.of({
    prune: (before) =>
      Effect.gen(function* () {
        const gone = ended(driver, before, isAtRest)
        for (const address of gone)
          for (const type of [address.entityType, "Workflow/-/DurableClock"])
            yield* Effect.orDie(driver.encoded.clearAddress(addressOf(type, address)))
        return gone.length
      }),
    left: Effect.sync(() =>
      [...driver.requests.values()].map(({ envelope, replies }) => {
        const tag = envelope._tag === "Request" ? envelope.tag : envelope._tag
        return `${envelope.address.entityType} ${tag} of ${envelope.address.entityId} (${replies.length} replies)`
      })
    )
  })

export const layer = (isAtRest: IsAtRest) =>
  Layer.effectContext(
    Effect.map(MessageStorage.MemoryDriver, (driver) => {
      const tables = oneExit(driver)
      return Context.make(MessageStorage.MemoryDriver, tables).pipe(
        Context.add(EngineTables, tablesOf(tables, isAtRest))
      )
    })
  ).pipe(Layer.provide(MessageStorage.MemoryDriver.layer))

/** What each taskmanager does: removes what has ended, every minute. */
export const pruning = Layer.effectDiscard(
  Effect.gen(function* () {
    const { prune } = yield* EngineTables
    const once = Effect.flatMap(Clock.currentTimeMillis, (now) => prune(now - Duration.toMillis(retention)))
    yield* Effect.forkScoped(Effect.repeat(Effect.ignoreCause(once), Schedule.spaced("1 minute")))
  })
)
