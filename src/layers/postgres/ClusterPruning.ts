/**
 * Keeps the tables of effect's cluster and workflow engines small: what has ended is removed after a while.
 * A message is over when it was processed; with it go its replies. What is still running is never touched.
 */
import { Clock, Config, Duration, Effect, Layer, Schedule } from "effect"
import { Snowflake } from "effect/cluster"
import { SqlClient } from "effect/sql"

/** How long an ended workflow's messages are kept (`COFFER_WORKFLOW_RETENTION`). */
const retention = Config.Duration("COFFER_WORKFLOW_RETENTION").pipe(Config.withDefault(Duration.hours(1)))

/** How many workflows go in one statement. */
const batch = 500

/**
 * An execution is over when its `run` has been answered for good: `processed`, and no longer Suspended (that
 * reply is a success which says so). A reply's id carries the millisecond of its birth.
 */
export const pruneOnce = Effect.fn("ClusterPruning.prune")(function* (before: number) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly entity_id: string }>`
    WITH ended AS (
      SELECT DISTINCT m.entity_type, m.entity_id
      FROM cluster_messages m JOIN cluster_replies r ON r.id = m.last_reply_id
      WHERE m.entity_type LIKE 'Workflow/%' AND m.tag = 'run' AND m.processed
        AND (r.payload::jsonb #>> '{value,_tag}') IS DISTINCT FROM 'Suspended'
        AND (r.id >> 22) + ${Snowflake.constEpochMillis}::bigint < ${before}::bigint
      LIMIT ${batch}
    ), clocks AS (
      SELECT 'Workflow/-/DurableClock' AS entity_type, entity_id FROM ended
    ), gone AS (
      DELETE FROM cluster_messages m USING (SELECT * FROM ended UNION SELECT * FROM clocks) e
      WHERE m.entity_type = e.entity_type AND m.entity_id = e.entity_id
      RETURNING m.id, m.request_id, m.entity_id
    ), replies AS (
      DELETE FROM cluster_replies WHERE request_id IN (SELECT request_id FROM gone)
    )
    SELECT DISTINCT entity_id FROM gone`
  return rows.length
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
