/**
 * A temporary data folder with PostgreSQL's programs, and instances in it: what tests with real servers need.
 * Nothing of it stays: servers, folders, and what was put into /var/lib/coffer.
 */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { createConnection } from "mysql2/promise"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"

/** A path for a data folder; it and what it may be a link to are removed with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => join(fs.mkdtempSync(join(tmpdir(), "coffer-test-")), "data")),
  (folder) =>
    Effect.sync(() => {
      const real = fs.existsSync(folder) ? fs.realpathSync(folder) : folder
      fs.rmSync(real, { recursive: true, force: true })
      fs.rmSync(join(folder, ".."), { recursive: true, force: true })
    })
)

export const embeddedLayer = PostgresBinaries.layer.pipe(
  Layer.provideMerge(Layer.unwrap(Effect.map(temporaryFolder, DataFolder.layer)))
)

let instances = 0

/** An instance that no other test has, on a loopback address of its own. */
export const instance = (
  datastore: DatabaseSpec["datastore"]
): Effect.Effect<DatabaseSpec, never, Scope.Scope | DataFolder | DatabaseRuntime> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const number = ++instances
      const instanceId = `test-${process.pid}-${number}`
      const volume = join((yield* DataFolder).instances, instanceId)
      fs.mkdirSync(volume)
      return {
        instanceId,
        datastore,
        version: "any",
        image: "none",
        address: `127.77.${128 + (process.pid % 128)}.${number}`,
        port: datastore === "postgresql" ? 5432 : 3306,
        volume,
        memoryMb: 256,
        vcpus: 1,
        settings: {},
        adminPassword: Redacted.make(`it's a "secret" \\ ${number}`)
      }
    }),
    (spec) =>
      Effect.gen(function* () {
        const runtime = yield* DatabaseRuntime
        yield* Effect.orDie(runtime.remove(spec.instanceId, spec.volume))
        fs.rmSync(spec.volume, { recursive: true, force: true })
      })
  )

/** Logs in to PostgreSQL once. */
export const postgresLogin = (options: {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly password: Redacted.Redacted
  readonly database: string
}) =>
  PgClient.makeClient({
    host: options.address,
    port: options.port,
    username: options.user,
    password: options.password,
    database: options.database,
    connectTimeout: "3 seconds"
  }).pipe(
    Effect.map((sql) => ({ query: (text: string) => sql.unsafe(text).unprepared })),
    Effect.provide(Reactivity.layer)
  )

/** Logs in to MariaDB as its administrator, once. */
export const mariadbLogin = (spec: DatabaseSpec) =>
  Effect.acquireRelease(
    Effect.tryPromise(async () => {
      const connection = await createConnection({
        host: spec.address,
        port: spec.port,
        user: "root",
        password: Redacted.value(spec.adminPassword),
        connectTimeout: 3_000
      })
      // The server ends a connection when it stops; without a listener that would end the test run.
      connection.on("error", () => {})
      await connection.query("CREATE DATABASE IF NOT EXISTS scratch")
      await connection.query("USE scratch")
      return connection
    }),
    (connection) => Effect.sync(() => connection.destroy())
  ).pipe(
    Effect.map((connection) => ({
      query: (sql: string) =>
        Effect.tryPromise(async () => {
          const [rows] = await connection.query(sql)
          return Array.isArray(rows) ? rows.map((row) => ({ ...row })) : []
        })
    }))
  )
