/**
 * A REST server on a random loopback port, over the store in memory and the fabric in one process, ruled by the
 * test's clock; a client that sends exactly what it is told; and the recorded answers of a real Trove.
 */
import { readdirSync, readFileSync } from "node:fs"
import http from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Clock, ConfigProvider, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { HttpRoutes, serveOptions } from "../../src/http/Server.ts"
import * as LoopbackIdentity from "../../src/layers/embedded/LoopbackIdentity.ts"
import * as InProcessFabric from "../../src/layers/fabric/InProcessFabric.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { type Database, GuestApi, type GuestRefusal, guestTopic, type NewUser } from "../../src/services/GuestApi.ts"
import type { Identity } from "../../src/services/Identity.ts"
import { type InstanceId, OperationId } from "../../src/services/Ids.ts"
import type { LogDetails, LogText } from "../../src/services/InstanceLogs.ts"
import { Observations } from "../../src/services/Observations.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { TenantNetwork } from "../../src/services/TenantNetwork.ts"

export const adminToken = "s3cret-admin"

export const mysqlVersion = "c9b6fda9-22d9-48b0-aad4-e19246299c3e"
const mysqlDatastore = "1b5bf6e9-e7bc-4aa3-835f-3ee376965b8a"

const flavor = (id: string, name: string, ram: number, vcpus: number, disk: number) => ({
  id,
  name,
  ram,
  vcpus,
  disk,
  ephemeral: 0
})

const version = (id: string, name: string, manager: "mysql" | "postgresql", active = true) => ({
  id,
  name,
  version: name,
  manager,
  image: `docker.io/library/${manager}:${name}`,
  active
})

/** The catalog of the Trove that was recorded, and PostgreSQL. */
export const catalog: CatalogContents = {
  flavors: [
    flavor("1", "m1.tiny", 512, 1, 1),
    flavor("2", "m1.small", 2048, 1, 20),
    flavor("3", "m1.medium", 4096, 2, 40)
  ],
  datastores: [
    {
      id: mysqlDatastore,
      name: "mysql",
      versions: [
        version(mysqlVersion, "5.7.29", "mysql"),
        version("ab586105-7a84-44ba-bb97-37b46eb8488e", "8.0.29", "mysql"),
        version("00000000-0000-4000-8000-000000000055", "5.5", "mysql", false)
      ],
      defaultVersion: mysqlVersion
    },
    {
      id: "5d6c2f1e-0000-4000-8000-000000000001",
      name: "postgresql",
      versions: [version("5d6c2f1e-0000-4000-8000-000000000016", "16", "postgresql")],
      defaultVersion: null
    }
  ],
  defaultDatastore: null
}

export const Ports = Layer.mergeAll(OfferedCatalog.layer(catalog), InProcessFabric.layer).pipe(
  Layer.provideMerge(MemoryStore.layer)
)

const Loopback = LoopbackIdentity.layer(Redacted.make(adminToken))

const Settings = (settings: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(settings))

/** The one that was recorded. */
export const network = {
  id: "22222222-2222-2222-2222-222222222222",
  subnet: "33333333-3333-3333-3333-333333333333"
}

/** Everything, with the ports to reach behind the server. */
export const server = (settings: Record<string, string> = {}, identity: Layer.Layer<Identity> = Loopback) =>
  HttpRouter.serve(HttpRoutes, { ...serveOptions, disableListenLog: true }).pipe(
    Layer.provide([identity, Layer.succeed(TenantNetwork, network)]),
    Layer.provideMerge(Ports),
    Layer.provideMerge(NodeHttpServer.layerTest),
    Layer.provide(Settings(settings))
  )

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** Null when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever shape it expects
  readonly json: any
}

export interface Sent {
  readonly body?: unknown
  /** Sent as it is, in place of `body`. */
  readonly raw?: string | Buffer
  readonly headers?: Record<string, string>
  readonly token?: string
}

const parsed = (text: string) => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const call = Effect.fnUntraced(function* (method: string, path: string, sent: Sent = {}) {
  const { address } = yield* HttpServer.HttpServer
  if (address._tag === "UnixPathAddress") return yield* Effect.die("the server listens on a socket")
  const { port } = address
  const body = sent.raw ?? (sent.body === undefined ? undefined : JSON.stringify(sent.body))
  return yield* Effect.callback<Answer>((resume) => {
    const request = http.request(
      {
        host: "127.0.0.1",
        port,
        method,
        path,
        agent: false,
        headers: {
          host: "127.0.0.1:8779",
          accept: "application/json",
          ...(sent.body === undefined && sent.raw === undefined ? {} : { "content-type": "application/json" }),
          ...(body === undefined || sent.headers?.["transfer-encoding"] !== undefined
            ? {}
            : { "content-length": `${Buffer.byteLength(body)}` }),
          ...(sent.token === undefined ? {} : { "x-auth-token": sent.token }),
          ...sent.headers
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString()
          resume(
            Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) })
          )
        })
      }
    )
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(body)
  })
})

/** One recorded exchange with Trove 18. */
export interface Recorded {
  readonly request: { readonly method: string; readonly path: string; readonly body: unknown; readonly raw?: string }
  // biome-ignore lint/suspicious/noExplicitAny: whatever Trove said
  readonly response: { readonly status: number; readonly body: any }
}

const folder = new URL("../fixtures/rest/", import.meta.url)
const files = readdirSync(folder)

/** The exchange whose file begins with `number`. */
export const recorded = (number: string): Recorded => {
  const file = files.find((name) => name.startsWith(`${number}-`))
  if (file === undefined) throw new Error(`no recorded exchange ${number}`)
  return JSON.parse(readFileSync(new URL(file, folder), "utf8"))
}

/** The project that was recorded. */
export const project = "aa4a814f964a4470bf8d456d9e67a352"
export const path = (rest: string) => `/v1.0/${project}${rest}`

/** Moves an instance on, as its actor would. */
export const moveTo = Effect.fnUntraced(function* (id: string, state: State, because = "a test says so") {
  const lifecycles = yield* Lifecycles
  const instance = id as InstanceId
  const loaded = yield* lifecycles.load(instance)
  if (loaded._tag === "None") return yield* Effect.die(`no instance ${id}`)
  const { generation, mail, state: before } = loaded.value
  yield* lifecycles.commit(instance, {
    generation,
    state,
    transition: { from: before._tag, to: state._tag, because },
    handled: mail.map(({ seq }) => seq)
  })
})

export const operation = OperationId.make("build-1")

/** A guest that keeps its databases and users in lists, in the order of names. */
export const serveGuest = Effect.fnUntraced(function* (id: string) {
  const fabric = yield* Fabric
  const observations = yield* Observations
  const now = yield* Clock.currentTimeMillis
  const databases: Array<Database> = []
  const users: Array<NewUser> = []
  const passwords: Array<string> = []
  /** What else the guest does when it is told to enable or to disable root. */
  const root: { [Told in "enabling" | "disabling"]: Effect.Effect<void, GuestRefusal> } = {
    enabling: Effect.void,
    disabling: Effect.void
  }

  /** What it says of its logs, whatever it is asked. */
  const logs: {
    list: ReadonlyArray<LogDetails>
    acted: Effect.Effect<LogDetails, GuestRefusal>
    text: LogText
  } = {
    list: [],
    acted: Effect.succeed({
      ...{ name: "general", type: "USER", status: "Enabled", published: 0, pending: 0 },
      ...{ container: "None", prefix: "None", metafile: `${id}/mysql-general_metafile` }
    }),
    text: { offset: 0, next: 0, rotated: false, lines: [] }
  }

  const page = <A>(
    items: ReadonlyArray<A>,
    keyOf: (item: A) => string,
    from: { limit: number | null; marker: string | null; include_marker: boolean }
  ) => {
    const { marker } = from
    const after = items
      .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
      .filter((item) => marker === null || keyOf(item) > marker || (from.include_marker && keyOf(item) === marker))
    const shown = after.slice(0, from.limit ?? after.length)
    const last = shown.at(-1)
    return [shown, after.length > shown.length && last !== undefined ? keyOf(last) : null] as const
  }
  const remove = <A>(items: Array<A>, isIt: (item: A) => boolean) => {
    const index = items.findIndex(isIt)
    if (index >= 0) items.splice(index, 1)
  }

  const isOf = (name: string, host: string | null) => (user: NewUser) => user.name === name && user.host === host
  const change = (name: string, host: string | null, changes: Partial<NewUser>) => {
    const index = users.findIndex(isOf(name, host))
    const user = users[index]
    if (user !== undefined) users[index] = { ...user, ...changes }
  }

  yield* fabric.serve(guestTopic(id), GuestApi, {
    prepare: () => Effect.void,
    rpc_ping: () => Effect.succeed(true),
    restart: () => Effect.void,
    rebuild: () => Effect.void,
    get_hwinfo: () => Effect.succeed({ mem_total: 524_288, num_cpus: 1 }),
    get_diagnostics: () =>
      Effect.succeed({
        ...{ version: "18.1", threads: 2, fd_size: 64 },
        ...{ vm_size: 2048, vm_peak: 4096, vm_rss: 1024, vm_hwm: 1536 }
      }),
    upgrade: () => Effect.succeed({ state: "done" as const }),
    post_upgrade: () => Effect.void,
    stop_db: () => Effect.void,
    update_overrides: () => Effect.void,
    apply_overrides: () => Effect.void,
    apply_flavor: () => Effect.succeed({ restart_required: false }),
    start_db_with_conf_changes: () => Effect.void,
    resize_fs: () => Effect.void,
    update_access: () => Effect.void,
    guest_log_list: () => Effect.sync(() => logs.list),
    guest_log_action: () => Effect.suspend(() => logs.acted),
    guest_log_text: () => Effect.sync(() => logs.text),
    get_filesystem_stats: () => Effect.succeed({ total: 2, used: 0.1234 }),
    list_databases: (asked) => Effect.sync(() => page(databases, ({ name }) => name, asked)),
    list_users: (asked) =>
      Effect.sync(() => {
        const [shown, next] = page(users, ({ name, host }) => `${name}@${host}`, asked)
        return [shown.map(({ name, host, databases }) => ({ name, host, databases })), next] as const
      }),
    get_user: ({ username, hostname }) =>
      Effect.sync(() => {
        const found = users.find(isOf(username, hostname))
        return found === undefined ? null : { name: found.name, host: found.host, databases: found.databases }
      }),
    create_database: (asked) => Effect.sync(() => void databases.push(...asked.databases)),
    delete_database: ({ database }) => Effect.sync(() => remove(databases, ({ name }) => name === database.name)),
    create_user: (asked) => Effect.sync(() => void users.push(...asked.users)),
    delete_user: ({ user }) =>
      Effect.sync(() => remove(users, ({ name, host }) => name === user.name && host === user.host)),
    change_passwords: (asked) =>
      Effect.sync(() => {
        for (const { host, name, password } of asked.users) change(name, host, { password })
      }),
    update_attributes: ({ hostname, user_attrs, username }) =>
      Effect.sync(() => change(username, hostname, user_attrs)),
    grant_access: (asked) =>
      Effect.sync(() => {
        const held = users.find(isOf(asked.username, asked.hostname))?.databases ?? []
        const granted = asked.databases.map((name) => ({ name }))
        change(asked.username, asked.hostname, { databases: [...held, ...granted] })
      }),
    revoke_access: (asked) =>
      Effect.sync(() => {
        const held = users.find(isOf(asked.username, asked.hostname))?.databases ?? []
        change(asked.username, asked.hostname, { databases: held.filter(({ name }) => name !== asked.database) })
      }),
    enable_root: () =>
      Effect.as(
        Effect.suspend(() => root.enabling),
        { name: "root", password: Redacted.make("generated-by-the-guest") }
      ),
    enable_root_with_password: ({ root_password }) =>
      Effect.sync(() => {
        passwords.push(Redacted.value(root_password))
        return { name: "root", password: root_password }
      }),
    disable_root: () => Effect.suspend(() => root.disabling)
  })
  yield* observations.record([{ instance: id as InstanceId, status: "healthy", sent: now, receivedAt: now }])
  return { databases, users, passwords, root, logs }
})

/** The taskmanager's end of the fabric: who was woken. */
export const serveTaskmanager = Effect.gen(function* () {
  const woken: Array<string> = []
  yield* (yield* Fabric).serve(taskmanagerTopic, TaskmanagerApi, {
    wake: ({ instance_id }) => Effect.sync(() => void woken.push(instance_id)),
    observed: () => Effect.void,
    silent: () => Effect.void
  })
  return woken
})

/** Orders what was recorded in 029, and gives its id. */
export const order = Effect.fnUntraced(function* (changes: Record<string, unknown> = {}) {
  const { instance } = recorded("029").request.body as { readonly instance: Record<string, unknown> }
  return yield* call("POST", path("/instances"), { body: { instance: { ...instance, ...changes } } })
})

/** An instance that is up, with its guest. */
export const active = Effect.fnUntraced(function* (changes: Record<string, unknown> = {}) {
  const { json } = yield* order(changes)
  const id: string = json.instance.id
  yield* moveTo(id, { _tag: "Active" })
  return { id, guest: yield* serveGuest(id) }
})
