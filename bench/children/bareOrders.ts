/** What accepting an order asks of the store, by the driver `pg` with prepared statements: see Instances.create. */
import { randomBytes, randomUUID } from "node:crypto"
import type { Pool, PoolClient } from "pg"

/** What PgInstances.create asks, in its order. */
const statements = {
  lock: "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
  limits: "SELECT resource, hard_limit FROM quota_limits WHERE project = $1",
  sums: `SELECT committed, count(*) AS instances, coalesce(sum(ram), 0) AS ram, coalesce(sum(volumes), 0) AS volumes
    FROM quota_holds WHERE project = $1 GROUP BY committed`,
  insert: `
    WITH i AS (
      INSERT INTO instances (id, project, name, flavor, ram, volume_size, volume_type, datastore_version, region, access, created, updated)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id
    ), h AS (
      INSERT INTO quota_holds (instance, project, ram, volumes, committed) SELECT id, $2, $5::int, $6::int, false FROM i
    ), p AS (
      INSERT INTO provisioning (instance, sealed) SELECT id, $13::bytea FROM i
    ), m AS (
      INSERT INTO mailbox (instance, key, command, posted)
      SELECT id, 'create', '{"_tag":"Create"}', $11::timestamptz FROM i
    )
    INSERT INTO lifecycles (instance, tag, state, generation, since)
    SELECT id, 'New', $14::jsonb, 0, $11::timestamptz FROM i`
}

const ask = (client: PoolClient, name: keyof typeof statements, values: ReadonlyArray<unknown>) =>
  client.query({ name, text: statements[name], values: [...values] })

/** One order, in one transaction; the id of its instance. */
export const accept = async (pool: Pool, project: string): Promise<string> => {
  const client = await pool.connect()
  try {
    await client.query("BEGIN")
    await ask(client, "lock", [project])
    await ask(client, "limits", [project])
    await ask(client, "sums", [project])
    const now = new Date()
    const id = randomUUID()
    const version = "c0ffe700-0000-4000-8000-000000001001"
    const desired = [id, project, "first", "1", 512, 1, null, version, "RegionOne", null, now, now]
    await ask(client, "insert", [...desired, randomBytes(220), '{"_tag":"New"}'])
    await client.query("COMMIT")
    return id
  } finally {
    client.release()
  }
}
