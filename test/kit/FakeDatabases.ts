/**
 * Databases that exist only in memory and only in virtual time: a runtime and a datastore manager over one
 * shared world, with knobs for what can go wrong. Held to the conformance suites of their real twins.
 */
import { Context, Duration, Effect, Layer, type Redacted } from "effect"
import { type DatabaseRuntimeShape, type DatabaseSpec, RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import type { DatastoreManager, Page } from "../../src/guest/DatastoreManager.ts"
import { LocalRuntimes } from "../../src/layers/embedded/LocalCompute.ts"
import { GuestRefusal, type User } from "../../src/services/GuestApi.ts"

interface Server {
  running: boolean
  readonly address: string
  readonly databases: Set<string>
  readonly users: Map<string, { user: User; password: Redacted.Redacted }>
  root: Redacted.Redacted | null
}

/** What goes wrong, or takes its time. Change it in the middle of a test. */
export interface Faults {
  /** How long a server takes from start to first login. */
  startTime: Duration.Duration
  /** Every start fails with this. */
  startFails: RuntimeError | null
  /** How many starts fail, with a transient error, before one succeeds. */
  flakyStarts: number
  removeFails: RuntimeError | null
}

export class FakeDatabases extends Context.Service<
  FakeDatabases,
  {
    readonly faults: Faults
    readonly servers: ReadonlyMap<string, { readonly running: boolean; readonly databases: ReadonlySet<string> }>
    /** How often a server was initialised: one database and not two. */
    readonly initialised: (instanceId: string) => number
    /** The server process dies. */
    readonly crash: (instanceId: string) => void
    readonly runtime: DatabaseRuntimeShape
    readonly manager: DatastoreManager
  }
>()("coffer/test/FakeDatabases") {}

const paged = <A>(all: ReadonlyArray<A>, keyOf: (a: A) => string, { includeMarker, limit, marker }: Page) => {
  const sorted = [...all].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const after = sorted.filter((a) => marker === null || keyOf(a) > marker || (includeMarker && keyOf(a) === marker))
  const items = limit === null ? after : after.slice(0, limit)
  const last = items.at(-1)
  return [items, after.length > items.length && last !== undefined ? keyOf(last) : null] as const
}

const make = Effect.sync(() => {
  const servers = new Map<string, Server>()
  const initialisations = new Map<string, number>()
  const faults: Faults = { startTime: Duration.seconds(1), startFails: null, flakyStarts: 0, removeFails: null }

  const runtime: DatabaseRuntimeShape = {
    kind: "process",
    start: Effect.fnUntraced(function* (spec: DatabaseSpec, progress) {
      if (faults.startFails !== null) return yield* faults.startFails
      if (faults.flakyStarts > 0) {
        faults.flakyStarts--
        return yield* new RuntimeError({ message: "The host is busy.", detail: "flaky", transient: true })
      }
      const known = servers.get(spec.instanceId)
      if (known?.running === true) return
      yield* progress("starting the server")
      yield* Effect.sleep(faults.startTime)
      if (known === undefined) {
        initialisations.set(spec.instanceId, (initialisations.get(spec.instanceId) ?? 0) + 1)
        servers.set(spec.instanceId, {
          running: true,
          address: spec.address,
          databases: new Set(),
          users: new Map(),
          root: null
        })
      } else known.running = true
    }),
    stop: ({ instanceId }) =>
      Effect.sync(() => {
        const server = servers.get(instanceId)
        if (server !== undefined) server.running = false
      }),
    status: ({ instanceId }) =>
      Effect.sync(() => {
        const server = servers.get(instanceId)
        return server === undefined ? "absent" : server.running ? "running" : "stopped"
      }),
    logs: () => Effect.succeed("nothing to see"),
    remove: (instanceId) =>
      Effect.suspend(() => {
        if (faults.removeFails !== null) return Effect.fail(faults.removeFails)
        servers.delete(instanceId)
        return Effect.void
      })
  }

  const manager: DatastoreManager = {
    datastores: ["postgresql", "mariadb", "mysql"],
    port: 5432,
    open: (endpoint) => {
      const server = Effect.suspend(() => {
        const found = [...servers.values()].find(({ address }) => address === endpoint.address)
        return found?.running === true
          ? Effect.succeed(found)
          : Effect.fail(new GuestRefusal({ message: "The database does not answer." }))
      })
      const change = (f: (server: Server) => void) => Effect.map(server, f)
      const keyOf = (name: string, host: string | null) => `${name}@${host ?? "%"}`
      return Effect.succeed({
        ping: Effect.asVoid(server),
        usedBytes: Effect.succeed(1024 ** 2),
        listDatabases: (page) =>
          Effect.map(server, ({ databases }) =>
            paged(
              [...databases].map((name) => ({ name })),
              ({ name }) => name,
              page
            )
          ),
        createDatabases: (databases) =>
          change((server) => {
            for (const { name } of databases) server.databases.add(name)
          }),
        deleteDatabase: (name) =>
          change((server) => {
            server.databases.delete(name)
          }),
        listUsers: (page) =>
          Effect.map(server, ({ users }) =>
            paged(
              [...users.values()].map(({ user }) => user),
              ({ host, name }) => keyOf(name, host),
              page
            )
          ),
        getUser: (name, host) => Effect.map(server, ({ users }) => users.get(keyOf(name, host))?.user ?? null),
        createUsers: (users) =>
          change((server) => {
            for (const { databases, host, name, password } of users) {
              server.users.set(keyOf(name, host), { user: { name, host: host ?? "%", databases }, password })
            }
          }),
        deleteUser: (name, host) =>
          change((server) => {
            server.users.delete(keyOf(name, host))
          }),
        enableRoot: (password) =>
          change((server) => {
            server.root = password
          }),
        disableRoot: change((server) => {
          server.root = null
        })
      })
    }
  }

  return FakeDatabases.of({
    faults,
    servers,
    initialised: (id) => initialisations.get(id) ?? 0,
    crash: (id) => {
      const server = servers.get(id)
      if (server !== undefined) server.running = false
    },
    runtime,
    manager
  })
})

export const layer = Layer.effect(FakeDatabases, make)

/** This machine, as far as compute can tell: it runs fake databases. */
export const runtimesLayer = Layer.effect(
  LocalRuntimes,
  Effect.map(FakeDatabases, ({ manager, runtime }) => ({
    byKind: () => runtime,
    choose: () => "process" as const,
    managers: [manager]
  }))
)
