/** The limit of heartbeats that are written one by one: an UPDATE by key each, by the driver `pg`. */

import { Schema } from "effect"
import pg from "pg"
import { answer, options } from "./parent.ts"

const { url } = options(Schema.Struct({ url: Schema.String }))
const Beats = Schema.Struct({ ids: Schema.Array(Schema.String), rounds: Schema.Int })

const pool = new pg.Pool({ connectionString: url, max: 16 })
const text = "UPDATE observations SET status = $2, sent = $3, heartbeat_at = $3, silent = false WHERE instance = $1"

const beat = async ({ ids, rounds }: typeof Beats.Type) => {
  const total = ids.length * rounds
  let begun = 0
  const loop = async () => {
    while (begun < total)
      await pool.query({ name: "beat", text, values: [ids[begun++ % ids.length], "healthy", new Date()] })
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: 32 }, loop))
  return { perSecond: (total * 1000) / (performance.now() - from) }
}

answer({ beat: (beats) => beat(Schema.decodeUnknownSync(Beats)(beats)) })
