/** Resizes in PostgreSQL: the api's request, and what an actor's commit makes of it. */
import { Clock, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Resize } from "../../actors/Instance.ts"
import type { InstanceId, ProjectId } from "../../services/Ids.ts"
import { type Desired, QuotaExceeded } from "../../services/Instances.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { exceededBy, Quotas } from "../../services/Quotas.ts"
import { moreOf, Resizes, type ResizeTarget } from "../../services/Resizes.ts"
import { again } from "./Conflicts.ts"

const died = Effect.orDie

const encodeResize = Schema.encodeSync(Schema.fromJsonString(Resize))

/** The instance is from now on what it was resized to, and holds that. */
export const resize = (sql: SqlClient.SqlClient, id: InstanceId, target: ResizeTarget) =>
  target._tag === "Flavor"
    ? sql`
      WITH wanted AS (
        UPDATE instances SET flavor = ${target.flavor}, ram = ${target.ram} WHERE id = ${id}
      )
      UPDATE quota_holds SET ram = ${target.ram} WHERE instance = ${id}`
    : sql`
      WITH wanted AS (UPDATE instances SET volume_size = ${target.size} WHERE id = ${id})
      UPDATE quota_holds SET volumes = ${target.size} WHERE instance = ${id}`

/** Nothing is held for a resize any more, where none waits in the mailbox. */
export const endResize = (sql: SqlClient.SqlClient, id: InstanceId) => sql`
  DELETE FROM resize_holds WHERE instance = ${id} AND NOT EXISTS (
    SELECT 1 FROM mailbox WHERE instance = ${id} AND handled IS NULL AND key LIKE 'resize:%'
  )`

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const quotas = yield* Quotas

  const request = Effect.fn("Resizes.request")(function* (
    id: InstanceId,
    seen: Pick<Desired, "flavor" | "volumeSize">,
    target: ResizeTarget
  ) {
    const now = new Date(yield* Clock.currentTimeMillis)
    return yield* Effect.gen(function* () {
      const known = yield* died(sql<{ readonly project: ProjectId }>`SELECT project FROM instances WHERE id = ${id}`)
      if (known[0] === undefined) return false
      const { project } = known[0]
      // As for a create: one at a time a project, so that the sums are of all that was accepted before.
      yield* died(sql`SELECT pg_advisory_xact_lock(hashtextextended(${project}, 0))`)
      const [found] = yield* died(sql<{ readonly generation: number; readonly ram: number }>`
        SELECT l.generation, i.ram FROM lifecycles l JOIN instances i ON i.id = l.instance
        WHERE l.instance = ${id} AND l.tag IN ('Active', 'Configuring') AND i.delete_requested IS NULL
          AND i.flavor = ${seen.flavor} AND i.volume_size = ${seen.volumeSize}
          AND (l.state -> 'restart') IS DISTINCT FROM 'true' AND (l.state -> 'stop') IS DISTINCT FROM 'true'
          AND (l.state -> 'resize') IS NULL
          AND NOT EXISTS (
            SELECT 1 FROM mailbox
            WHERE instance = l.instance AND key IN ('${sql.literal(nextKind)}:' || l.generation, 'resize:' || l.generation)
          )
        FOR UPDATE OF l, i`)
      if (found === undefined) return false
      const more = moreOf({ ram: found.ram, volumeSize: seen.volumeSize }, target)
      const exceeded = exceededBy(yield* quotas.usage(project), { instances: 0, backups: 0, ...more })
      if (exceeded.length > 0) return yield* new QuotaExceeded({ resources: exceeded })
      const accepted = yield* died(sql`
        WITH posted AS (
          INSERT INTO mailbox (instance, key, command, posted)
          VALUES (${id}, ${`resize:${found.generation}`}, ${encodeResize({ _tag: "Resize", to: target })}::jsonb,
            ${now}::timestamptz)
          ON CONFLICT DO NOTHING RETURNING instance
        ), held AS (
          INSERT INTO resize_holds (instance, project, ram, volumes)
          SELECT instance, ${project}, ${more.ram}::int, ${more.volumes}::int FROM posted
          ON CONFLICT (instance) DO UPDATE SET ram = excluded.ram, volumes = excluded.volumes
        )
        UPDATE instances SET updated = ${now}::timestamptz WHERE id IN (SELECT instance FROM posted) RETURNING id`)
      return accepted.length > 0
    }).pipe(sql.withTransaction, again, Effect.catchTag("SqlError", Effect.die))
  })

  return Resizes.of({ request })
})

export const layer: Layer.Layer<Resizes, never, SqlClient.SqlClient | Quotas> = Layer.effect(Resizes, make)
