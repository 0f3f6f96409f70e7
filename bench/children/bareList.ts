/**
 * The limit of a list: node:http, the statement that our list runs, and bytes that are there already. With the
 * driver `pg` or with our client, whichever is faster on the day.
 */
import { createServer } from "node:http"
import { PgClient } from "@effect/sql-pg"
import { Effect, ManagedRuntime, Redacted, Schema } from "effect"
import pg from "pg"
import * as PgPool from "../../src/layers/postgres/PgPool.ts"
import { answer, options } from "./parent.ts"

const { body, driver, parameters, statement, url } = options(
  Schema.Struct({
    url: Schema.String,
    driver: Schema.Literals(["pg", "PgClient"]),
    statement: Schema.String,
    parameters: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
    body: Schema.String
  })
)

const max = 16

const withPg = (): (() => Promise<unknown>) => {
  const pool = new pg.Pool({ connectionString: url, max })
  return () => pool.query({ name: "list", text: statement, values: [...parameters] })
}

const withPgClient = async (): Promise<() => Promise<unknown>> => {
  const runtime = ManagedRuntime.make(PgPool.layer(Redacted.make(url), "coffer-bench"))
  const sql = await runtime.runPromise(PgClient.PgClient)
  const query = sql.unsafe(statement, parameters).pipe(Effect.withTracerEnabled(false))
  return () => runtime.runPromise(query)
}

const query = driver === "pg" ? withPg() : await withPgClient()
const bytes = Buffer.from(body)

const server = createServer((_, response) => {
  query().then(
    () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length })
      response.end(bytes)
    },
    (error: unknown) => {
      const text = Buffer.from(String(error))
      response.writeHead(500, { "content-length": text.length })
      response.end(text)
    }
  )
})

const listening = new Promise<{ readonly port: number }>((resolve) => {
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    resolve({ port: typeof address === "object" && address !== null ? address.port : 0 })
  })
})

answer({ listening: () => listening })
