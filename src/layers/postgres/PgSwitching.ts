/** Commands that stop and start databases, in PostgreSQL. */
import { Clock, Effect, Layer } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import type { InstanceId } from "../../services/Ids.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { Switching } from "../../services/Switching.ts"
import { again } from "./Conflicts.ts"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const request = Effect.fnUntraced(function* (id: InstanceId, command: "Start" | "Stop", where: Statement.Fragment) {
    const now = new Date(yield* Clock.currentTimeMillis)
    const accepted = yield* Effect.orDie(
      sql`
      WITH target AS (
        SELECT l.instance, l.generation FROM lifecycles l JOIN instances i ON i.id = l.instance
        WHERE l.instance = ${id} AND ${where} AND i.delete_requested IS NULL FOR UPDATE OF l, i
      ), posted AS (
        INSERT INTO mailbox (instance, key, command, posted)
        SELECT instance, '${sql.literal(nextKind)}:' || generation, ${JSON.stringify({ _tag: command })}::jsonb, ${now}::timestamptz
        FROM target
        ON CONFLICT DO NOTHING RETURNING instance
      )
      UPDATE instances SET updated = ${now}::timestamptz WHERE id IN (SELECT instance FROM posted) RETURNING id`.pipe(
        again
      )
    )
    return accepted.length > 0
  })

  const isOpen = sql`(l.tag = 'Active' OR l.tag = 'Configuring' AND (l.state -> 'resize') IS NULL
    AND (l.state -> 'restart') IS DISTINCT FROM 'true' AND (l.state -> 'stop') IS DISTINCT FROM 'true')
    AND NOT EXISTS (SELECT 1 FROM mailbox WHERE instance = l.instance AND key = 'resize:' || l.generation)`

  return Switching.of({
    requestStop: (id) => Effect.withSpan(request(id, "Stop", isOpen), "Switching.requestStop"),
    requestStart: (id) => Effect.withSpan(request(id, "Start", sql`l.tag = 'Stopped'`), "Switching.requestStart")
  })
})

export const layer = Layer.effect(Switching, make)
