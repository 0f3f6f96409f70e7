/** Orders over HTTP, each asker's next one when the last has made its instance's first transition. */
import { Schema } from "effect"
import * as Connection from "./Connection.ts"
import { hear } from "./news.ts"
import { answer } from "./parent.ts"
import { timeAll } from "./rounds.ts"

const Commands = Schema.Struct({
  port: Schema.Int,
  news: Schema.Int,
  requests: Schema.Int,
  connections: Schema.Int,
  projects: Schema.Array(Schema.String),
  body: Schema.String
})

const Created = Schema.Struct({ instance: Schema.Struct({ id: Schema.String }) })
const decodeCreated = Schema.decodeUnknownSync(Schema.fromJsonString(Created))

const run = async ({ body, connections, news, port, projects, requests }: typeof Commands.Type) => {
  const hasMoved = hear(news)
  const messages = projects.map((project) =>
    Connection.write({ port, method: "POST", path: `/v1.0/${project}/instances`, body })
  )
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)))
  let sent = 0
  const result = await timeAll(requests, open, async (connection) => {
    const message = messages[sent++ % messages.length]
    if (message === undefined) throw new Error("no project to order for")
    const answer = await connection.ask(message)
    const text = answer.bytes.toString("utf8", answer.body)
    if (answer.status !== 200) throw new Error(`${answer.status}: ${text}`)
    await hasMoved(decodeCreated(text).instance.id)
  })
  for (const connection of open) connection.close()
  return result
}

answer({ run: (commands) => run(Schema.decodeUnknownSync(Commands)(commands)) })
