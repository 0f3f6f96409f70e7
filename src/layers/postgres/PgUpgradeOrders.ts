/** Orders of another version in PostgreSQL: the command, where the instance is as it has to be. */
import { Clock, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Upgrade } from "../../actors/Instance.ts"
import { UpgradeOrders } from "../../services/DatastoreUpgrades.ts"
import { nextKind } from "../../services/MailKeys.ts"
import { again } from "./Conflicts.ts"

const encodeUpgrade = Schema.encodeSync(Schema.fromJsonString(Upgrade))

export const layer = Layer.effect(
  UpgradeOrders,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return UpgradeOrders.of({
      request: Effect.fn("UpgradeOrders.request")(function* (id, version) {
        const now = new Date(yield* Clock.currentTimeMillis)
        const command = encodeUpgrade({ _tag: "Upgrade", version })
        return yield* Effect.gen(function* () {
          // Locked before it is looked at: a change that was being written meanwhile is in the mailbox then.
          yield* sql`
            SELECT 1 FROM lifecycles l JOIN instances i ON i.id = l.instance WHERE l.instance = ${id} FOR UPDATE OF l, i`
          const accepted = yield* sql`
            WITH target AS (
              SELECT l.instance, l.generation FROM lifecycles l JOIN instances i ON i.id = l.instance
              WHERE l.instance = ${id} AND l.tag = 'Active' AND i.delete_requested IS NULL
                AND (l.state -> 'restartRequired') IS DISTINCT FROM 'true'
                AND NOT EXISTS (
                  SELECT FROM mailbox WHERE instance = l.instance AND handled IS NULL AND key LIKE 'configure:%'
                )
                AND NOT EXISTS (
                  SELECT FROM attached_configurations a JOIN configurations g ON g.id = a.configuration
                  WHERE a.instance = l.instance AND g.datastore_version <> ${version}
                )
            ), posted AS (
              INSERT INTO mailbox (instance, key, command, posted)
              SELECT instance, '${sql.literal(nextKind)}:' || generation, ${command}::jsonb, ${now}::timestamptz FROM target
              ON CONFLICT DO NOTHING RETURNING instance
            )
            UPDATE instances SET updated = ${now}::timestamptz WHERE id IN (SELECT instance FROM posted) RETURNING id`
          return accepted.length > 0
        }).pipe(sql.withTransaction, again, Effect.orDie)
      })
    })
  })
)
