/**
 * The messages and answers of the workflow engine, kept in a store that may be away for a moment. The engine takes a
 * statement that failed for the end of the workflow that it was for: a build that goes well would be taken back. So what
 * it asks is asked again until it is done. All of it can be: a message has an id, and an answer counts once.
 */
import { Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { MessageStorage, Snowflake, SqlMessageStorage } from "effect/cluster"
import { knownWork } from "./KnownWork.ts"

/** The pause before it is asked again: 100 ms, doubling, at most 2 s. */
const pause = Schedule.min([Schedule.exponential(Duration.millis(100)), Schedule.spaced(Duration.seconds(2))])

/** How often it is asked again: for some five minutes. A store that is away for longer fails what is under way. */
const times = 150

const insist = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.retry(effect, { times, schedule: pause })

/** `storage`, whose statements are asked again. The loop that reads messages goes round by itself. */
export const steady = (storage: MessageStorage.Encoded): MessageStorage.Encoded => ({
  ...storage,
  saveEnvelope: (options) => insist(storage.saveEnvelope(options)),
  saveReply: (reply) => insist(storage.saveReply(reply)),
  clearReplies: (requestId, options) => insist(storage.clearReplies(requestId, options)),
  requestIdForPrimaryKey: (primaryKey) => insist(storage.requestIdForPrimaryKey(primaryKey)),
  repliesFor: (requestIds) => insist(storage.repliesFor(requestIds)),
  repliesForUnfiltered: (requestIds) => insist(storage.repliesForUnfiltered(requestIds)),
  unprocessedMessagesById: (messageIds, now) => insist(storage.unprocessedMessagesById(messageIds, now)),
  // What its last owner had claimed is delivered again at once, or after ten minutes. Who has taken a shard gives this up
  // after a moment, and goes on: it is done all the same.
  resetShards: (shardIds) => Effect.flatMap(Effect.forkDetach(insist(storage.resetShards(shardIds))), Fiber.join),
  resetRequests: (requestIds) => insist(storage.resetRequests(requestIds)),
  resetAddresses: (addresses) => insist(storage.resetAddresses(addresses)),
  clearAddress: (address) => insist(storage.clearAddress(address))
})

/** Over the engine's own tables in PostgreSQL. */
export const layer = Layer.effect(
  MessageStorage.MessageStorage,
  Effect.flatMap(SqlMessageStorage.makeEncoded(), (storage) => MessageStorage.makeEncoded(steady(knownWork(storage))))
).pipe(Layer.provide(Snowflake.layerGenerator))
