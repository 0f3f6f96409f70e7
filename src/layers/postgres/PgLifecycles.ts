/** Lifecycles and mailboxes in PostgreSQL: the actors' tables. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Command, State } from "../../actors/Instance.ts"
import {
  type Commit,
  Lifecycles,
  maxSetAside,
  noFailures,
  type Request,
  readMail,
  readState,
  type SetAside,
  StaleGeneration,
  type Unsettled
} from "../../actors/Lifecycles.ts"
import { deadlineOf, resizeOf } from "../../actors/Work.ts"
import type { ReportEntry, TransitionEntry } from "../../services/History.ts"
import { InstanceId, OperationId, ProjectId } from "../../services/Ids.ts"
import { type StateTag, type StoredState, stateNamed } from "../../services/Status.ts"
import { again } from "./Conflicts.ts"
import { trimHistory } from "./PgHistory.ts"
import { DesiredRow, toDesired } from "./PgRecords.ts"
import { endResize, resize } from "./PgResizes.ts"

const died = Effect.orDie

const LoadedRow = Schema.Struct({
  state: Schema.Unknown,
  generation: Schema.Int,
  failures: Schema.Int,
  failed: Schema.NullOr(Schema.Date),
  waits_since: Schema.NullOr(Schema.Date),
  mail: Schema.Array(Schema.Struct({ seq: Schema.Int, key: Schema.String, command: Schema.Unknown }))
})
const decodeState = Schema.decodeUnknownOption(State)
const decodeOperation = Schema.decodeUnknownOption(OperationId)

const decodeSalvaged = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ tag: Schema.String, generation: Schema.Int, operation: Schema.NullOr(Schema.String) }))
)
const decodeUnsettled = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      instance: InstanceId,
      name: Schema.String,
      project: ProjectId,
      state: Schema.Unknown,
      since: Schema.Date
    })
  )
)
const decodeSetAside = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ key: Schema.String, posted: Schema.Date, handled: Schema.Date, set_aside: Schema.String })
  )
)
const decodeLoaded = Schema.decodeUnknownEffect(Schema.Array(LoadedRow))
const decodeFailures = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ failures: Schema.Int })))
const decodeDesired = Schema.decodeUnknownEffect(Schema.Array(DesiredRow))
const decodeIds = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ instance: Schema.String.pipe(Schema.brand("InstanceId")) }))
)
const decodeCounts = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      tag: Schema.String,
      count: Schema.BigInt
    })
  )
)
const decodeCommands = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ command: Command })))
const encodeState = Schema.encodeSync(Schema.fromJsonString(State))
const encodeCommand = Schema.encodeSync(Schema.fromJsonString(Command))

/** Where nothing was held for a resize yet. */
const isBuilt: (tag: StateTag) => boolean = (tag) => tag !== "New" && tag !== "Building"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const load = Effect.fnUntraced(function* (id: InstanceId) {
    const rows = yield* sql`
      SELECT l.state, l.generation, l.failures, l.failed, m.waits_since, coalesce(m.mail, '[]') AS mail
      FROM lifecycles l
      LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('seq', seq, 'key', key, 'command', command) ORDER BY seq) AS mail,
          min(posted) AS waits_since
        FROM mailbox WHERE instance = l.instance AND handled IS NULL
      ) m ON true
      WHERE l.instance = ${id}`.pipe(Effect.flatMap(decodeLoaded), died)
    const [row] = rows
    if (row === undefined) return Option.none()
    return Option.some({
      state: yield* readState(row.state),
      generation: row.generation,
      failures: { count: row.failures, at: row.failed?.getTime() ?? noFailures.at },
      waitsSince: row.waits_since?.getTime() ?? null,
      ...readMail(row.mail)
    })
  })

  const noteFailure = Effect.fnUntraced(function* (id: InstanceId) {
    const at = new Date(yield* Clock.currentTimeMillis)
    const rows = yield* sql`
      UPDATE lifecycles SET failures = failures + 1, failed = ${at} WHERE instance = ${id} RETURNING failures`.pipe(
      Effect.flatMap(decodeFailures),
      died
    )
    return rows[0]?.failures ?? 0
  })

  const setFailures = (id: InstanceId, count: number) =>
    died(Effect.asVoid(sql`UPDATE lifecycles SET failures = ${count} WHERE instance = ${id}`))

  const salvage = Effect.fnUntraced(function* (id: InstanceId) {
    const rows = yield* sql`
      SELECT tag, generation, coalesce(state ->> 'operation', state ->> 'previous') AS operation
      FROM lifecycles WHERE instance = ${id}`.pipe(Effect.flatMap(decodeSalvaged), died)
    return Option.map(Option.fromNullishOr(rows[0]), (row) => ({
      ...row,
      operation: Option.getOrNull(decodeOperation(row.operation))
    }))
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
      for (const { reason, seq } of commit.setAside ?? []) {
        yield* died(sql`UPDATE mailbox SET handled = ${at}, set_aside = ${reason} WHERE seq = ${seq}`)
        yield* died(sql`
          DELETE FROM mailbox WHERE seq IN (
            SELECT seq FROM mailbox WHERE instance = ${id} AND set_aside IS NOT NULL
            ORDER BY seq DESC OFFSET ${maxSetAside}
          )`)
      }
      if (commit.transition !== null) {
        const entry: TransitionEntry = { kind: "transition", at: now, ...commit.transition }
        yield* died(sql`INSERT INTO history (instance, entry) VALUES (${id}, ${JSON.stringify(entry)}::jsonb)`)
        yield* died(sql`UPDATE instances SET updated = ${at} WHERE id = ${id}`)
      }
      if (commit.version !== undefined)
        yield* died(sql`UPDATE instances SET datastore_version = ${commit.version} WHERE id = ${id}`)
      // A rest comes after each operation: whoever has many of them, and a guest that tells nothing, is trimmed here.
      if (commit.transition !== null && deadline === null) yield* died(trimHistory(sql, id))
      // The guest's last words may have come after it was forgotten.
      if (tag === "Deleted") yield* died(sql`DELETE FROM observations WHERE instance = ${id}`)
      if (tag === "Active") {
        yield* died(sql`UPDATE quota_holds SET committed = true WHERE instance = ${id} AND NOT committed`)
      }
      if (commit.resized !== undefined) yield* died(resize(sql, id, commit.resized))
      if (isBuilt(tag) && resizeOf(commit.state) === null) yield* died(endResize(sql, id))
    }).pipe(sql.withTransaction, again, Effect.catchTag("SqlError", Effect.die))
  })

  const post = Effect.fn("Lifecycles.post")(function* (id: InstanceId, key: string, command: Command) {
    const posted = new Date(yield* Clock.currentTimeMillis)
    yield* died(sql`
      INSERT INTO mailbox (instance, key, command, posted)
      VALUES (${id}, ${key}, ${encodeCommand(command)}::jsonb, ${posted})
      ON CONFLICT DO NOTHING`)
  })

  const request = Effect.fn("Lifecycles.request")(function* (id: InstanceId, request: Request) {
    const now = yield* Clock.currentTimeMillis
    const entry: ReportEntry = { kind: "report", at: now, text: request.line }
    yield* Effect.gen(function* () {
      const seen = yield* died(sql`
        SELECT instance FROM lifecycles WHERE instance = ${id} AND generation = ${request.generation} FOR UPDATE`)
      if (seen.length === 0) return yield* new StaleGeneration({ id, generation: request.generation })
      yield* died(sql`
        WITH posted AS (
          INSERT INTO mailbox (instance, key, command, posted)
          VALUES (${id}, ${request.key}, ${encodeCommand(request.command)}::jsonb, ${new Date(now)})
          ON CONFLICT DO NOTHING RETURNING instance
        )
        INSERT INTO history (instance, entry) SELECT instance, ${JSON.stringify(entry)}::jsonb FROM posted`)
    }).pipe(sql.withTransaction, again, Effect.catchTag("SqlError", Effect.die))
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

  const unsettled = (limit: number): Effect.Effect<ReadonlyArray<Unsettled>> =>
    sql`
      SELECT l.instance, i.name, i.project, l.state, l.since FROM lifecycles l JOIN instances i ON i.id = l.instance
      WHERE l.deadline IS NOT NULL OR l.tag = 'Failed' ORDER BY l.since, l.instance LIMIT ${limit}`.pipe(
      Effect.flatMap(decodeUnsettled),
      died,
      Effect.map((rows) =>
        rows.map((row) => ({ ...row, state: Option.getOrNull(decodeState(row.state)), since: row.since.getTime() }))
      )
    )

  const setAside = (id: InstanceId): Effect.Effect<ReadonlyArray<SetAside>> =>
    sql`
      SELECT key, posted, handled, set_aside FROM mailbox
      WHERE instance = ${id} AND set_aside IS NOT NULL ORDER BY seq LIMIT ${maxSetAside}`.pipe(
      Effect.flatMap(decodeSetAside),
      died,
      Effect.map((rows) =>
        rows.map(({ handled, key, posted, set_aside }) => ({
          key,
          posted: posted.getTime(),
          setAside: handled.getTime(),
          reason: set_aside
        }))
      )
    )

  const count = sql`SELECT tag, count(*) AS count FROM lifecycles GROUP BY tag`.pipe(
    Effect.flatMap(decodeCounts),
    died,
    Effect.map((rows) => {
      const counts = new Map<StoredState, number>()
      for (const { count, tag } of rows) {
        counts.set(stateNamed(tag), (counts.get(stateNamed(tag)) ?? 0) + Number(count))
      }
      return counts
    })
  )

  const prune: Lifecycles["Service"]["prune"] = (before, limit) =>
    sql`
      DELETE FROM instances
      WHERE id IN (
        SELECT instance FROM lifecycles WHERE tag = 'Deleted' AND since < ${new Date(before)}
        ORDER BY since LIMIT ${limit} FOR UPDATE SKIP LOCKED
      )
      RETURNING id`.pipe(
      died,
      Effect.map((rows) => rows.length)
    )

  const pruneMail: Lifecycles["Service"]["pruneMail"] = (before, limit) =>
    sql`
      DELETE FROM mailbox WHERE seq IN (
        SELECT m.seq FROM mailbox m JOIN lifecycles l ON l.instance = m.instance
        WHERE m.handled < ${new Date(before)} AND m.set_aside IS NULL
          AND (m.command ->> 'operation' IN (l.state ->> 'operation', l.state ->> 'previous')
            OR jsonb_exists(l.state -> 'earlier', m.command ->> 'operation')) IS NOT TRUE
        ORDER BY m.handled LIMIT ${limit} FOR UPDATE OF m SKIP LOCKED
      )
      RETURNING seq`.pipe(
      died,
      Effect.map((rows) => rows.length)
    )

  return Lifecycles.of({
    load,
    salvage,
    noteFailure,
    setFailures,
    commit,
    post,
    request,
    desired,
    overdue,
    underWay,
    posted,
    unsettled,
    setAside,
    count,
    prune,
    pruneMail
  })
})

export const layer = Layer.effect(Lifecycles, make)
