/** The load: a bounded number of requests over kept connections, one at a time on each. */
import { Schema } from "effect"
import * as Connection from "./Connection.ts"
import { answer } from "./parent.ts"
import { timeAll } from "./rounds.ts"

export const Load = Schema.Struct({
  port: Schema.Int,
  connections: Schema.Int,
  requests: Schema.Int,
  method: Schema.String,
  /** Taken in turn. */
  paths: Schema.Array(Schema.String),
  body: Schema.NullOr(Schema.String),
  /** The only status that counts as an answer. */
  expect: Schema.Int
})
type Load = typeof Load.Type

const run = async ({ body, connections, expect, method, paths, port, requests }: Load) => {
  const messages = paths.map((path) => Connection.write({ port, method, path, body }))
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)))
  let sent = 0
  const result = await timeAll(requests, open, async (connection) => {
    const message = messages[sent++ % messages.length]
    if (message === undefined) throw new Error("no path to ask for")
    const { bytes, status } = await connection.ask(message)
    if (status !== expect) throw new Error(`${status}: ${bytes.toString("utf8", 0, 2000)}`)
  })
  for (const connection of open) connection.close()
  return result
}

answer({ run: (load) => run(Schema.decodeUnknownSync(Load)(load)) })
