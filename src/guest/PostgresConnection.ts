/**
 * A guest's connections to its PostgreSQL, as the superuser `postgres`: what they ask and tell it, in `postgres` or in
 * another database. Secrets appear, by the session's settings, in no log of the server.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Schema } from "effect"
import { Reactivity } from "effect/reactivity"
import type { Endpoint } from "./DatastoreManager.ts"
import { ownSource } from "./HostFirewall.ts"

const maxConnections = 2

const connection = (endpoint: Endpoint, database: string) => ({
  stream: () => ownSource(endpoint),
  username: "postgres",
  password: endpoint.adminPassword,
  database,
  connectTimeout: "3 seconds" as const,
  applicationName: "coffer-guest",
  startupParameters: {
    // What a tenant puts into a schema must never be called by us.
    search_path: "pg_catalog",
    // Statements carry passwords: the server must not log those that fail either, nor what it makes of them.
    log_statement: "none",
    log_min_error_statement: "panic",
    log_min_messages: "warning",
    log_min_duration_statement: "-1",
    log_min_duration_sample: "-1",
    log_transaction_sample_rate: "0",
    debug_print_parse: "off",
    debug_print_rewritten: "off",
    debug_print_plan: "off",
    statement_timeout: "60s"
  }
})

/** Connections are made as they are needed, and closed with the scope. */
export const connect = Effect.fnUntraced(function* (endpoint: Endpoint) {
  const sql = yield* PgClient.make({ ...connection(endpoint, "postgres"), maxConnections }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.orDie
  )

  const ask = <S extends Schema.Codec<unknown, unknown>>(
    row: S,
    text: string,
    parameters: ReadonlyArray<unknown> = []
  ) =>
    sql.unsafe(text, parameters).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.Array(row))),
      Effect.catchTag("SchemaError", (error) => Effect.die(error))
    )
  const exists = (text: string, name: string) =>
    Effect.map(ask(Schema.Unknown, text, [name]), (rows) => rows.length > 0)
  const roleExists = (name: string) => exists("SELECT 1 FROM pg_roles WHERE rolname::text = $1", name)
  const run = (text: string) => sql.unsafe(text).unprepared
  /** A span would carry the statement, and the password in it, to wherever traces are collected. */
  const runSecretly = (text: string) => Effect.withTracerEnabled(run(text), false)

  /** Statements that only work inside the database they are about. */
  const inside = (database: string, statements: ReadonlyArray<string>) =>
    Effect.scoped(
      Effect.flatMap(PgClient.makeClient(connection(endpoint, database)), (there) =>
        Effect.forEach(statements, (text) => there.unsafe(text).unprepared, { discard: true })
      )
    ).pipe(Effect.provide(Reactivity.layer))

  /** Ends the sessions of a user, in all databases or in one. */
  const disconnect = (user: string, database: string | null = null) =>
    sql.unsafe(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE usename::text = $1 AND ($2::text IS NULL OR datname::text = $2)`,
      [user, database]
    )

  return { ask, exists, roleExists, run, runSecretly, inside, disconnect }
})

export type PostgresConnection = Effect.Success<ReturnType<typeof connect>>
