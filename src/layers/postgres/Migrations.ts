/**
 * The control plane's tables. One writer for each: `instances`, `quota*`, `roots` the api; `lifecycles`,
 * `history`, `addresses` the actors; `observations` the conductor. `mailbox` is how the api and the
 * operations speak to an actor.
 */
import { PgMigrator } from "@effect/sql-pg"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { addressCount } from "./PgAddresses.ts"

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
  yield* sql`CREATE SEQUENCE address_cursor MINVALUE 0 MAXVALUE ${sql.literal(String(addressCount - 1))} START 0 CYCLE`
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

/** Brings the schema up to date; needs the SqlClient. */
export const layer = PgMigrator.layer({
  loader: PgMigrator.fromRecord({ "0001_control_plane": controlPlane }),
  table: "coffer_migrations"
})
