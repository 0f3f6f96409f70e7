/**
 * The limit of accepting orders: the statements of Instances.create, in transactions, by the driver `pg` with
 * prepared statements, from as many loops at once as there are requests.
 */
import { randomBytes, randomUUID } from "node:crypto"
import { Schema } from "effect"
import pg, { type PoolClient } from "pg"
import { answer, options } from "./parent.ts"

const { url } = options(Schema.Struct({ url: Schema.String }))
const Work = Schema.Struct({ transactions: Schema.Int, loops: Schema.Int, projects: Schema.Array(Schema.String) })

const pool = new pg.Pool({ connectionString: url, max: 16 })

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

const accept = async (project: string) => {
  const client = await pool.connect()
  try {
    await client.query("BEGIN")
    await ask(client, "lock", [project])
    await ask(client, "limits", [project])
    await ask(client, "sums", [project])
    const now = new Date()
    const version = "c0ffe700-0000-4000-8000-000000001001"
    const desired = [randomUUID(), project, "first", "1", 512, 1, null, version, "RegionOne", null, now, now]
    await ask(client, "insert", [...desired, randomBytes(220), '{"_tag":"New"}'])
    await client.query("COMMIT")
  } finally {
    client.release()
  }
}

const run = async ({ loops, projects, transactions }: typeof Work.Type) => {
  let begun = 0
  const loop = async () => {
    while (begun < transactions) await accept(projects[begun++ % projects.length] ?? "bench")
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: loops }, loop))
  return { perSecond: (transactions * 1000) / (performance.now() - from) }
}

answer({ run: (work) => run(Schema.decodeUnknownSync(Work)(work)) })
