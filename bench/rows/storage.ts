/**
 * Whether what the service keeps grows with what it has done: tables and heap when all is at rest and what is over was
 * pruned, before and after many operations of the same instances. The service prunes by itself; retention is short.
 *
 * The live set is measured once its histories are as long as they may become, for that is how long they are kept.
 */
import { Effect, Schedule, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { maxEntries } from "../../src/services/History.ts"
import * as Child from "../Child.ts"
import { liftQuotas } from "../Orders.ts"
import { type Effort, type Figure, megabytes, perSecond, type Row } from "../Row.ts"
import * as Store from "../Store.ts"

const retention = 20_000
/** How much more there may be than before: pages that are half full, and indexes whose free pages lie elsewhere. */
const target = 1.2
/** A table of a few pages is not judged by its ratio, in bytes. */
const few = 1 << 18
/** How many lines of history a restart makes: two transitions and two steps. */
const linesOfRestart = 4

const Ids = Schema.Array(Schema.String)
const Memory = Schema.Struct({ heap: Schema.Number, rss: Schema.Number })
const Sizes = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ name: Schema.String, bytes: Schema.FiniteFromString }))
)
const Counts = Schema.decodeUnknownSync(Schema.NonEmptyArray(Schema.Struct({ n: Schema.FiniteFromString })))

type Tables = ReadonlyMap<string, { readonly rows: number; readonly bytes: number }>

/** After a plain VACUUM: what it gives back is given back, and the rest is what will be used again. */
const tablesOf = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* sql`VACUUM ANALYZE`.unprepared
  const sizes = Sizes(
    yield* sql`
      SELECT relname AS name, pg_total_relation_size(oid)::text AS bytes FROM pg_class
      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname`
  )
  const tables = new Map<string, { readonly rows: number; readonly bytes: number }>()
  for (const { bytes, name } of sizes) {
    const [{ n: rows }] = Counts(yield* sql`SELECT count(*)::text AS n FROM ${sql(name)}`)
    tables.set(name, { rows, bytes })
  }
  return tables satisfies Tables
})

/** Nothing is left that is over. */
const pruned = (sql: SqlClient.SqlClient, live: number) =>
  sql`
    SELECT ((SELECT count(*) FROM cluster_messages) + (SELECT count(*) FROM cluster_replies)
      + (SELECT count(*) FROM mailbox) + (SELECT count(*) FROM instances) - ${live}::int)::text AS n`.pipe(
    Effect.map((rows) => Counts(rows)[0].n),
    Effect.repeat({ until: (n) => n === 0, schedule: Schedule.spaced("1 second") }),
    Effect.timeoutOrElse({ duration: "5 minutes", orElse: () => Effect.die("not all of what is over was pruned") })
  )

const tellEvery = 5000

const measure = Effect.fnUntraced(function* ({ operations, quick }: Effort) {
  const { sql, url } = yield* Store.open
  yield* liftQuotas(sql)
  const wanted = operations ?? (quick ? 400 : 100_000)
  const count = quick ? 5 : 40
  const service = yield* Child.start("storage", { url, retention }, ["--expose-gc"])
  const before = yield* tablesOf(sql)

  const live = yield* service.ask("create", Ids, count)
  /** Restarts, and as many creates and deletes as a tenth of the live set at a time. */
  const work = Effect.fnUntraced(function* (limit: number, what: string) {
    const begun = performance.now()
    let done = 0
    for (let told = 0; done < limit; ) {
      done += yield* service.ask("restart", Schema.Int, live)
      done += yield* service.ask("createAndDelete", Schema.Int, Math.ceil(count / 10))
      if (done - told < tellEvery) continue
      told = done
      console.error(`  ${what}: ${done} of ${limit}, ${perSecond((done / (performance.now() - begun)) * 1000)}`)
    }
    return { done, rate: (done / (performance.now() - begun)) * 1000 }
  })
  // Also so that indexes and the process itself have seen what is done at once.
  yield* work(Math.ceil((maxEntries / linesOfRestart) * 1.3) * count, "histories fill")
  yield* pruned(sql, count)
  const atLiveSet = { tables: yield* tablesOf(sql), memory: yield* service.ask("memory", Memory) }
  const { done, rate } = yield* work(wanted, "operations")
  yield* pruned(sql, count)
  const after = { tables: yield* tablesOf(sql), memory: yield* service.ask("memory", Memory) }

  const bytesOf = (tables: Tables) => [...tables.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  const [was, is] = [bytesOf(atLiveSet.tables), bytesOf(after.tables)]
  const kilobytes = (bytes: number) => `${Math.round(bytes / 1024)} kB`
  const told = (tables: Tables, name: string) => {
    const { bytes, rows } = tables.get(name) ?? { bytes: 0, rows: 0 }
    return `${rows} rows ${kilobytes(bytes)}`
  }
  const grown = [...after.tables].filter(([name, { bytes, rows }]) => {
    const then = atLiveSet.tables.get(name) ?? { bytes: 0, rows: 0 }
    // A table that is empty has the room of the busiest minute before it was pruned, and not of what was done in all.
    return rows > target * then.rows || (rows > 0 && bytes > few && bytes > target * then.bytes)
  })
  const lines = [...after.tables].map(([name, { bytes }]) => {
    const ratio = bytes / (atLiveSet.tables.get(name)?.bytes ?? bytes)
    const stages = [before, atLiveSet.tables, after.tables].map((tables) => told(tables, name))
    return `${name}: ${stages.join(" → ")}, ratio ${ratio.toFixed(2)}`
  })
  const figures: ReadonlyArray<Figure> = [
    {
      name: `tables of ${count} instances after ${done} operations, beside before`,
      ours: megabytes(is),
      limit: `${megabytes(was)} (the live set)`,
      ratio: (is / was).toFixed(2),
      target: `<= ${target} x, each table`,
      met: grown.length === 0,
      notes: [
        `${perSecond(rate)} operations: a restart, a build, a delete; what is over is kept for ${retention / 1000} s`,
        ...(grown.length === 0 ? [] : [`grown: ${grown.map(([name]) => name).join(", ")}`]),
        "empty → live set → after:",
        ...lines
      ]
    },
    {
      name: `heap of the taskmanager after ${done} operations, beside before`,
      ours: `${megabytes(after.memory.heap)} heap, ${megabytes(after.memory.rss)} RSS`,
      limit: `${megabytes(atLiveSet.memory.heap)} heap, ${megabytes(atLiveSet.memory.rss)} RSS`,
      ratio: (after.memory.heap / atLiveSet.memory.heap).toFixed(2),
      target: `<= ${target} x`,
      met: after.memory.heap <= target * atLiveSet.memory.heap,
      notes: []
    }
  ]
  return figures
}, Effect.scoped)

export const storage: Row = {
  key: "storage",
  title: "tables and heap after many operations",
  measure
}
