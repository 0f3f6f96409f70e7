/**
 * Keeps the tables of effect's cluster and workflow engines small: what has ended is removed after a while, and what
 * came for it too late. A message is over when it was processed; with it go its replies. What is still running is never
 * touched, nor anything of an instance that is not at rest.
 *
 * Ids begin with the millisecond of their birth, so all that is looked at is found from the old end of the tables' own
 * keys: what is young is never read.
 */
import { Clock, Config, Duration, Effect, Layer, Schedule } from "effect"
import { Snowflake } from "effect/cluster"
import { SqlClient } from "effect/sql"

/** How long an ended workflow's messages are kept (`COFFER_WORKFLOW_RETENTION`). */
const retention = Config.Duration("COFFER_WORKFLOW_RETENTION").pipe(Config.withDefault(Duration.hours(1)))

/** How many workflows, and how many single rows, go in one transaction. */
const batch = 500
const rowBatch = 10_000

/** Whoever prunes holds this lock: a number that nobody else uses. */
const lock = 0x63_6f_66_66

const clock = "Workflow/-/DurableClock"

/** The smallest id that could be drawn in this millisecond. */
const idAt = (millis: number) => String((BigInt(millis) - BigInt(Snowflake.constEpochMillis)) << 22n)

/**
 * An execution is over when its `run` has been answered for good: `processed`, and no longer Suspended (that reply is
 * a success which says so). Its other messages were sent between its first and its last word; one that was not, for
 * the clocks of two machines differ or its sender came late, is a stray from then on.
 */
const ended = Effect.fnUntraced(function* (before: number) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly id: string }>`
    WITH ended AS (
      SELECT m.id, m.entity_type, m.entity_id, r.id AS answer
      FROM cluster_messages m JOIN cluster_replies r ON r.id = m.last_reply_id
      WHERE m.id < ${idAt(before)}::bigint AND r.id < ${idAt(before)}::bigint
        AND m.entity_type LIKE 'Workflow/%' AND m.tag = 'run' AND m.processed
        AND (r.payload::jsonb #>> '{value,_tag}') IS DISTINCT FROM 'Suspended'
        -- Of an instance that is not at rest, somebody may wait for its end, and would begin it anew.
        AND NOT EXISTS (
          SELECT FROM lifecycles l WHERE l.instance = m.payload::jsonb ->> 'instance'
            AND coalesce(l.state ->> 'operation', l.state ->> 'previous') IS NOT NULL
        )
      ORDER BY m.id LIMIT ${batch}
    ), whole AS (
      SELECT entity_type, entity_id FROM ended UNION SELECT ${clock}, entity_id FROM ended
    ), gone AS (
      DELETE FROM cluster_messages m USING whole w
      WHERE m.id >= (SELECT min(id) FROM ended) AND m.id <= (SELECT max(answer) FROM ended)
        AND m.entity_type = w.entity_type AND m.entity_id = w.entity_id
      RETURNING m.request_id
    ), replies AS (
      DELETE FROM cluster_replies WHERE request_id IN (SELECT request_id FROM gone)
    )
    SELECT id::text FROM ended`
  return rows.length
})

/** Messages to executions that are no more, clocks that have rung, and replies to messages that are no more. */
const strays = Effect.fnUntraced(function* (before: number) {
  const sql = yield* SqlClient.SqlClient
  const messages = yield* sql`
    DELETE FROM cluster_messages WHERE id IN (
      SELECT m.id FROM cluster_messages m
      WHERE m.id < ${idAt(before)}::bigint AND m.entity_type LIKE 'Workflow/%' AND CASE m.entity_type
        WHEN ${clock} THEN m.processed
        ELSE NOT EXISTS (
          SELECT FROM cluster_messages run WHERE run.message_id = m.entity_type || '/' || m.entity_id || '/run/'
        ) END
      ORDER BY m.id LIMIT ${rowBatch}
    ) RETURNING id`
  const replies = yield* sql`
    DELETE FROM cluster_replies WHERE id IN (
      SELECT r.id FROM cluster_replies r
      WHERE r.id < ${idAt(before)}::bigint
        AND NOT EXISTS (SELECT FROM cluster_messages m WHERE m.id = r.request_id)
      ORDER BY r.id LIMIT ${rowBatch}
    ) RETURNING id`
  return Math.max(messages.length, replies.length)
})

/** Again and again until a batch is not full. Where somebody else is at it, there is nothing to do. */
const drained = Effect.fnUntraced(function* <E, R>(step: Effect.Effect<number, E, R>, size: number) {
  const sql = yield* SqlClient.SqlClient
  const alone = sql<{ readonly mine: boolean }>`SELECT pg_try_advisory_xact_lock(${lock}) AS mine`
  const once = Effect.flatMap(alone, ([row]) => (row?.mine === true ? step : Effect.succeed(0))).pipe(
    sql.withTransaction
  )
  let all = 0
  for (let last = size; last >= size; all += last) last = yield* once
  return all
})

/** Removes what was over before then, in milliseconds since the epoch; tells how many executions went. */
export const pruneOnce = Effect.fn("ClusterPruning.prune")(function* (before: number) {
  const executions = yield* drained(ended(before), batch)
  yield* drained(strays(before), rowBatch)
  return executions
})

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const keep = yield* retention
    const prune = Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => pruneOnce(now - Duration.toMillis(keep))),
      Effect.catchCause((cause) => Effect.logError("ended workflows could not be pruned", cause))
    )
    yield* Effect.forkScoped(Effect.repeat(prune, Schedule.spaced("1 minute")))
  })
)
