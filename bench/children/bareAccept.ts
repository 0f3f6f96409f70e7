/** The limit of accepting orders: their transactions, from as many loops at once as there are requests. */
import { Schema } from "effect"
import pg from "pg"
import { accept } from "./bareOrders.ts"
import { answer, options } from "./parent.ts"

const { url } = options(Schema.Struct({ url: Schema.String }))
const Work = Schema.Struct({ transactions: Schema.Int, loops: Schema.Int, projects: Schema.Array(Schema.String) })

const pool = new pg.Pool({ connectionString: url, max: 16 })

const run = async ({ loops, projects, transactions }: typeof Work.Type) => {
  let begun = 0
  const loop = async () => {
    while (begun < transactions) await accept(pool, projects[begun++ % projects.length] ?? "bench")
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: loops }, loop))
  return { perSecond: (transactions * 1000) / (performance.now() - from) }
}

answer({ run: (work) => run(Schema.decodeUnknownSync(Work)(work)) })
