/** Who may reach instances, in PostgreSQL. */
import { Clock, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Accesses } from "../../services/Accesses.ts"
import { Access } from "../../services/Instances.ts"
import { again } from "./Conflicts.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const decodeWanted = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ access: Schema.NullOr(Access) })))
const decodeTold = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ networks: Schema.Array(Schema.String) })))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // The lifecycle's row is locked: whoever handles a command that is there already, reads the change after it.
  const request: Accesses["Service"]["request"] = Effect.fn("Accesses.request")(function* (instance, access) {
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* died(
      sql`
      WITH target AS (
        SELECT l.instance, l.generation, l.tag, i.delete_requested FROM lifecycles l JOIN instances i ON i.id = l.instance
        WHERE l.instance = ${instance} AND l.tag <> 'Deleted' FOR UPDATE OF l, i
      ), posted AS (
        INSERT INTO mailbox (instance, key, command, posted)
        SELECT instance, 'configure:' || generation, '{"_tag":"Configure"}', ${now}::timestamptz FROM target
        WHERE tag NOT IN ('New', 'Deleting') AND delete_requested IS NULL
        ON CONFLICT DO NOTHING
      )
      UPDATE instances SET access = ${JSON.stringify(access)}::jsonb, updated = ${now}::timestamptz
      WHERE id IN (SELECT instance FROM target)`.pipe(again)
    )
  })

  const wanted: Accesses["Service"]["wanted"] = Effect.fnUntraced(function* (instance) {
    const rows = yield* sql`SELECT access FROM instances WHERE id = ${instance}`.pipe(
      Effect.flatMap(decodeWanted),
      died
    )
    return rows[0]?.access ?? null
  })

  const told: Accesses["Service"]["told"] = Effect.fnUntraced(function* (instance) {
    const rows = yield* sql`SELECT networks FROM told_accesses WHERE instance = ${instance}`.pipe(
      Effect.flatMap(decodeTold),
      died
    )
    return rows[0]?.networks ?? []
  })

  const setTold: Accesses["Service"]["setTold"] = Effect.fn("Accesses.setTold")(function* (instance, networks) {
    yield* died(sql`
      INSERT INTO told_accesses (instance, networks)
      SELECT id, ${JSON.stringify(networks)}::jsonb FROM instances WHERE id = ${instance}
      ON CONFLICT (instance) DO UPDATE SET networks = excluded.networks`)
  })

  return Accesses.of({ request, wanted, told, setTold })
})

export const layer = Layer.effect(Accesses, make)
