/**
 * How long operations stand still when one of three taskmanagers is killed, or frozen: real processes over RabbitMQ and
 * PostgreSQL, and builds that wait for a machine, of which there is none.
 */
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { stringify } from "smol-toml"
import { withBroker } from "../Broker.ts"
import { freePort, root, running, until } from "../Programs.ts"
import { type Effort, type Figure, median, type Row, seconds, spread } from "../Row.ts"
import * as Store from "../Store.ts"

const members = 3
const targets = { SIGKILL: 5000, SIGSTOP: 15_000 } as const
type Signal = keyof typeof targets

/** In milliseconds: a figure is too large by half of it, and by what the question takes. */
const pollInterval = 25

/** The version that every catalog offers first. */
const version = "c0ffe700-0000-4000-8000-000000001001"

const Ids = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ id: Schema.String })))
const Count = Schema.decodeUnknownSync(Schema.NonEmptyArray(Schema.Struct({ n: Schema.Int })))

type Sql = Effect.Success<typeof Store.open>["sql"]

/** Accepted builds, as the api leaves them; the sweep finds them. */
const order = (sql: Sql, operations: number) => sql`
  WITH made AS (
    INSERT INTO instances (id, project, name, flavor, ram, volume_size, datastore_version, region, created, updated)
    SELECT gen_random_uuid()::text, 'bench', 'waiting-' || n, '1', 512, 1, ${version}, 'RegionOne', now(), now()
    FROM generate_series(1, ${operations}::int) n RETURNING id
  ), lives AS (
    INSERT INTO lifecycles (instance, tag, state, generation, since)
    SELECT id, 'New', '{"_tag":"New"}', 1, now() FROM made
  )
  INSERT INTO mailbox (instance, key, command, posted)
  SELECT id, 'create', '{"_tag":"Create"}', now() - interval '10 seconds' FROM made`

/** Of how many operations a step is under way, which was begun at least so often. */
const begun = (sql: Sql, ids: ReadonlyArray<string> | null, times: number) =>
  Effect.map(
    sql`
      SELECT count(DISTINCT instance)::int AS n FROM history
      WHERE entry ->> 'kind' = 'step' AND (entry ->> 'begun')::int >= ${times}
        ${ids === null ? sql`` : sql`AND ${sql.in("instance", ids)}`}`,
    (rows) => Count(rows)[0].n
  )

const reaches = (what: string, count: Effect.Effect<number, unknown>, wanted: number) =>
  until(
    what,
    Effect.filterOrFail(count, (n) => n >= wanted),
    pollInterval
  )

/** The operations whose steps that taskmanager has under way: of the shards that it holds. */
const operationsOf = (sql: Sql, address: string) =>
  Effect.map(
    sql`
      SELECT DISTINCT m.payload::jsonb ->> 'instance' AS id FROM cluster_messages m
      WHERE m.entity_type = 'Workflow/BuildInstance' AND m.tag = 'run' AND m.shard_id IN (
        SELECT 'default:' || (l.objid::bigint - 1000000) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND a.application_name = ${`coffer taskmanager ${address}`}
      )`,
    (rows) => Ids(rows).map(({ id }) => id)
  )

const start = Effect.fnUntraced(function* (file: string) {
  const [port, health] = [yield* freePort, yield* freePort]
  const env = {
    ...process.env,
    NO_COLOR: "1",
    COFFER_TASKMANAGER_PORT: String(port),
    COFFER_HEALTH_TASKMANAGER_PORT: String(health)
  }
  const args = ["--disable-warning=ExperimentalWarning", join(root, "src/main.ts"), "taskmanager", "--config", file]
  // One that is frozen hears nothing else.
  const child = yield* running(process.execPath, args, { env, signal: "SIGKILL" })
  const isHealthy = Effect.tryPromise(() => fetch(`http://127.0.0.1:${health}/health`)).pipe(
    Effect.filterOrFail(({ ok }) => ok)
  )
  return { child, address: `127.0.0.1:${port}`, isHealthy: until("a taskmanager", isHealthy) }
})

/** One round: how long until all that was under way on one of them had been begun again by another, in milliseconds. */
const round = Effect.fnUntraced(function* (sql: Sql, file: string, signal: Signal, operations: number) {
  // Nothing of the round before is to be taken up.
  yield* sql`TRUNCATE instances CASCADE`
  yield* sql`DROP TABLE IF EXISTS cluster_messages, cluster_replies, cluster_migrations, cluster_runners, cluster_locks, cluster_runner_migrations`
  const fleet = yield* Effect.forEach(Array.from({ length: members }), () => start(file))
  yield* Effect.forEach(fleet, ({ isHealthy }) => isHealthy)
  const shards = sql`
    SELECT count(DISTINCT a.application_name)::int AS n FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND a.application_name LIKE 'coffer taskmanager %'`
  yield* reaches(
    "each has its share",
    Effect.map(shards, (rows) => Count(rows)[0].n),
    members
  )
  yield* order(sql, operations)
  yield* reaches("all are under way", begun(sql, null, 1), operations)
  // The first one started: it is who sweeps, and whatever else there is one of, more often than not.
  const [victim] = fleet
  if (victim === undefined) return yield* Effect.die("nobody was started")
  const lost = yield* operationsOf(sql, victim.address)
  if (lost.length === 0) return yield* Effect.die("nothing was under way on it")
  const from = performance.now()
  victim.child.kill(signal)
  yield* reaches("the first moves again", begun(sql, lost, 2), 1)
  const first = performance.now() - from
  yield* reaches("all move again", begun(sql, lost, 2), lost.length)
  return { first, all: performance.now() - from, count: lost.length }
}, Effect.scoped)

const measure = Effect.fnUntraced(function* (broker: string, { quick }: Effort) {
  const { sql, url } = yield* Store.open
  const folder = yield* Store.temporaryFolder
  const file = join(folder, "coffer.toml")
  const settings = {
    database: { url },
    broker: { urls: [broker], shared_guest_credentials: true, guest_urls: [broker] },
    secrets: { key: randomBytes(32).toString("base64") }
  }
  writeFileSync(file, stringify(settings), { mode: 0o600 })
  const operations = quick ? 20 : 200
  const figures: Array<Figure> = []
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    const rounds: Array<{ readonly first: number; readonly all: number; readonly count: number }> = []
    for (let n = 0; n < (quick ? 1 : 5); n++) rounds.push(yield* round(sql, file, signal, operations))
    const worst = Math.max(...rounds.map(({ all }) => all))
    const counts = rounds.map(({ count }) => count)
    figures.push({
      name: `${operations} operations on ${members} taskmanagers, one of which gets ${signal}: until all move again`,
      ours: seconds(median(rounds.map(({ all }) => all))),
      limit: "-",
      ratio: "-",
      target: `<= ${seconds(targets[signal])}, always`,
      met: worst <= targets[signal],
      notes: [
        `${spread(
          rounds.map(({ all }) => all),
          seconds
        )}; the first after ${spread(
          rounds.map(({ first }) => first),
          seconds
        )}; ${Math.min(...counts)} to ${Math.max(...counts)} operations were under way on it`
      ]
    })
  }
  return figures
}, Effect.scoped)

export const takeover: Row = {
  key: "takeover",
  title: "operations move again after one of three taskmanagers was killed or frozen",
  measure: (effort) => withBroker(takeover.title, "<= 5 s, <= 15 s", (broker) => measure(broker, effort))
}
