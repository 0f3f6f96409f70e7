/**
 * Databases that exist only in memory and only in virtual time: a runtime and a datastore manager over one
 * shared world, with knobs for what can go wrong. Held to the conformance suites of their real twins.
 */
import { Context, Duration, Effect, Layer } from "effect"
import { type DatabaseRuntimeShape, type DatabaseSpec, RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import type { DatastoreManager, Page } from "../../src/guest/DatastoreManager.ts"
import { HostFirewall } from "../../src/guest/HostFirewall.ts"
import { LocalRuntimes } from "../../src/layers/embedded/LocalRuntimes.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import { needRestart, parametersOf } from "../../src/services/configuration/Parameters.ts"
import { flavorSettings } from "../../src/services/configuration/ServerFile.ts"
import { GuestRefusal, type NewUser } from "../../src/services/GuestApi.ts"
import { refuseDatabaseName, refuseUserName, reservedNames } from "../../src/services/NameRules.ts"
import { type FakeFirewall, makeFakeFirewall } from "./FakeFirewall.ts"
import { fakeLogs } from "./FakeLogs.ts"
import { FakeServer } from "./FakeServer.ts"

/** What goes wrong, or takes its time. Change it in the middle of a test. */
export interface Faults {
  /** How long a server takes from start to first login. */
  startTime: Duration.Duration
  /** Every start fails with this. */
  startFails: RuntimeError | null
  /** How many starts fail, with a transient error, before one succeeds. */
  flakyStarts: number
  /** Every stop fails with this. */
  stopFails: RuntimeError | null
  removeFails: RuntimeError | null
  /** How long it takes until nothing is left of a server. */
  removeTime: Duration.Duration
  /** With which settings a server ends instead of starting. */
  fatal: (settings: Values) => boolean
  /** Which versions end instead of starting. */
  unfit: (version: string) => boolean
  /** Which versions cannot be had any more: there is nothing to handle their files with. */
  lost: (version: string) => boolean
  /** How long it takes once until the image of a server is there. */
  fetchTime: Duration.Duration
  /** Bytes that a volume has beside its data. */
  free: number
  /** Which setting a running server does not take. */
  unwilling: string | null
  /** MB: a server that is given more ends instead of starting. */
  mostMemory: number
}

export class FakeDatabases extends Context.Service<
  FakeDatabases,
  {
    readonly faults: Faults
    /** By instance. */
    readonly servers: ReadonlyMap<string, FakeServer>
    /** Addresses that another program listens on. */
    readonly occupied: Set<string>
    /** How often a server was initialised: one database and not two. */
    readonly initialised: (instanceId: string) => number
    /** The server process dies. */
    readonly crash: (instanceId: string) => void
    readonly runtime: DatabaseRuntimeShape
    readonly manager: DatastoreManager
    readonly firewall: FakeFirewall
  }
>()("coffer/test/FakeDatabases") {}

/** In the order of bytes, as servers sort names. */
const inOrder = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

const paged = <A extends { readonly name: string }>(
  all: ReadonlyArray<A>,
  { includeMarker, limit, marker }: Page
): readonly [ReadonlyArray<A>, string | null] => {
  const after = all
    .toSorted((a, b) => inOrder(a.name, b.name))
    .filter(({ name }) => marker === null || inOrder(name, marker) > 0 || (includeMarker && name === marker))
  const items = limit === null ? after : after.slice(0, limit)
  return [items, after.length > items.length ? (items.at(-1)?.name ?? null) : null]
}

const makeRuntime = (servers: Map<string, FakeServer>, occupied: Set<string>, faults: Faults) => {
  const initialisations = new Map<string, number>()

  const start = Effect.fnUntraced(function* (
    spec: DatabaseSpec,
    progress: (text: string) => Effect.Effect<void>
  ): Effect.fn.Return<void, RuntimeError> {
    if (faults.startFails !== null) return yield* faults.startFails
    if (faults.flakyStarts > 0) {
      faults.flakyStarts--
      return yield* new RuntimeError({ message: "The host is busy.", detail: "flaky", transient: true })
    }
    if (occupied.has(spec.address)) {
      const message = `The address ${spec.address}:${spec.port} is in use by another program.`
      return yield* new RuntimeError({ message, detail: "", transient: true })
    }
    const known = servers.get(spec.instanceId)
    if (known?.running === true) return
    yield* progress("starting the server")
    yield* Effect.sleep(faults.startTime)
    if (faults.fatal(spec.settings) || faults.unfit(spec.version) || spec.memoryMb > faults.mostMemory)
      return yield* new RuntimeError({
        message: "The database server could not be started.",
        detail: "",
        transient: true
      })
    if (known !== undefined) {
      known.start(spec)
      known.settings = known.file = spec.settings
      known.limitMb = known.memoryMb = known.fileMb = spec.memoryMb
      return
    }
    initialisations.set(spec.instanceId, (initialisations.get(spec.instanceId) ?? 0) + 1)
    const server = new FakeServer(spec)
    server.settings = server.file = spec.settings
    servers.set(spec.instanceId, server)
  })

  const beside = ({ instanceId, version }: DatabaseSpec, work: (server: FakeServer) => void) =>
    Effect.suspend(() => {
      const server = servers.get(instanceId)
      if (faults.lost(version))
        return Effect.fail(new RuntimeError({ message: "There is no such image.", detail: version, transient: true }))
      return Effect.sync(() => (server === undefined ? undefined : work(server)))
    })

  const runtime: DatabaseRuntimeShape = {
    kind: "process",
    logFiles: fakeLogs(servers),
    start,
    configure: ({ instanceId, memoryMb, settings }) =>
      Effect.sync(() => {
        const server = servers.get(instanceId)
        if (server === undefined) return
        server.file = settings
        server.fileMb = memoryMb
      }),
    limit: ({ instanceId, memoryMb }, how) =>
      Effect.sync(() => {
        const server = servers.get(instanceId)
        if (server?.running !== true) return
        server.limitMb = how === "exactly" ? memoryMb : Math.max(memoryMb, server.limitMb)
      }),
    provide: () =>
      Effect.suspend(() => {
        if (!Duration.isPositive(faults.fetchTime)) return Effect.void
        return Effect.andThen(
          Effect.sleep(faults.fetchTime),
          Effect.sync(() => {
            faults.fetchTime = Duration.zero
          })
        )
      }),
    convert: ({ instanceId }) => Effect.sync(() => servers.get(instanceId)?.convert()),
    kept: {
      room: ({ instanceId }) =>
        Effect.sync(() => ({ needed: (servers.get(instanceId)?.databases.size ?? 0) * 1024 ** 2, free: faults.free })),
      keep: (spec) =>
        Effect.andThen(
          Effect.sleep(faults.startTime),
          beside(spec, (server) => server.keep())
        ),
      putBack: (spec) => beside(spec, (server) => server.putBack()),
      forget: (spec) => beside(spec, (server) => server.forget())
    },
    stop: ({ instanceId }) =>
      Effect.suspend(() => {
        if (faults.stopFails !== null) return Effect.fail(faults.stopFails)
        return Effect.sync(() => servers.get(instanceId)?.stop())
      }),
    takeApart: ({ instanceId }) =>
      Effect.suspend(() => {
        if (faults.stopFails !== null) return Effect.fail(faults.stopFails)
        return Effect.sync(() => {
          const server = servers.get(instanceId)
          server?.stop()
          if (server !== undefined) server.isWhole = false
        })
      }),
    hardware: ({ instanceId }) =>
      Effect.sync(() => {
        const server = servers.get(instanceId)
        return server?.running === true ? { mem_total: server.limitMb * 1024, num_cpus: 1 } : null
      }),
    process: ({ instanceId }) =>
      Effect.sync(() =>
        servers.get(instanceId)?.running === true
          ? { threads: 3, fd_size: 64, vm_size: 2048, vm_peak: 4096, vm_rss: 1024, vm_hwm: 1536 }
          : null
      ),
    status: ({ instanceId }) =>
      Effect.sync(() => {
        const server = servers.get(instanceId)
        return server === undefined ? "absent" : server.running ? "running" : "stopped"
      }),
    logs: (_, lines) =>
      Effect.succeed(["LOG:  here", "FATAL:  it has not got as much memory", "LOG:  gone"].slice(-lines).join("\n")),
    list: (folder) =>
      Effect.sync(() =>
        [...servers.values()].map(({ volume }) => volume).filter((volume) => volume.startsWith(`${folder}/`))
      ),
    remove: (instanceId) =>
      Effect.gen(function* () {
        if (faults.removeFails !== null) return yield* faults.removeFails
        servers.get(instanceId)?.stop()
        if (Duration.isPositive(faults.removeTime)) yield* Effect.sleep(faults.removeTime)
        servers.delete(instanceId)
      })
  }
  return { runtime, initialised: (id: string) => initialisations.get(id) ?? 0 }
}

const parameters = parametersOf({ manager: "postgresql", version: "18" })

const refuse = (message: string) => new GuestRefusal({ message })
const obey = (refusal: string | null) => (refusal === null ? Effect.void : Effect.fail(refuse(refusal)))
const obeyDatabase = (name: string) => obey(refuseDatabaseName("postgresql", name))
const obeyUser = (name: string) => obey(refuseUserName("postgresql", name))
const isTenants = ({ name }: { readonly name: string }) => !reservedNames("postgresql").databases.includes(name)

const makeManager = (servers: ReadonlyMap<string, FakeServer>, faults: Faults): DatastoreManager => ({
  datastores: ["postgresql", "mariadb", "mysql"],
  port: 5432,
  open: (endpoint) => {
    const server = Effect.suspend(() => {
      const found = [...servers.values()].find(
        ({ address, port }) => address === endpoint.address && port === endpoint.port
      )
      return found?.running === true ? Effect.succeed(found) : Effect.fail(refuse("The database does not answer."))
    })

    const mustHaveDatabase = Effect.fnUntraced(function* (name: string) {
      if (!(yield* server).databases.has(name)) return yield* refuse(`There is no database ${name}.`)
    })
    const hasUser = (name: string) => Effect.map(server, ({ users }) => users.some((user) => user.name === name))
    const mustHaveUser = Effect.fnUntraced(function* (name: string) {
      yield* obeyUser(name)
      if (!(yield* hasUser(name))) return yield* refuse(`There is no user ${name}.`)
    })

    const createUsers = Effect.fnUntraced(function* (users: ReadonlyArray<NewUser>) {
      for (const user of users) {
        yield* obeyUser(user.name)
        for (const { name } of user.databases) yield* mustHaveDatabase(name)
      }
      for (const user of users) (yield* server).createUser(user)
    })

    return Effect.succeed({
      ping: Effect.asVoid(server),
      version: Effect.map(server, ({ version }) => version),
      usedBytes: Effect.map(server, ({ databases }) => databases.size * 1024 ** 2),
      listDatabases: (page) =>
        Effect.map(server, ({ databases }) =>
          paged([...databases.keys()].map((name) => ({ name })).filter(isTenants), page)
        ),
      createDatabases: Effect.fnUntraced(function* (databases) {
        for (const { name } of databases) yield* obeyDatabase(name)
        for (const { name } of databases) (yield* server).createDatabase(name)
      }),
      deleteDatabase: Effect.fnUntraced(function* (name) {
        yield* obeyDatabase(name)
        ;(yield* server).deleteDatabase(name)
      }),
      listUsers: (page) => Effect.map(server, ({ users }) => paged(users, page)),
      getUser: (name) => Effect.map(server, ({ users }) => users.find((user) => user.name === name) ?? null),
      createUsers,
      deleteUser: Effect.fnUntraced(function* (name) {
        yield* obeyUser(name)
        ;(yield* server).deleteUser(name)
      }),
      changePasswords: Effect.fnUntraced(function* (users) {
        for (const { name } of users) yield* mustHaveUser(name)
        for (const { name, password } of users) (yield* server).changePassword(name, password)
      }),
      updateUser: Effect.fnUntraced(function* (name, _, { name: next, password }) {
        yield* obeyUser(next ?? name)
        yield* mustHaveUser(name)
        if (next !== undefined && next !== name && (yield* hasUser(next)))
          return yield* refuse(`There is a user ${next} already.`)
        if (password !== undefined) (yield* server).changePassword(name, password)
        if (next !== undefined) (yield* server).renameUser(name, next)
      }),
      grant: Effect.fnUntraced(function* (name, _, databases) {
        yield* mustHaveUser(name)
        for (const database of databases) yield* mustHaveDatabase(database)
        for (const database of databases) (yield* server).grant(name, database)
      }),
      revoke: Effect.fnUntraced(function* (name, _, database) {
        yield* mustHaveUser(name)
        yield* mustHaveDatabase(database)
        ;(yield* server).revoke(name, database)
      }),
      applySettings: Effect.fnUntraced(function* (changes) {
        const { unwilling } = faults
        if (unwilling !== null && unwilling in changes) return yield* refuse(`The database does not take ${unwilling}.`)
        const there = yield* server
        const given = flavorSettings("postgresql", there.memoryMb)
        const others = Object.keys(changes).filter((name) => changes[name] !== (there.settings[name] ?? given[name]))
        const waiting = needRestart(parameters, others)
        for (const name of Object.keys(changes)) {
          if (waiting.includes(name)) continue
          const { [name]: _, ...others } = there.settings
          const value = there.file[name]
          there.settings = value === undefined ? others : { ...others, [name]: value }
        }
        if (waiting.length === 0) there.memoryMb = there.fileMb
        return waiting.length > 0
      }),
      enableRoot: (password) => Effect.map(server, (server) => server.setRoot(password)),
      disableRoot: Effect.map(server, (server) => server.setRoot(null))
    })
  }
})

export const layer = Layer.sync(FakeDatabases, () => {
  const servers = new Map<string, FakeServer>()
  const occupied = new Set<string>()
  const faults: Faults = {
    startTime: Duration.seconds(1),
    startFails: null,
    flakyStarts: 0,
    stopFails: null,
    removeFails: null,
    removeTime: Duration.zero,
    fatal: () => false,
    unfit: () => false,
    lost: () => false,
    fetchTime: Duration.zero,
    free: 1024 ** 3,
    unwilling: null,
    mostMemory: Number.POSITIVE_INFINITY
  }
  const { initialised, runtime } = makeRuntime(servers, occupied, faults)
  return FakeDatabases.of({
    faults,
    servers,
    occupied,
    initialised,
    crash: (id) => servers.get(id)?.stop(),
    runtime,
    manager: makeManager(servers, faults),
    firewall: makeFakeFirewall()
  })
})

/** This machine, as far as compute can tell: it runs fake databases. */
export const runtimesLayer = Layer.merge(
  Layer.effect(
    LocalRuntimes,
    Effect.map(FakeDatabases, ({ manager, runtime }) => ({
      byKind: () => runtime,
      choose: () => "process" as const,
      managers: [manager],
      obstacle: Effect.succeed(null)
    }))
  ),
  Layer.effect(
    HostFirewall,
    Effect.map(FakeDatabases, ({ firewall }) => firewall)
  )
)
