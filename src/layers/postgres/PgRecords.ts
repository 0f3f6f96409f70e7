/** Instances as they are shown, out of the tables of all who write of them: what is asked of PostgreSQL, and read. */
import { Option, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { ServiceStatus } from "../../services/ConductorApi.ts"
import { InstanceId, ProjectId } from "../../services/Ids.ts"
import { Access, type Desired, type InstanceRecord, type ListedInstance } from "../../services/Instances.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { Fault, shownState } from "../../services/Status.ts"
import { Locality } from "../../services/Zones.ts"

const listedDesired = {
  id: InstanceId,
  project: ProjectId,
  name: Schema.String,
  flavor: Schema.String,
  volume_size: Schema.Int,
  datastore_version: Schema.String,
  region: Schema.String,
  access: Schema.NullOr(Access),
  created: Schema.Date
}

export const DesiredRow = Schema.Struct({
  ...listedDesired,
  ram: Schema.Int,
  volume_type: Schema.NullOr(Schema.String),
  zone: Schema.NullOr(Schema.String),
  locality: Schema.NullOr(Locality),
  updated: Schema.Date
})

const shown = {
  delete_requested: Schema.NullOr(Schema.Date),
  requested_now: Schema.NullOr(Schema.String),
  configure_requested: Schema.NullOr(Schema.Boolean),
  resize_requested: Schema.NullOr(Schema.Boolean),
  restart_required: Schema.NullOr(Schema.Boolean),
  restart_follows: Schema.NullOr(Schema.Boolean),
  rebuild_follows: Schema.NullOr(Schema.Boolean),
  stop_follows: Schema.NullOr(Schema.Boolean),
  resize_follows: Schema.Boolean,
  tag: Schema.String,
  status: Schema.NullOr(ServiceStatus),
  heartbeat_at: Schema.NullOr(Schema.Date),
  address: Schema.NullOr(Schema.String)
}

/** What `selectListed` gives. */
export const ListedRow = Schema.Struct({ ...listedDesired, ...shown, offer: Schema.Int })

/** What `selectRecords` gives. */
export const RecordRow = Schema.Struct({
  ...DesiredRow.fields,
  ...shown,
  configuration: Schema.NullOr(Schema.String),
  configuration_name: Schema.NullOr(Schema.String),
  not_applied: Schema.NullOr(Schema.String),
  fault: Schema.Unknown,
  since: Schema.Date
})

type Listed = Omit<typeof ListedRow.Type, "offer">

const toListedDesired = (row: Listed): ListedInstance["desired"] => ({
  id: row.id,
  project: row.project,
  name: row.name,
  flavor: row.flavor,
  volumeSize: row.volume_size,
  datastoreVersion: row.datastore_version,
  region: row.region,
  access: row.access,
  created: row.created.getTime()
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

const toShown = (row: Listed) => ({
  state: shownState(
    row.tag,
    {
      delete: row.delete_requested !== null,
      now: row.requested_now,
      configure: row.configure_requested === true,
      resize: row.resize_requested === true
    },
    {
      restartRequired: row.restart_required === true,
      restart: row.restart_follows === true,
      rebuild: row.rebuild_follows === true,
      stop: row.stop_follows === true,
      resize: row.resize_follows
    }
  ),
  observed:
    row.status === null || row.heartbeat_at === null
      ? null
      : { status: row.status, heartbeatAt: row.heartbeat_at.getTime() },
  address: row.address
})

export const toListed = (row: Listed): ListedInstance => ({ desired: toListedDesired(row), ...toShown(row) })

/** One that cannot be read must not hide the instance, nor the others of its page. */
const decodeFault = Schema.decodeUnknownOption(Fault)

export const toRecord = (row: typeof RecordRow.Type): InstanceRecord => ({
  desired: toDesired(row),
  ...toShown(row),
  fault: Option.getOrNull(decodeFault(row.fault)),
  stateSince: row.since.getTime(),
  configuration:
    row.configuration === null
      ? null
      : { id: row.configuration, name: row.configuration_name ?? "", notApplied: row.not_applied }
})

// LIMIT 1 of a key is a lookup whatever the planner estimates: with plain joins it reads all of these tables in
// the order of ids, other projects' rows included, to find the few of a page.
// Whoever takes a command moves the generation on, and with it what is looked for: what is found waits still.
/** Instances without a condition, with what all of them show; `columns` and `joins` are added, for an instance `i`. */
const select = (sql: SqlClient.SqlClient, columns: Statement.Fragment, joins: Statement.Fragment) => sql`
    SELECT i.id, i.project, i.name, i.flavor, i.volume_size, i.datastore_version, i.region, i.access, i.created,
      i.delete_requested, asked.now AS requested_now, asked.configure AS configure_requested,
      asked.resize AS resize_requested, l.tag, l.restart_required, l.restart_follows, l.rebuild_follows,
      l.stop_follows, l.resize_follows, o.status, o.heartbeat_at, a.address, ${columns}
    FROM instances i
    CROSS JOIN LATERAL (
      SELECT tag, state, since, generation, (state ->> 'restartRequired')::boolean AS restart_required,
        (state ->> 'restart')::boolean AS restart_follows, (state ->> 'stop')::boolean AS stop_follows,
        (state ->> 'rebuild')::boolean AS rebuild_follows,
        jsonb_exists(state, 'resize') AS resize_follows
      FROM lifecycles WHERE instance = i.id LIMIT 1
    ) l
    CROSS JOIN LATERAL (
      SELECT bool_or(key LIKE 'configure:%') AS configure, bool_or(key LIKE 'resize:%') AS resize,
        min(command ->> '_tag') FILTER (
          WHERE key LIKE '${sql.literal(nextKind)}:%' OR l.tag = 'Failed' AND key LIKE 'delete:%'
        ) AS now
      FROM mailbox WHERE instance = i.id AND key IN ('delete:' || l.generation, '${sql.literal(nextKind)}:' || l.generation,
        'configure:' || l.generation, 'resize:' || l.generation)
    ) asked
    LEFT JOIN LATERAL (SELECT status, heartbeat_at FROM observations WHERE instance = i.id LIMIT 1) o ON true
    LEFT JOIN LATERAL (SELECT address, host FROM addresses WHERE instance = i.id LIMIT 1) a ON true ${joins}`

/** Instances with all that is shown of one; `columns` begin with a comma. */
export const selectRecords = (
  sql: SqlClient.SqlClient,
  columns: Statement.Fragment = sql``,
  joins: Statement.Fragment = sql``
) =>
  select(
    sql,
    sql`i.ram, i.volume_type, i.zone, i.locality, i.updated, l.state -> 'fault' AS fault, l.since, c.id AS configuration,
      c.name AS configuration_name, c.not_applied${columns}`,
    sql`
    LEFT JOIN LATERAL (
      SELECT g.id, g.name, (
        SELECT refused ->> 'reason' FROM applied_configurations
        WHERE instance = i.id AND refused ->> 'configuration' = g.id AND refused -> 'revision' = to_jsonb(g.revision)
      ) AS not_applied
      FROM attached_configurations t JOIN configurations g ON g.id = t.configuration WHERE t.instance = i.id LIMIT 1
    ) c ON true ${joins}`
  )

/** Instances with what a list shows of them, and how far the catalog has come by then, for who shows what they are made of. */
export const selectListed = (sql: SqlClient.SqlClient) =>
  select(sql, sql`(SELECT revision FROM catalog) AS offer`, sql``)

/**
 * A page of a project's instances. One more than asked for tells whether there is a next one. That number is written out, for
 * with a parameter the planner does not know how few rows a page has, and plans each time anew.
 */
export const selectPage = (
  sql: SqlClient.SqlClient,
  instances: Statement.Fragment,
  project: string,
  { limit, marker }: { readonly limit: number; readonly marker: string | null }
) => sql`
    ${instances} WHERE i.project = ${project} AND l.tag <> 'Deleted' AND i.id > ${marker ?? ""}
    ORDER BY i.id LIMIT ${sql.literal(`${limit + 1}`)}`
