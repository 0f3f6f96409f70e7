/**
 * The control plane's tables. One writer for each: `instances`, `quota*`, `roots`, `configurations`,
 * `attached_configurations` the api; `lifecycles`,
 * `history`, `addresses`, `guest_keys`, `applied_configurations` the actors; `observations`, `*_reports`, `reports_seen`, `guest_hosts` the
 * conductor, but for how far the addresses of a host have gone round, which is the actors'. `mailbox` is how the api
 * and the operations speak to an actor; in `taskmanagers` each taskmanager tells of itself.
 */
import { PgMigrator } from "@effect/sql-pg"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const controlPlane = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE instances (
      id text PRIMARY KEY,
      project text NOT NULL,
      name text NOT NULL,
      flavor text NOT NULL,
      ram int NOT NULL,
      volume_size int NOT NULL,
      volume_type text,
      datastore_version text NOT NULL,
      region text NOT NULL,
      access jsonb,
      created timestamptz NOT NULL,
      updated timestamptz NOT NULL,
      delete_requested timestamptz
    )`
  yield* sql`CREATE INDEX instances_by_project ON instances (project, id)`
  yield* sql`
    CREATE TABLE lifecycles (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      tag text NOT NULL,
      state jsonb NOT NULL,
      generation int NOT NULL,
      deadline timestamptz,
      since timestamptz NOT NULL
    )`
  yield* sql`CREATE INDEX lifecycles_by_deadline ON lifecycles (deadline) WHERE deadline IS NOT NULL`
  yield* sql`CREATE INDEX lifecycles_deleted ON lifecycles (since) WHERE tag = 'Deleted'`
  yield* sql`
    CREATE TABLE mailbox (
      seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      instance text NOT NULL REFERENCES instances ON DELETE CASCADE,
      key text NOT NULL,
      command jsonb NOT NULL,
      posted timestamptz NOT NULL,
      handled timestamptz,
      UNIQUE (instance, key)
    )`
  yield* sql`CREATE INDEX mailbox_unhandled ON mailbox (posted, instance) WHERE handled IS NULL`
  yield* sql`
    CREATE TABLE observations (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      status text NOT NULL,
      sent timestamptz NOT NULL,
      heartbeat_at timestamptz NOT NULL,
      silent boolean NOT NULL DEFAULT false,
      failure text
    )`
  yield* sql`CREATE INDEX observations_by_beat ON observations (heartbeat_at) WHERE NOT silent`
  yield* sql`
    CREATE TABLE history (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      instance text NOT NULL REFERENCES instances ON DELETE CASCADE,
      key text,
      entry jsonb NOT NULL,
      UNIQUE (instance, key)
    )`
  yield* sql`CREATE INDEX history_by_instance ON history (instance, id)`
  yield* sql`
    CREATE TABLE addresses (
      address text PRIMARY KEY,
      instance text NOT NULL UNIQUE REFERENCES instances ON DELETE CASCADE
    )`
  // Goes round the whole range before it gives an address out again: the uid of a server follows from it.
  yield* sql`CREATE SEQUENCE address_cursor MINVALUE 0 MAXVALUE 65023 START 0 CYCLE`
  yield* sql`
    CREATE TABLE quota_limits (
      project text NOT NULL,
      resource text NOT NULL,
      hard_limit int NOT NULL,
      PRIMARY KEY (project, resource)
    )`
  yield* sql`
    CREATE TABLE quota_holds (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      project text NOT NULL,
      ram int NOT NULL,
      volumes int NOT NULL,
      committed boolean NOT NULL
    )`
  yield* sql`CREATE INDEX quota_holds_by_project ON quota_holds (project) INCLUDE (ram, volumes, committed)`
  yield* sql`
    CREATE TABLE provisioning (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      sealed bytea NOT NULL
    )`
  yield* sql`
    CREATE TABLE roots (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      enabled boolean NOT NULL,
      changed_by text NOT NULL,
      changed timestamptz NOT NULL
    )`
})

/** Guests on many hosts, each with a key of its own. */
const manyHosts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE guest_hosts (
      name text PRIMARY KEY,
      addresses text NOT NULL,
      memory_mb int NOT NULL,
      next_address bigint NOT NULL DEFAULT 0,
      reported timestamptz NOT NULL
    )`
  // Until now there was one host, and the addresses went round in a sequence.
  yield* sql`
    INSERT INTO guest_hosts (name, addresses, memory_mb, next_address, reported)
    SELECT 'local', '', 0, CASE WHEN is_called THEN last_value + 1 ELSE last_value END, 'epoch' FROM address_cursor`
  yield* sql`DROP SEQUENCE address_cursor`
  yield* sql`ALTER TABLE addresses ADD COLUMN host text NOT NULL DEFAULT 'local' REFERENCES guest_hosts`
  yield* sql`ALTER TABLE addresses ALTER COLUMN host DROP DEFAULT`
  // Whether the host has said that nobody else listens there.
  yield* sql`ALTER TABLE addresses ADD COLUMN confirmed boolean NOT NULL DEFAULT true`
  yield* sql`ALTER TABLE addresses ALTER COLUMN confirmed DROP DEFAULT`
  yield* sql`ALTER TABLE addresses DROP CONSTRAINT addresses_pkey`
  yield* sql`ALTER TABLE addresses ADD PRIMARY KEY (host, address)`
  yield* sql`
    CREATE TABLE guest_keys (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      protocol text NOT NULL,
      sealed bytea NOT NULL
    )`
  // What a guest told last by each method: what is not newer is a repeat.
  yield* sql`
    CREATE TABLE reports_seen (
      instance text NOT NULL REFERENCES instances ON DELETE CASCADE,
      method text NOT NULL,
      sent timestamptz NOT NULL,
      PRIMARY KEY (instance, method)
    )`
  yield* sql`
    CREATE TABLE backup_reports (
      instance text NOT NULL REFERENCES instances ON DELETE CASCADE,
      backup text NOT NULL,
      sent timestamptz NOT NULL,
      report jsonb NOT NULL,
      PRIMARY KEY (instance, backup)
    )`
})

/** Commands that no actor could handle are kept, with the reason. */
const setAside = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE mailbox ADD COLUMN set_aside text`
  yield* sql`CREATE INDEX mailbox_set_aside ON mailbox (instance) WHERE set_aside IS NOT NULL`
})

/** Many taskmanagers: the numbers of their orders, and what each tells of itself. */
const manyTaskmanagers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE SEQUENCE orders`
  yield* sql`
    CREATE TABLE taskmanagers (
      address text PRIMARY KEY,
      reported timestamptz NOT NULL,
      started timestamptz NOT NULL,
      actors int NOT NULL,
      consumed int NOT NULL,
      taken timestamptz NOT NULL
    )`
})

/** What is over can be found from its old end, and how often a turn has failed is known to whoever takes over. */
const bounded = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE INDEX mailbox_handled ON mailbox (handled) WHERE handled IS NOT NULL AND set_aside IS NULL`
  yield* sql`ALTER TABLE lifecycles ADD COLUMN failures int NOT NULL DEFAULT 0, ADD COLUMN failed timestamptz`
})

/**
 * What comes and goes all the time is swept when a twentieth of it is dead, and not when a fifth is: tables are as much
 * larger than what lives in them.
 */
const sweptSoon = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const churning of ["history", "mailbox", "lifecycles", "observations", "reports_seen"])
    yield* sql`ALTER TABLE ${sql(churning)} SET (autovacuum_vacuum_scale_factor = 0.05)`
})

/** Configuration groups: what is wanted (the api's), and what of it has reached an instance (its operations'). */
const configurations = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE configurations (
      id text PRIMARY KEY,
      project text NOT NULL,
      name text NOT NULL,
      description text,
      datastore_version text NOT NULL,
      settings jsonb NOT NULL,
      revision int NOT NULL,
      created timestamptz NOT NULL,
      updated timestamptz NOT NULL
    )`
  yield* sql`CREATE INDEX configurations_by_project ON configurations (project, id)`
  yield* sql`
    CREATE TABLE attached_configurations (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      configuration text NOT NULL REFERENCES configurations
    )`
  yield* sql`CREATE INDEX attached_configurations_by_group ON attached_configurations (configuration, instance)`
  yield* sql`
    CREATE TABLE applied_configurations (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      told jsonb NOT NULL,
      running jsonb NOT NULL,
      refused jsonb
    )`
})

/** Databases can be stopped and started: states and commands of new kinds. */
const stopAndStart = Effect.void
/** What resizes that are under way hold beyond what their instances are. */
const resizes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE resize_holds (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      project text NOT NULL,
      ram int NOT NULL,
      volumes int NOT NULL
    )`
  yield* sql`CREATE INDEX resize_holds_by_project ON resize_holds (project) INCLUDE (ram, volumes)`
})

/** Who may reach an instance, as its guest was told last. */
const accesses = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE told_accesses (
      instance text PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
      networks jsonb NOT NULL
    )`
})

/** What administrators change of the catalog: one row, and the number that tells whether it has changed. */
const catalog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE catalog (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      revision int NOT NULL,
      changes jsonb NOT NULL
    )`
  yield* sql`
    INSERT INTO catalog (revision, changes) VALUES (0,
      '{"datastores": [], "versions": [], "active": {}, "defaults": {}, "parameters": {}, "retired": []}')`
})

/** An instance can be brought to another version: a state and a command of new kinds. */
const upgrades = Effect.void

/**
 * Of what is to be done next (a restart, a stop, a start, an upgrade, a resize) one waits: whoever asks at the same moment
 * sees no other, and the index does.
 */
const oneNext = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const isNext = sql.literal("handled IS NULL AND (key LIKE 'restart:%' OR key LIKE 'resize:%')")
  yield* sql`
    UPDATE mailbox m SET handled = now(), set_aside = 'it was asked for beside another'
    WHERE ${isNext} AND EXISTS (SELECT FROM mailbox WHERE instance = m.instance AND seq < m.seq AND ${isNext})`
  yield* sql`CREATE UNIQUE INDEX mailbox_one_next ON mailbox (instance) WHERE ${isNext}`
})

/** Machines are in availability zones, and orders may name one. */
const zones = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE guest_hosts ADD COLUMN zone text NOT NULL DEFAULT 'nova'`
  yield* sql`ALTER TABLE instances ADD COLUMN zone text, ADD COLUMN locality text`
})

/** An instance can be rebuilt: a state and a command of new kinds. */
const rebuilds = Effect.void

/** Whether a machine can keep clients out of its databases, as it tells itself. */
const guards = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE guest_hosts ADD COLUMN guards boolean`
})

const migrations = {
  "0001_control_plane": controlPlane,
  "0002_many_hosts": manyHosts,
  "0003_set_aside": setAside,
  "0004_many_taskmanagers": manyTaskmanagers,
  "0005_bounded": bounded,
  "0006_swept_soon": sweptSoon,
  "0007_configurations": configurations,
  "0008_stop_and_start": stopAndStart,
  "0009_accesses": accesses,
  "0010_catalog": catalog,
  "0011_upgrades": upgrades,
  "0012_resizes": resizes,
  "0013_one_next": oneNext,
  "0014_zones": zones,
  "0015_rebuilds": rebuilds,
  "0016_guards": guards
}

/**
 * How the name of a migration begins with which processes of an older release cannot live: it takes away, or changes,
 * what they read or write. All others only add. A release that adds a kind of state, command or operation has a
 * migration, if only an empty one: by the version of the tables older processes know of it.
 */
export const breaking = "breaking_"

/** The version of the tables that this release needs. */
export const newest = Object.keys(migrations).length

/** Where the database says which version it has. */
export const table = "coffer_migrations"

/** Brings the schema up to a version, for tests what a service of the past left behind; needs the SqlClient. */
export const layerUntil = (version: number) =>
  PgMigrator.layer({
    loader: PgMigrator.fromRecord(Object.fromEntries(Object.entries(migrations).slice(0, version))),
    table
  })

/** Brings the schema up to date; needs the SqlClient. */
export const layer = layerUntil(newest)
