/** What a running PostgreSQL takes of its configuration file. */
import { Effect, Schedule, Schema } from "effect"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { PostgresConnection } from "./PostgresConnection.ts"

const Refused = Schema.Struct({ name: Schema.NullOr(Schema.String), error: Schema.String })
const Waiting = Schema.Struct({ waiting: Schema.Boolean })

/** When the file was read last, as the server tells it; its processes learn of a change one after the other. */
const loadedAt = (server: PostgresConnection) =>
  Effect.map(
    server.ask(Schema.Struct({ at: Schema.String }), "SELECT pg_conf_load_time()::text AS at"),
    ([row]) => row?.at ?? ""
  )

/**
 * Has the file read anew; whether something in it waits for a restart. The file is looked at first: the server passes over
 * what it does not understand, and says so in its log alone.
 */
export const applySettings = Effect.fnUntraced(function* (server: PostgresConnection, names: ReadonlyArray<string>) {
  const wrong = yield* server.ask(
    Refused,
    `SELECT f.name::text, f.error::text FROM pg_file_settings f LEFT JOIN pg_settings s ON lower(s.name) = lower(f.name)
     WHERE f.error IS NOT NULL AND NOT f.applied AND s.context IS DISTINCT FROM 'postmaster'`
  )
  const [first] = wrong
  if (first !== undefined) {
    const message = `PostgreSQL does not take ${first.name ?? "the configuration"}: ${first.error}.`
    return yield* new GuestRefusal({ message })
  }
  const before = yield* loadedAt(server)
  yield* server.run("SELECT pg_reload_conf()")
  // A reload that is not seen within seconds has happened all the same: this is the session's own turn to learn of it.
  yield* loadedAt(server).pipe(
    Effect.repeat({ until: (at) => at !== before, times: 100, schedule: Schedule.spaced("20 millis") })
  )
  const [row] = yield* server.ask(
    Waiting,
    "SELECT EXISTS (SELECT FROM pg_settings WHERE pending_restart AND lower(name) = ANY ($1)) AS waiting",
    [names.map((name) => name.toLowerCase())]
  )
  return row?.waiting ?? false
})
