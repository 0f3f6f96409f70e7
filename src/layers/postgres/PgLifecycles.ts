/** Lifecycles and mailboxes in PostgreSQL: the actors' tables. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Command, State } from "../../actors/Instance.ts"
import { deadlineOf } from "../../actors/Lifecycle.ts"
import { type Commit, Lifecycles, StaleGeneration } from "../../actors/Lifecycles.ts"
import type { TransitionEntry } from "../../services/History.ts"
import type { InstanceId } from "../../services/Ids.ts"
import { StateTag } from "../../services/Status.ts"
import { DesiredRow, toDesired } from "./PgInstances.ts"

const died = Effect.orDie

const LoadedRow = Schema.Struct({
  state: State,
  generation: Schema.Int,
  mail: Schema.Array(Schema.Struct({ seq: Schema.Int, command: Command }))
})
const decodeLoaded = Schema.decodeUnknownEffect(Schema.Array(LoadedRow))
const decodeDesired = Schema.decodeUnknownEffect(Schema.Array(DesiredRow))
const decodeIds = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ instance: Schema.String.pipe(Schema.brand("InstanceId")) }))
)
const decodeCounts = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      tag: StateTag,
      count: Schema.BigInt
    })
  )
)
const decodeCommands = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ command: Command })))
const encodeState = Schema.encodeSync(Schema.fromJsonString(State))
const encodeCommand = Schema.encodeSync(Schema.fromJsonString(Command))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const load = Effect.fnUntraced(function* (id: InstanceId) {
    const rows = yield* sql`
      SELECT l.state, l.generation, coalesce(m.mail, '[]') AS mail
      FROM lifecycles l
      LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('seq', seq, 'command', command) ORDER BY seq) AS mail
        FROM mailbox WHERE instance = l.instance AND handled IS NULL
      ) m ON true
      WHERE l.instance = ${id}`.pipe(Effect.flatMap(decodeLoaded), died)
    return Option.fromNullishOr(rows[0])
  })

  const commit = Effect.fn("Lifecycles.commit")(function* (id: InstanceId, commit: Commit) {
    const now = yield* Clock.currentTimeMillis
    const at = new Date(now)
    const deadline = deadlineOf(commit.state)
    const tag = commit.state._tag
    yield* Effect.gen(function* () {
      const written = yield* died(sql`
        UPDATE lifecycles SET
          since = CASE WHEN tag = ${tag} THEN since ELSE ${at}::timestamptz END,
          tag = ${tag}, state = ${encodeState(commit.state)}::jsonb, generation = generation + 1,
          deadline = ${deadline === null ? null : new Date(deadline)}::timestamptz
        WHERE instance = ${id} AND generation = ${commit.generation}
        RETURNING generation`)
      if (written.length === 0) return yield* new StaleGeneration({ id, generation: commit.generation })
      if (commit.handled.length > 0) {
        yield* died(sql`UPDATE mailbox SET handled = ${at} WHERE ${sql.in("seq", commit.handled)}`)
      }
      if (commit.transition !== null) {
        const entry: TransitionEntry = { kind: "transition", at: now, ...commit.transition }
        yield* died(sql`INSERT INTO history (instance, entry) VALUES (${id}, ${JSON.stringify(entry)}::jsonb)`)
        yield* died(sql`UPDATE instances SET updated = ${at} WHERE id = ${id}`)
      }
      // The guest's last words may have come after it was forgotten.
      if (tag === "Deleted") yield* died(sql`DELETE FROM observations WHERE instance = ${id}`)
      if (tag === "Active") {
        yield* died(sql`UPDATE quota_holds SET committed = true WHERE instance = ${id} AND NOT committed`)
      }
    }).pipe(sql.withTransaction, Effect.catchTag("SqlError", Effect.die))
  })

  const post = Effect.fn("Lifecycles.post")(function* (id: InstanceId, key: string, command: Command) {
    const posted = new Date(yield* Clock.currentTimeMillis)
    yield* died(sql`
      INSERT INTO mailbox (instance, key, command, posted)
      VALUES (${id}, ${key}, ${encodeCommand(command)}::jsonb, ${posted})
      ON CONFLICT DO NOTHING`)
  })

  const desired = Effect.fnUntraced(function* (id: InstanceId) {
    const rows = yield* sql`SELECT * FROM instances WHERE id = ${id}`.pipe(Effect.flatMap(decodeDesired), died)
    return Option.map(Option.fromNullishOr(rows[0]), toDesired)
  })

  const instances = Effect.flatMap(decodeIds)

  const overdue: Lifecycles["Service"]["overdue"] = ({ limit, mailBefore, now }) =>
    sql`
      SELECT instance FROM (
        SELECT instance FROM mailbox WHERE handled IS NULL AND posted < ${new Date(mailBefore)}
        UNION
        SELECT instance FROM lifecycles WHERE deadline < ${new Date(now)}
      ) overdue LIMIT ${limit}`.pipe(
      instances,
      died,
      Effect.map((rows) => rows.map(({ instance }) => instance))
    )

  const underWay = (limit: number) =>
    sql`
      SELECT instance FROM lifecycles
      WHERE deadline IS NOT NULL OR (tag = 'Failed' AND state ->> 'previous' IS NOT NULL) LIMIT ${limit}`.pipe(
      instances,
      died,
      Effect.map((rows) => rows.map(({ instance }) => instance))
    )

  const posted = (id: InstanceId, key: string) =>
    sql`SELECT command FROM mailbox WHERE instance = ${id} AND key = ${key}`.pipe(
      Effect.flatMap(decodeCommands),
      died,
      Effect.map((rows) => Option.fromNullishOr(rows[0]?.command))
    )

  const count = sql`SELECT tag, count(*) AS count FROM lifecycles GROUP BY tag`.pipe(
    Effect.flatMap(decodeCounts),
    died,
    Effect.map((rows) => new Map(rows.map(({ count, tag }) => [tag, Number(count)])))
  )

  const prune: Lifecycles["Service"]["prune"] = (before) =>
    sql`
      DELETE FROM instances
      WHERE id IN (SELECT instance FROM lifecycles WHERE tag = 'Deleted' AND since < ${new Date(before)})
      RETURNING id`.pipe(
      died,
      Effect.map((rows) => rows.length)
    )

  return Lifecycles.of({ load, commit, post, desired, overdue, underWay, posted, count, prune })
})

export const layer = Layer.effect(Lifecycles, make)
