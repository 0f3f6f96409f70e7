/** What projects may hold, and hold, in PostgreSQL. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { InstanceId, ProjectId } from "../../services/Ids.ts"
import type { Resource } from "../../services/Instances.ts"
import { defaultLimits, Quotas, resources, type Usage } from "../../services/Quotas.ts"
import { again } from "./Conflicts.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const HoldSums = Schema.Struct({
  committed: Schema.Boolean,
  instances: Schema.BigInt,
  ram: Schema.BigInt,
  volumes: Schema.BigInt
})
const decodeSums = Schema.decodeUnknownEffect(Schema.Array(HoldSums))
const decodeLimits = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ resource: Schema.String, hard_limit: Schema.Int }))
)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const usage = Effect.fnUntraced(function* (project: ProjectId) {
    const limits = yield* sql`SELECT resource, hard_limit FROM quota_limits WHERE project = ${project}`.pipe(
      Effect.flatMap(decodeLimits),
      died
    )
    const sums = yield* sql`
      SELECT committed, count(*) AS instances, coalesce(sum(ram), 0) AS ram, coalesce(sum(volumes), 0) AS volumes
      FROM quota_holds WHERE project = ${project} GROUP BY committed
      UNION ALL
      SELECT false, 0, coalesce(sum(ram), 0), coalesce(sum(volumes), 0) FROM resize_holds WHERE project = ${project}`.pipe(
      Effect.flatMap(decodeSums),
      died
    )
    const held = (resource: Resource, committed: boolean) =>
      resource === "backups"
        ? 0
        : sums.reduce((sum, row) => (row.committed === committed ? sum + Number(row[resource]) : sum), 0)
    return resources.map(
      (resource): Usage => ({
        resource,
        inUse: held(resource, true),
        reserved: held(resource, false),
        limit: limits.find((limit) => limit.resource === resource)?.hard_limit ?? defaultLimits[resource]
      })
    )
  })

  const setLimits = (project: ProjectId, limits: Partial<Record<Resource, number>>) =>
    Effect.forEach(
      resources.flatMap((resource) => {
        const limit = limits[resource]
        return limit === undefined ? [] : [{ project, resource, hard_limit: limit }]
      }),
      (row) => sql`
        INSERT INTO quota_limits ${sql.insert(row)}
        ON CONFLICT (project, resource) DO UPDATE SET hard_limit = excluded.hard_limit`,
      { discard: true }
    ).pipe(sql.withTransaction, again, died)

  const release = (id: InstanceId) =>
    died(
      Effect.asVoid(sql`
        WITH freed AS (DELETE FROM resize_holds WHERE instance = ${id})
        DELETE FROM quota_holds WHERE instance = ${id}`)
    )

  return Quotas.of({ usage, setLimits, release })
})

export const layer: Layer.Layer<Quotas, never, SqlClient.SqlClient> = Layer.effect(Quotas, make)
