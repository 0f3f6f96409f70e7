/** Databases in containers for tests: the engine and images, or the reason why not; specs; what is left; a MySQL client. */
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer, Redacted } from "effect"
import { createConnection } from "mysql2/promise"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import type { Endpoint } from "../../src/guest/DatastoreManager.ts"
import * as DockerRuntime from "../../src/layers/runtime/DockerRuntime.ts"
import { instanceLabel } from "../../src/layers/runtime/docker/Container.ts"
import { Engine } from "../../src/layers/runtime/docker/Engine.ts"
import type { Client } from "../conformance/databaseRuntime.ts"
import { buildImages, testImages } from "../images/build.ts"
import { ensureDocker } from "./docker.ts"

/** Why there can be no containers here, null if there can. Images are built by the first who asks. */
export const missingEngine = await ensureDocker().then(async (engine) => {
  if ("missing" in engine) return engine.missing
  await buildImages()
  return null
})

export const dockerLayer = DockerRuntime.layer.pipe(Layer.provideMerge(Engine.layer))

let last = 0

const temporaryVolume = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-docker-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A spec with a volume and an address of its own (`127.78.<net>.*`, a net for each test file); gone with the scope. */
export const containerSpec = (datastore: "postgresql" | "mariadb", net: number, changes: Partial<DatabaseSpec> = {}) =>
  Effect.flatMap(temporaryVolume, (volume) =>
    Effect.acquireRelease(
      Effect.sync((): DatabaseSpec => {
        last += 1
        return {
          instanceId: randomUUID(),
          datastore,
          version: "test",
          image: testImages[datastore],
          address: `127.78.${net}.${last}`,
          port: datastore === "postgresql" ? 5432 : 3306,
          volume,
          memoryMb: 256,
          vcpus: 1,
          settings: {},
          adminPassword: Redacted.make("s3cr3t'\"\\ $x"),
          ...changes
        }
      }),
      (spec) =>
        Effect.flatMap(DatabaseRuntime, (runtime) => Effect.ignore(runtime.remove(spec.instanceId, spec.volume)))
    )
  )

/** Names of the containers of an instance. */
export const containersOf = (spec: DatabaseSpec) =>
  Effect.gen(function* () {
    const { docker } = yield* Engine
    const filters = { label: [`${instanceLabel}=${spec.instanceId}`] }
    const found = yield* Effect.promise(() => docker.listContainers({ all: true, filters }))
    return found.flatMap((container) => container.Names)
  })

/** Logs in to a MySQL or MariaDB server; `database` may be empty. */
export const mysqlLogin = (
  endpoint: Pick<Endpoint, "address" | "port">,
  user: string,
  password: Redacted.Redacted,
  database: string
) =>
  Effect.acquireRelease(
    Effect.tryPromise(() =>
      createConnection({
        host: endpoint.address,
        port: endpoint.port,
        user,
        password: Redacted.value(password),
        ...(database === "" ? {} : { database }),
        charset: "utf8mb4",
        connectTimeout: 5000
      })
    ),
    (connection) => Effect.sync(() => connection.destroy())
  ).pipe(
    Effect.map((connection): Client => {
      // A connection that the server ends says so by an event that would end the process if nobody listened.
      connection.on("error", () => {})
      return {
        query: (sql) =>
          Effect.tryPromise(() => connection.query(sql)).pipe(
            Effect.map(([rows]) => (Array.isArray(rows) ? rows.map((row): unknown => ({ ...row })) : []))
          )
      }
    })
  )
