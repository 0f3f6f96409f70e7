/** Instances, quotas and sealed provisioning in PostgreSQL: the api's tables. */
import { Clock, Effect, Layer, Option, Redacted, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { State } from "../../actors/Instance.ts"
import { ServiceStatus } from "../../services/ConductorApi.ts"
import { InstanceId, ProjectId } from "../../services/Ids.ts"
import {
  Access,
  type Desired,
  type InstanceRecord,
  Instances,
  QuotaExceeded,
  type Resource
} from "../../services/Instances.ts"
import { Provisioning, ProvisioningStore } from "../../services/Provisioning.ts"
import { amountOf, defaultLimits, exceededBy, Quotas, resources, type Usage } from "../../services/Quotas.ts"
import { SecretBox } from "../../services/SecretBox.ts"
import { Fault, shownState } from "../../services/Status.ts"
import { Locality } from "../../services/Zones.ts"
import { again } from "./Conflicts.ts"
import * as PgResizes from "./PgResizes.ts"
import * as PgSwitching from "./PgSwitching.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

export const DesiredRow = Schema.Struct({
  id: InstanceId,
  project: ProjectId,
  name: Schema.String,
  flavor: Schema.String,
  ram: Schema.Int,
  volume_size: Schema.Int,
  volume_type: Schema.NullOr(Schema.String),
  datastore_version: Schema.String,
  region: Schema.String,
  access: Schema.NullOr(Access),
  zone: Schema.NullOr(Schema.String),
  locality: Schema.NullOr(Locality),
  created: Schema.Date,
  updated: Schema.Date
})

export const toDesired = (row: typeof DesiredRow.Type): Desired => ({
  id: row.id,
  project: row.project,
  name: row.name,
  flavor: row.flavor,
  ram: row.ram,
  volumeSize: row.volume_size,
  volumeType: row.volume_type,
  datastoreVersion: row.datastore_version,
  region: row.region,
  access: row.access,
  ...(row.zone === null ? {} : { zone: row.zone }),
  ...(row.locality === null ? {} : { locality: row.locality }),
  created: row.created.getTime(),
  updated: row.updated.getTime()
})

/** What `selectRecords` gives. */
export const RecordRow = Schema.Struct({
  ...DesiredRow.fields,
  delete_requested: Schema.NullOr(Schema.Date),
  requested_now: Schema.NullOr(Schema.String),
  configure_requested: Schema.NullOr(Schema.Date),
  resize_requested: Schema.NullOr(Schema.Date),
  restart_required: Schema.NullOr(Schema.Boolean),
  restart_follows: Schema.NullOr(Schema.Boolean),
  stop_follows: Schema.NullOr(Schema.Boolean),
  resize_follows: Schema.Boolean,
  configuration: Schema.NullOr(Schema.String),
  configuration_name: Schema.NullOr(Schema.String),
  not_applied: Schema.NullOr(Schema.String),
  tag: Schema.String,
  fault: Schema.Unknown,
  since: Schema.Date,
  status: Schema.NullOr(ServiceStatus),
  heartbeat_at: Schema.NullOr(Schema.Date),
  address: Schema.NullOr(Schema.String)
})

/** One that cannot be read must not hide the instance, nor the others of its page. */
const decodeFault = Schema.decodeUnknownOption(Fault)

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(RecordRow))

export const toRecord = (row: typeof RecordRow.Type): InstanceRecord => ({
  desired: toDesired(row),
  state: shownState(
    row.tag,
    {
      delete: row.delete_requested !== null,
      now: row.requested_now,
      configure: row.configure_requested !== null,
      resize: row.resize_requested !== null
    },
    {
      restartRequired: row.restart_required === true,
      restart: row.restart_follows === true,
      stop: row.stop_follows === true,
      resize: row.resize_follows
    }
  ),
  fault: Option.getOrNull(decodeFault(row.fault)),
  stateSince: row.since.getTime(),
  observed:
    row.status === null || row.heartbeat_at === null
      ? null
      : { status: row.status, heartbeatAt: row.heartbeat_at.getTime() },
  address: row.address,
  configuration:
    row.configuration === null
      ? null
      : { id: row.configuration, name: row.configuration_name ?? "", notApplied: row.not_applied }
})

const SealedProvisioning = Schema.fromJsonString(Schema.toCodecJson(Provisioning))
const encodeProvisioning = Schema.encodeEffect(SealedProvisioning)
const decodeProvisioning = Schema.decodeEffect(SealedProvisioning)
const encodeState = Schema.encodeSync(Schema.fromJsonString(State))

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

const makeQuotas = Effect.gen(function* () {
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

// LIMIT 1 of a key is a lookup whatever the planner estimates: with plain joins it reads all of these tables in
// the order of ids, other projects' rows included, to find the few of a page.
// Whoever takes a command moves the generation on, and with it what is looked for: what is found waits still.
/** Instances as they are shown, without a condition; `columns` and `joins` are added, for an instance `i`. */
export const selectRecords = (
  sql: SqlClient.SqlClient,
  columns: Statement.Fragment = sql``,
  joins: Statement.Fragment = sql``
) => sql`
    SELECT i.*, l.tag, l.state -> 'fault' AS fault, l.since, o.status, o.heartbeat_at, a.address,
      asked.command AS requested_now, wanted.posted AS configure_requested, larger.posted AS resize_requested,
      l.restart_required, l.restart_follows, l.stop_follows, l.resize_follows,
      c.id AS configuration, c.name AS configuration_name, c.not_applied${columns}
    FROM instances i
    CROSS JOIN LATERAL (
      SELECT tag, state, since, generation, (state ->> 'restartRequired')::boolean AS restart_required,
        (state ->> 'restart')::boolean AS restart_follows, (state ->> 'stop')::boolean AS stop_follows,
        jsonb_exists(state, 'resize') AS resize_follows
      FROM lifecycles WHERE instance = i.id LIMIT 1
    ) l
    LEFT JOIN LATERAL (
      SELECT command ->> '_tag' AS command FROM mailbox
      WHERE instance = i.id AND key = CASE l.tag WHEN 'Failed' THEN 'delete:' ELSE 'restart:' END || l.generation LIMIT 1
    ) asked ON true
    LEFT JOIN LATERAL (
      SELECT posted FROM mailbox WHERE instance = i.id AND key = 'configure:' || l.generation LIMIT 1
    ) wanted ON true
    LEFT JOIN LATERAL (
      SELECT posted FROM mailbox WHERE instance = i.id AND key = 'resize:' || l.generation LIMIT 1
    ) larger ON true
    LEFT JOIN LATERAL (
      SELECT g.id, g.name, (
        SELECT refused ->> 'reason' FROM applied_configurations
        WHERE instance = i.id AND refused ->> 'configuration' = g.id AND refused -> 'revision' = to_jsonb(g.revision)
      ) AS not_applied
      FROM attached_configurations t JOIN configurations g ON g.id = t.configuration WHERE t.instance = i.id LIMIT 1
    ) c ON true
    LEFT JOIN LATERAL (SELECT status, heartbeat_at FROM observations WHERE instance = i.id LIMIT 1) o ON true
    LEFT JOIN LATERAL (SELECT address, host FROM addresses WHERE instance = i.id LIMIT 1) a ON true ${joins}`

/**
 * A page of a project's instances. One more than asked for tells whether there is a next one. That number is written out, for
 * with a parameter the planner does not know how few rows a page has, and plans each time anew.
 */
export const selectPage = (
  sql: SqlClient.SqlClient,
  records: Statement.Fragment,
  project: string,
  { limit, marker }: { readonly limit: number; readonly marker: string | null }
) => sql`
    ${records} WHERE i.project = ${project} AND l.tag <> 'Deleted' AND i.id > ${marker ?? ""}
    ORDER BY i.id LIMIT ${sql.literal(`${limit + 1}`)}`

const makeInstances = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const quotas = yield* Quotas
  const box = yield* SecretBox

  const create = Effect.fn("Instances.create")(function* (
    desired: Desired,
    provisioning: Provisioning,
    configuration: string | null = null
  ) {
    const plain = yield* died(encodeProvisioning(provisioning))
    const sealed = yield* box.seal(desired.id, Redacted.make(plain))
    const created = new Date(desired.created)
    yield* Effect.gen(function* () {
      // One create at a time a project, so that the sums below are of all that was accepted before.
      yield* died(sql`SELECT pg_advisory_xact_lock(hashtextextended(${desired.project}, 0))`)
      const exceeded = exceededBy(yield* quotas.usage(desired.project), amountOf(desired))
      if (exceeded.length > 0) return yield* new QuotaExceeded({ resources: exceeded })
      yield* died(sql`
        WITH i AS (
          INSERT INTO instances ${sql.insert({
            id: desired.id,
            project: desired.project,
            name: desired.name,
            flavor: desired.flavor,
            ram: desired.ram,
            volume_size: desired.volumeSize,
            volume_type: desired.volumeType,
            datastore_version: desired.datastoreVersion,
            region: desired.region,
            access: desired.access === null ? null : JSON.stringify(desired.access),
            zone: desired.zone ?? null,
            locality: desired.locality ?? null,
            created,
            updated: new Date(desired.updated)
          })} RETURNING id
        ), h AS (
          INSERT INTO quota_holds (instance, project, ram, volumes, committed)
          SELECT id, ${desired.project}, ${desired.ram}::int, ${desired.volumeSize}::int, false FROM i
        ), p AS (
          INSERT INTO provisioning (instance, sealed) SELECT id, ${sealed}::bytea FROM i
        ), c AS (
          INSERT INTO attached_configurations (instance, configuration)
          SELECT i.id, g.id FROM i, (SELECT id FROM configurations WHERE id = ${configuration}::text FOR KEY SHARE) g
        ), m AS (
          INSERT INTO mailbox (instance, key, command, posted)
          SELECT id, 'create', '{"_tag":"Create"}', ${created}::timestamptz FROM i
        )
        INSERT INTO lifecycles (instance, tag, state, generation, since)
        SELECT id, 'New', ${encodeState({ _tag: "New" })}::jsonb, 0, ${created}::timestamptz FROM i`)
    }).pipe(sql.withTransaction, again, Effect.catchTag("SqlError", Effect.die))
  })

  const requestDelete = Effect.fn("Instances.requestDelete")(function* (id: InstanceId) {
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* died(
      sql`
      WITH target AS (
        SELECT instance, generation FROM lifecycles WHERE instance = ${id} AND tag NOT IN ('Deleting', 'Deleted') FOR UPDATE
      ), marked AS (
        UPDATE instances SET delete_requested = coalesce(delete_requested, ${now}::timestamptz), updated = ${now}::timestamptz
        WHERE id IN (SELECT instance FROM target)
      ), detached AS (
        DELETE FROM attached_configurations WHERE instance IN (SELECT instance FROM target)
      ), freed AS (
        DELETE FROM quota_holds WHERE instance IN (SELECT instance FROM target)
      ), unresized AS (
        DELETE FROM resize_holds WHERE instance IN (SELECT instance FROM target)
      )
      INSERT INTO mailbox (instance, key, command, posted)
      SELECT instance, 'delete:' || generation, '{"_tag":"Delete"}', ${now}::timestamptz FROM target
      ON CONFLICT DO NOTHING`.pipe(again)
    )
  })

  const requestRestart = Effect.fn("Instances.requestRestart")(function* (id: InstanceId) {
    const now = new Date(yield* Clock.currentTimeMillis)
    const accepted = yield* died(
      sql`
      WITH target AS (
        SELECT l.instance, l.generation FROM lifecycles l JOIN instances i ON i.id = l.instance
        WHERE l.instance = ${id} AND l.tag IN ('Active', 'Configuring') AND i.delete_requested IS NULL
          AND (l.state -> 'restart') IS DISTINCT FROM 'true' AND (l.state -> 'stop') IS DISTINCT FROM 'true'
          AND (l.state -> 'resize') IS NULL
          AND NOT EXISTS (SELECT 1 FROM mailbox WHERE instance = l.instance AND key = 'resize:' || l.generation)
        FOR UPDATE OF l, i
      ), posted AS (
        INSERT INTO mailbox (instance, key, command, posted)
        SELECT instance, 'restart:' || generation, '{"_tag":"Restart"}', ${now}::timestamptz FROM target
        ON CONFLICT DO NOTHING RETURNING instance
      )
      UPDATE instances SET updated = ${now}::timestamptz WHERE id IN (SELECT instance FROM posted) RETURNING id`.pipe(
        again
      )
    )
    return accepted.length > 0
  })

  const rename = Effect.fn("Instances.rename")(function* (id: InstanceId, name: string) {
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* died(sql`UPDATE instances SET name = ${name}, updated = ${now} WHERE id = ${id}`)
  })

  const records = selectRecords(sql)

  const get: Instances["Service"]["get"] = Effect.fn("Instances.get")(function* (scope, id) {
    const mine = scope === "any" ? sql`true` : sql`i.project = ${scope.project}`
    const rows = yield* sql`${records} WHERE i.id = ${id} AND ${mine} AND l.tag <> 'Deleted'`.pipe(
      Effect.flatMap(decodeRows),
      died
    )
    return rows[0] === undefined ? Option.none() : Option.some(toRecord(rows[0]))
  })

  const list: Instances["Service"]["list"] = Effect.fn("Instances.list")(function* (project, { limit, marker }) {
    const rows = yield* selectPage(sql, records, project, { limit, marker }).pipe(Effect.flatMap(decodeRows), died)
    const items = rows.slice(0, limit).map(toRecord)
    return { items, next: rows.length > limit ? (items.at(-1)?.desired.id ?? null) : null }
  })

  const setRootEnabled = Effect.fn("Instances.setRootEnabled")(function* (
    id: InstanceId,
    enabled: boolean,
    by: string
  ) {
    const row = { instance: id, enabled, changed_by: by, changed: new Date(yield* Clock.currentTimeMillis) }
    yield* died(sql`
      INSERT INTO roots ${sql.insert(row)}
      ON CONFLICT (instance) DO UPDATE
      SET enabled = excluded.enabled, changed_by = excluded.changed_by, changed = excluded.changed`)
  })

  const rootEnabled = Effect.fn("Instances.rootEnabled")(function* (id: InstanceId) {
    const rows = yield* died(sql<{ readonly enabled: boolean }>`SELECT enabled FROM roots WHERE instance = ${id}`)
    return rows[0] === undefined ? "never" : rows[0].enabled ? "enabled" : "disabled"
  })

  return Instances.of({ create, requestDelete, requestRestart, rename, get, list, setRootEnabled, rootEnabled })
})

const makeProvisioning = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const box = yield* SecretBox
  return ProvisioningStore.of({
    open: Effect.fn("ProvisioningStore.open")(function* (id) {
      const rows = yield* died(
        sql<{ readonly sealed: Uint8Array }>`SELECT sealed FROM provisioning WHERE instance = ${id}`
      )
      if (rows[0] === undefined) return { databases: [], users: [] }
      const plain = yield* died(box.open(id, rows[0].sealed))
      return yield* died(decodeProvisioning(Redacted.value(plain)))
    }),
    forget: (id) => died(Effect.asVoid(sql`DELETE FROM provisioning WHERE instance = ${id}`))
  })
})

export const layer = Layer.mergeAll(
  PgSwitching.layer,
  Layer.merge(Layer.effect(Instances, makeInstances), PgResizes.layer).pipe(
    Layer.provideMerge(Layer.effect(Quotas, makeQuotas))
  ),
  Layer.effect(ProvisioningStore, makeProvisioning)
)
