/** Configuration groups in PostgreSQL. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import {
  Applied,
  type ConfigurationGroup,
  Configurations,
  nothingApplied,
  type Removal
} from "../../services/configuration/Configurations.ts"
import { Values } from "../../services/configuration/Parameter.ts"
import { InstanceId, ProjectId } from "../../services/Ids.ts"
import type { Scope } from "../../services/Instances.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { again } from "./Conflicts.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const GroupRow = Schema.Struct({
  id: Schema.String,
  project: ProjectId,
  name: Schema.String,
  description: Schema.NullOr(Schema.String),
  datastore_version: Schema.String,
  settings: Values,
  revision: Schema.Int,
  created: Schema.Date,
  updated: Schema.Date
})
const decodeGroups = Schema.decodeUnknownEffect(Schema.Array(GroupRow))
const decodeInstances = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: InstanceId, name: Schema.String })))
const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ instance: InstanceId })))
const decodeCounts = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ n: Schema.BigInt })))
const decodeApplied = Schema.decodeUnknownEffect(Schema.Array(Applied))

const toGroup = ({ datastore_version, settings, ...row }: typeof GroupRow.Type): ConfigurationGroup => ({
  ...row,
  datastoreVersion: datastore_version,
  values: settings,
  created: row.created.getTime(),
  updated: row.updated.getTime()
})

const json = (value: unknown) => JSON.stringify(value)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const mine = (scope: Scope) => (scope === "any" ? sql`true` : sql`project = ${scope.project}`)

  const create = Effect.fn("Configurations.create")(function* (group: ConfigurationGroup) {
    yield* died(sql`
      INSERT INTO configurations (id, project, name, description, datastore_version, settings, revision, created, updated)
      VALUES (${group.id}, ${group.project}, ${group.name}, ${group.description}, ${group.datastoreVersion},
        ${json(group.values)}::jsonb, ${group.revision}, ${new Date(group.created)}, ${new Date(group.updated)})`)
  })

  const get: Configurations["Service"]["get"] = Effect.fn("Configurations.get")(function* (scope, id) {
    const rows = yield* sql`SELECT * FROM configurations WHERE id = ${id} AND ${mine(scope)}`.pipe(
      Effect.flatMap(decodeGroups),
      died
    )
    return Option.map(Option.fromNullishOr(rows[0]), toGroup)
  })

  const list: Configurations["Service"]["list"] = Effect.fn("Configurations.list")(function* (
    scope,
    { limit, marker }
  ) {
    const rows = yield* sql`
      SELECT * FROM configurations WHERE ${mine(scope)} AND id > ${marker ?? ""} ORDER BY id LIMIT ${limit + 1}`.pipe(
      Effect.flatMap(decodeGroups),
      died
    )
    const items = rows.slice(0, limit).map(toGroup)
    return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
  })

  const countInstances = (id: string) =>
    sql`SELECT count(*) AS n FROM attached_configurations WHERE configuration = ${id}`.pipe(
      Effect.flatMap(decodeCounts),
      died,
      Effect.map(([row]) => Number(row?.n ?? 0n))
    )

  const instances: Configurations["Service"]["instances"] = Effect.fn("Configurations.instances")(function* (
    id,
    { limit, marker }
  ) {
    const rows = yield* sql`
      SELECT i.id, i.name FROM attached_configurations c JOIN instances i ON i.id = c.instance
      WHERE c.configuration = ${id} AND i.id > ${marker ?? ""} ORDER BY i.id LIMIT ${limit + 1}`.pipe(
      Effect.flatMap(decodeInstances),
      died
    )
    const items = rows.slice(0, limit)
    return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
  })

  // The lifecycle's row is locked: whoever handles a command that is there already, reads the change after it.
  const update: Configurations["Service"]["update"] = Effect.fn("Configurations.update")(function* (id, change) {
    const now = new Date(yield* Clock.currentTimeMillis)
    return yield* Effect.gen(function* () {
      const rows = yield* sql`SELECT * FROM configurations WHERE id = ${id} FOR UPDATE`.pipe(
        Effect.flatMap(decodeGroups),
        died
      )
      if (rows[0] === undefined) return []
      const values = change.values(rows[0].settings)
      yield* died(sql`
        UPDATE configurations SET name = coalesce(${change.name}::text, name),
          description = coalesce(${change.description}::text, description), settings = ${json(values)}::jsonb,
          revision = revision + 1, updated = ${now}::timestamptz
        WHERE id = ${id}`)
      const told = yield* sql`
        WITH target AS (
          SELECT l.instance, l.generation FROM lifecycles l JOIN instances i ON i.id = l.instance
          JOIN attached_configurations c ON c.instance = l.instance AND c.configuration = ${id}
          WHERE l.tag IN (
              'Building', 'Active', 'Restarting', 'Configuring', 'Resizing', 'Stopping', 'Stopped', 'Starting', 'Upgrading', 'Rebuilding', 'Failed'
            ) AND i.delete_requested IS NULL
          ORDER BY l.instance FOR UPDATE OF l
        ), posted AS (
          INSERT INTO mailbox (instance, key, command, posted)
          SELECT instance, 'configure:' || generation, '{"_tag":"Configure"}', ${now}::timestamptz FROM target
          ON CONFLICT DO NOTHING
        )
        SELECT instance FROM target`.pipe(Effect.flatMap(decodeIds), died)
      return told.map(({ instance }) => instance)
    }).pipe(sql.withTransaction, again, died)
  })

  const remove = Effect.fn("Configurations.remove")(function* (id: string) {
    return yield* Effect.gen(function* () {
      const found = yield* died(sql`SELECT id FROM configurations WHERE id = ${id} FOR UPDATE`)
      if (found.length === 0) return "missing"
      if ((yield* countInstances(id)) > 0) return "attached"
      yield* died(sql`DELETE FROM configurations WHERE id = ${id}`)
      return "removed" satisfies Removal
    }).pipe(sql.withTransaction, again, died)
  })

  const attach: Configurations["Service"]["attach"] = Effect.fn("Configurations.attach")(function* (instance, id) {
    const now = new Date(yield* Clock.currentTimeMillis)
    const changed =
      id === null
        ? sql`DELETE FROM attached_configurations WHERE instance IN (SELECT instance FROM target) RETURNING instance`
        : sql`INSERT INTO attached_configurations (instance, configuration)
            SELECT t.instance, c.id FROM target t, (SELECT id FROM configurations WHERE id = ${id} FOR KEY SHARE) c
            ON CONFLICT DO NOTHING RETURNING instance`
    return yield* Effect.gen(function* () {
      // Locked before it is looked at: what was being asked for meanwhile is in the mailbox then.
      yield* sql`
        SELECT 1 FROM lifecycles l JOIN instances i ON i.id = l.instance
        WHERE l.instance = ${instance} FOR UPDATE OF l, i`
      const accepted = yield* sql`
        WITH target AS (
          SELECT l.instance, l.generation FROM lifecycles l JOIN instances i ON i.id = l.instance
          WHERE l.instance = ${instance} AND i.delete_requested IS NULL
            AND (l.tag = 'Active'
              OR l.tag = 'Configuring' AND (l.state -> 'restart') IS DISTINCT FROM 'true'
                AND (l.state -> 'stop') IS DISTINCT FROM 'true' AND (l.state -> 'resize') IS NULL
              OR l.tag = 'Stopped')
            AND NOT EXISTS (
              SELECT FROM mailbox WHERE instance = l.instance AND handled IS NULL
                AND (key LIKE '${sql.literal(nextKind)}:%' OR key LIKE 'resize:%')
            )
        ), changed AS (${changed}), anew AS (
          UPDATE applied_configurations SET refused = NULL WHERE instance IN (SELECT instance FROM changed)
        ), posted AS (
          INSERT INTO mailbox (instance, key, command, posted)
          SELECT t.instance, 'configure:' || t.generation, '{"_tag":"Configure"}', ${now}::timestamptz
          FROM target t JOIN changed USING (instance)
          ON CONFLICT DO NOTHING
        )
        UPDATE instances SET updated = ${now}::timestamptz WHERE id IN (SELECT instance FROM changed) RETURNING id`
      return accepted.length > 0
    }).pipe(sql.withTransaction, again, died)
  })

  const attachedTo: Configurations["Service"]["attachedTo"] = Effect.fnUntraced(function* (instance) {
    const rows = yield* sql`
      SELECT g.* FROM attached_configurations c JOIN configurations g ON g.id = c.configuration
      WHERE c.instance = ${instance}`.pipe(Effect.flatMap(decodeGroups), died)
    return Option.map(Option.fromNullishOr(rows[0]), toGroup)
  })

  const applied: Configurations["Service"]["applied"] = Effect.fnUntraced(function* (instance) {
    const rows =
      yield* sql`SELECT told, running, refused FROM applied_configurations WHERE instance = ${instance}`.pipe(
        Effect.flatMap(decodeApplied),
        died
      )
    return rows[0] ?? nothingApplied
  })

  const setApplied: Configurations["Service"]["setApplied"] = Effect.fn("Configurations.setApplied")(function* (
    instance,
    { refused, running, told }
  ) {
    yield* died(sql`
      INSERT INTO applied_configurations (instance, told, running, refused)
      SELECT id, ${json(told)}::jsonb, ${json(running)}::jsonb, ${refused === null ? null : json(refused)}::jsonb
      FROM instances WHERE id = ${instance}
      ON CONFLICT (instance) DO UPDATE
      SET told = excluded.told, running = excluded.running, refused = excluded.refused`)
  })

  return Configurations.of({
    create,
    get,
    list,
    countInstances,
    instances,
    update,
    remove,
    attach,
    attachedTo,
    applied,
    setApplied
  })
})

export const layer = Layer.effect(Configurations, make)
