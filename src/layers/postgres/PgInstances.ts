/** Instances in PostgreSQL: the api's rows of them, and the commands that it posts. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { State } from "../../actors/Instance.ts"
import type { InstanceId } from "../../services/Ids.ts"
import { type Desired, Instances, type ListedInstance, QuotaExceeded } from "../../services/Instances.ts"
import { nextKind } from "../../services/MailKeys.ts"
import type { Provisioning } from "../../services/Provisioning.ts"
import { amountOf, exceededBy, Quotas } from "../../services/Quotas.ts"
import { SecretBox } from "../../services/SecretBox.ts"
import { again } from "./Conflicts.ts"
import * as PgProvisioning from "./PgProvisioning.ts"
import * as PgQuotas from "./PgQuotas.ts"
import { ListedRow, RecordRow, selectListed, selectPage, selectRecords, toListed, toRecord } from "./PgRecords.ts"
import * as PgResizes from "./PgResizes.ts"
import * as PgSwitching from "./PgSwitching.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(RecordRow))
const decodeListed = Schema.decodeUnknownEffect(Schema.Array(ListedRow))
const encodeState = Schema.encodeSync(Schema.fromJsonString(State))

/** The marker of the page after one, where more rows were found than it shows. */
const nextOf = (rows: ReadonlyArray<unknown>, items: ReadonlyArray<ListedInstance>) =>
  rows.length > items.length ? (items.at(-1)?.desired.id ?? null) : null

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const quotas = yield* Quotas
  const box = yield* SecretBox

  const create = Effect.fn("Instances.create")(function* (
    desired: Desired,
    provisioning: Provisioning,
    configuration: string | null = null
  ) {
    const sealed = yield* PgProvisioning.sealed(box, desired.id, provisioning)
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
        SELECT instance, '${sql.literal(nextKind)}:' || generation, '{"_tag":"Restart"}', ${now}::timestamptz FROM target
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
  const listed = selectListed(sql)

  const get: Instances["Service"]["get"] = Effect.fn("Instances.get")(function* (scope, id) {
    const mine = scope === "any" ? sql`true` : sql`i.project = ${scope.project}`
    const rows = yield* sql`${records} WHERE i.id = ${id} AND ${mine} AND l.tag <> 'Deleted'`.pipe(
      Effect.flatMap(decodeRows),
      died
    )
    return Option.map(Option.fromNullishOr(rows[0]), toRecord)
  })

  const list: Instances["Service"]["list"] = Effect.fn("Instances.list")(function* (project, page) {
    const rows = yield* selectPage(sql, listed, project, page).pipe(Effect.flatMap(decodeListed), died)
    const items = rows.slice(0, page.limit).map(toListed)
    return { items, next: nextOf(rows, items), offer: rows[0]?.offer ?? 0 }
  })

  const listDetail: Instances["Service"]["listDetail"] = Effect.fn("Instances.listDetail")(function* (project, page) {
    const rows = yield* selectPage(sql, records, project, page).pipe(Effect.flatMap(decodeRows), died)
    const items = rows.slice(0, page.limit).map(toRecord)
    return { items, next: nextOf(rows, items) }
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

  return Instances.of({
    create,
    requestDelete,
    requestRestart,
    rename,
    get,
    list,
    listDetail,
    setRootEnabled,
    rootEnabled
  })
})

export const layer = Layer.mergeAll(
  PgSwitching.layer,
  Layer.merge(Layer.effect(Instances, make), PgResizes.layer).pipe(Layer.provideMerge(PgQuotas.layer)),
  PgProvisioning.layer
)
