/** What an operator is told when the database cannot be used: which one, why, what to look at, and no credentials. */
import { createServer } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlError } from "effect/sql"
import { databaseFailure } from "../../src/cli/databaseFailure.ts"
import { fileWith, key, secrets } from "../config/fixture.ts"
import { coffer } from "./process.ts"

/** A PostgreSQL that refuses everybody, in its own protocol, with this code and message. */
const refusing = (code: string, message: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
      const length = Buffer.alloc(4)
      length.writeInt32BE(fields.length + 4)
      const server = createServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => socket.end(Buffer.concat([Buffer.from("E"), length, fields])))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close: () => void server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const nobody = Effect.map(Effect.scoped(refusing("", "")), ({ port }) => port)

const configOf = (port: number) =>
  fileWith(`
[database]
url = "postgresql://coffer:${secrets.database}@127.0.0.1:${port}/books"
[broker]
urls = ["amqp://coffer:${secrets.broker}@127.0.0.1:1"]
shared_guest_credentials = true
guest_urls = ["amqp://coffer:${secrets.broker}@127.0.0.1:1"]
[secrets]
key = "${key}"
[api]
tokens = [{ token = "${secrets.token}", project = "demo", user = "ann" }]`)

const told = Effect.fnUntraced(function* (port: number, ...args: ReadonlyArray<string>) {
  const { code, err, out } = yield* coffer([...args, "--config", yield* configOf(port)])
  expect(code).toBe(1)
  expect(out + err).not.toContain(secrets.database)
  return err.split("\n").filter((line) => line.startsWith("coffer: "))
})

describe("a database that is away", () => {
  it.live.each([["api"], ["taskmanager"], ["conductor"], ["db", "migrate"], ["host", "list"]])(
    "is named by %s",
    (args) =>
      Effect.gen(function* () {
        const port = yield* nobody
        expect(yield* told(port, ...args)).toEqual([
          `coffer: the database books at 127.0.0.1:${port} cannot be used: connect ECONNREFUSED 127.0.0.1:${port}. Is PostgreSQL running there, and does it listen on that address (listen_addresses)?`
        ])
      })
  )
})

describe("a database that refuses", () => {
  it.live.each([
    [
      "28P01",
      'password authentication failed for user "coffer"',
      "Look at the user and the password in database.url, and at the server's pg_hba.conf."
    ],
    ["3D000", 'database "books" does not exist', "Make it with createdb, then run: coffer db migrate"],
    ["XX000", "out of luck", "Look at database.url, and at whether this machine can reach it."]
  ])("is told with its reason: %s", ([code = "", message = "", hint]) =>
    Effect.gen(function* () {
      const { port } = yield* refusing(code, message)
      const said = [`coffer: the database books at 127.0.0.1:${port} cannot be used: ${message}. ${hint}`]
      expect(yield* told(port, "conductor")).toEqual(said)
      expect(yield* told(port, "db", "migrate")).toEqual(said)
    }).pipe(Effect.scoped)
  )
})

describe("an error", () => {
  const url = Redacted.make("postgresql://coffer:hush@db.example.org/books")
  const connecting = (cause: unknown) =>
    new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, operation: "connect" }) })

  it("is found below others, and each address of a name is told once", () => {
    const refusal = (address: string) =>
      Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: "ECONNREFUSED" })
    const all = new AggregateError([refusal("::1"), refusal("10.0.0.1"), refusal("::1")], "")
    expect(databaseFailure(new Error("a layer", { cause: connecting(all) }), url)).toMatch(
      /^the database books at db\.example\.org:5432 cannot be used: connect ECONNREFUSED ::1, connect ECONNREFUSED 10\.0\.0\.1\. Is PostgreSQL/
    )
  })

  it("of a statement is not taken for one of the connection", () => {
    const cause = new Error("permission denied for table instances")
    const error = new SqlError.SqlError({ reason: new SqlError.UnknownError({ cause, operation: "execute" }) })
    expect(databaseFailure(error, url)).toBe(
      "the database books at db.example.org:5432 does not do as it is asked: permission denied for table instances."
    )
  })

  it("of something else is none of the database's", () => {
    expect(databaseFailure(new Error("away"), url)).toBeNull()
  })
})
