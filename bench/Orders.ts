/** The orders that rows make, and projects that may have as many as they like. */

import { Effect } from "effect"
import type { SqlClient } from "effect/sql"

export const projects = Array.from({ length: 8 }, (_, n) => `bench-${n}`)

export const order = {
  instance: {
    name: "first",
    flavorRef: "1",
    volume: { size: 1 },
    datastore: { type: "postgresql" },
    databases: [{ name: "shop" }],
    users: [{ name: "ann", password: "secret-1", databases: [{ name: "shop" }] }]
  }
}

export const liftQuotas = (sql: SqlClient.SqlClient) =>
  Effect.forEach(
    projects.flatMap((project) => ["instances", "volumes"].map((resource) => ({ project, resource }))),
    (limit) => sql`INSERT INTO quota_limits ${sql.insert({ ...limit, hard_limit: 1_000_000 })}`,
    { discard: true }
  )
