/** The history of instances in PostgreSQL. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import {
  History,
  maxEntries,
  maxReports,
  type ReportEntry,
  type StepEntry,
  type StepStart,
  stepKey
} from "../../services/History.ts"
import { type InstanceId, OperationId } from "../../services/Ids.ts"
import { again } from "./Conflicts.ts"

const died = Effect.orDie

const EntryColumn = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("transition"),
    at: Schema.Number,
    from: Schema.String,
    to: Schema.String,
    because: Schema.String
  }),
  Schema.Struct({
    kind: Schema.Literal("step"),
    operation: OperationId,
    operationName: Schema.String,
    step: Schema.String,
    attempt: Schema.Int,
    begun: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
    startedAt: Schema.Number,
    endedAt: Schema.NullOr(Schema.Number),
    outcome: Schema.Literals(["running", "done", "failed", "interrupted"]),
    error: Schema.NullOr(Schema.String),
    detail: Schema.NullOr(Schema.String),
    waitsFor: Schema.NullOr(Schema.String),
    deadline: Schema.NullOr(Schema.Number)
  }),
  Schema.Struct({ kind: Schema.Literal("report"), at: Schema.Number, text: Schema.String })
])
const decodeEntries = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ entry: Schema.Unknown })))
const decodeEntry = Schema.decodeUnknownOption(EntryColumn)

/** Errors quote what servers printed, and PostgreSQL keeps no NUL and no half of a character. */
const toJson = (entry: object) =>
  JSON.stringify(entry, (_, value: unknown) =>
    typeof value === "string" ? value.toWellFormed().replaceAll("\0", "") : value
  )

/**
 * A guest that flaps for days, or a tenant that restarts his database every minute, must not fill the table: the oldest
 * reports give way, and then the oldest entries.
 */
export const trimHistory = (sql: SqlClient.SqlClient, id: string) => sql`
  DELETE FROM history WHERE instance = ${id} AND (
    id <= (SELECT id FROM history WHERE instance = ${id} ORDER BY id DESC OFFSET ${maxEntries} LIMIT 1)
    OR entry ->> 'kind' = 'report' AND id <= (
      SELECT id FROM history WHERE instance = ${id} AND entry ->> 'kind' = 'report'
      ORDER BY id DESC OFFSET ${maxReports} LIMIT 1
    )
  )`

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const opened = Effect.fnUntraced(function* (id: InstanceId, step: StepStart, again: 0 | 1) {
    const startedAt = yield* Clock.currentTimeMillis
    const entry: StepEntry = {
      kind: "step",
      ...step,
      begun: 1,
      startedAt,
      endedAt: null,
      outcome: "running",
      error: null,
      detail: null
    }
    yield* died(sql`
      INSERT INTO history (instance, key, entry)
      VALUES (${id}, ${stepKey(step)}, ${toJson(entry)}::jsonb)
      ON CONFLICT (instance, key) DO UPDATE SET entry = history.entry
        || CASE WHEN history.entry ->> 'outcome' IN ('running', 'interrupted')
          THEN excluded.entry - 'startedAt' ELSE '{}' END
        || jsonb_build_object('begun', coalesce((history.entry ->> 'begun')::int, 1) + ${again}::int)`)
  })

  return History.of({
    report: Effect.fnUntraced(function* (id, text) {
      const entry: ReportEntry = { kind: "report", at: yield* Clock.currentTimeMillis, text }
      // The instance may be gone by the time its guest's last words arrive.
      yield* died(sql`
        INSERT INTO history (instance, entry)
        SELECT id, ${toJson(entry)}::jsonb FROM instances WHERE id = ${id}`)
      yield* died(again(trimHistory(sql, id)))
    }),
    stepStarted: (id, step) => opened(id, step, 1),
    waitStarted: (id, step) => opened(id, step, 0),
    stepEnded: Effect.fnUntraced(function* (id, step) {
      const ended = {
        endedAt: yield* Clock.currentTimeMillis,
        outcome: step.outcome,
        error: step.error,
        detail: step.detail,
        waitsFor: null
      }
      yield* died(sql`
        UPDATE history SET entry = entry || ${toJson(ended)}::jsonb
        WHERE instance = ${id} AND key = ${stepKey(step)} AND entry ->> 'outcome' = 'running'`)
    }),
    operationEnded: Effect.fnUntraced(function* (id, operation) {
      const ended = { endedAt: yield* Clock.currentTimeMillis, outcome: "interrupted", waitsFor: null }
      yield* died(
        sql`
        UPDATE history SET entry = entry || ${toJson(ended)}::jsonb
        WHERE instance = ${id} AND entry ->> 'operation' = ${operation} AND entry ->> 'outcome' = 'running'`.pipe(again)
      )
    }),
    list: (id) =>
      sql`
        SELECT entry FROM (
          SELECT id, entry FROM history WHERE instance = ${id} ORDER BY id DESC LIMIT ${maxEntries}
        ) newest ORDER BY id`.pipe(
        Effect.flatMap(decodeEntries),
        died,
        Effect.map((rows) => rows.flatMap(({ entry }) => Option.toArray(decodeEntry(entry))))
      )
  })
})

export const layer = Layer.effect(History, make)
