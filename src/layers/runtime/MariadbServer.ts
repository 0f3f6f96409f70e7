/**
 * One MariaDB server on one data folder, by the programs of the distribution's package. The counterpart of
 * PostgresServer, by the same rules: made in `<data>.tmp`, real by a rename, found by its data folder.
 */
import * as fs from "node:fs"
import { delimiter, join } from "node:path"
import { Effect, Redacted } from "effect"
import type { DatabaseSpec } from "../../guest/DatabaseRuntime.ts"
import { administrator } from "../../guest/MariadbNames.ts"
import {
  type Escalation,
  HostProcessError,
  hasEnded,
  type Identity,
  runToEnd,
  startDetached
} from "../embedded/HostProcess.ts"
import { attempt, readTail, removeTree, secretInput, sizeOf } from "../embedded/OwnedFiles.ts"
import { endInitialisation, initialisationFolder } from "../embedded/PostgresServer.ts"

export interface MariadbServer {
  readonly data: string
  readonly log: string
  readonly address: string
  readonly port: number
  /** Of `root`, who may come from any host. */
  readonly password: Redacted.Redacted
  readonly identity: Identity | null
  /** The file of its settings; null: none. */
  readonly config: string | null
}

export const gracefulStop: Escalation = [
  ["SIGTERM", 60_000],
  ["SIGKILL", 5_000]
]

export const notInstalled =
  "MariaDB is not installed on this host. Install mariadbd and mariadb-install-db (Debian: mariadb-server-core), or use Docker."

const program = (name: string) =>
  Effect.suspend(() => {
    const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/usr/local/sbin"]
    const found = folders.map((folder) => join(folder, name)).find((path) => fs.existsSync(path))
    return found === undefined
      ? Effect.fail(new HostProcessError({ message: notInstalled, detail: `no ${name} in ${folders.join(delimiter)}` }))
      : Effect.succeed(found)
  })

/** All that it takes is here. The installer asks the last one, which Debian has in another package. */
export const isInstalled = Effect.isSuccess(
  Effect.all([program("mariadbd"), program("mariadb-install-db"), program("my_print_defaults")])
)

/** "10.11" */
export const installedVersion = Effect.gen(function* () {
  const mariadbd = yield* program("mariadbd")
  const told = yield* runToEnd(mariadbd, ["--no-defaults", "--version"], { identity: null })
  const version = / Ver (\d+\.\d+)/.exec(told)?.[1]
  if (version !== undefined) return version
  return yield* new HostProcessError({ message: `${mariadbd} does not tell its version`, detail: told })
})

export const isInitialised = (data: string) => fs.existsSync(join(data, "mysql"))

/** FLUSH loads the grant tables, without which bootstrap mode knows no users. */
const bootstrapSql = (password: string) => {
  const literal = `'${password.replace(/[\\']/g, (special) => `\\${special}`)}'`
  return [
    // The installer makes root once more for each name of this host, and nameless users: all without a password.
    "DELETE FROM mysql.global_priv WHERE NOT (User = 'mariadb.sys' OR User = 'root' AND Host = 'localhost');",
    "FLUSH PRIVILEGES;",
    `ALTER USER root@localhost IDENTIFIED BY ${literal};`,
    `CREATE USER root@'%' IDENTIFIED BY ${literal};`,
    "GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;",
    ""
  ].join("\n")
}

/** Makes the data folder, whatever an attempt that was cut short has left behind. */
export const initialise = Effect.fn("MariadbServer.initialise")(function* (server: MariadbServer) {
  const { data, identity } = server
  const temporary = initialisationFolder(data)
  const install = yield* program("mariadb-install-db")
  const mariadbd = yield* program("mariadbd")
  yield* endInitialisation(data)
  yield* removeTree(temporary)
  yield* attempt(`cannot make ${temporary}`, () => {
    fs.mkdirSync(temporary, { recursive: true, mode: 0o700 })
    if (identity !== null) fs.chownSync(temporary, identity.uid, identity.gid)
  })
  const folder = `--datadir=${temporary}`
  const plainRoot = "--auth-root-authentication-method=normal"
  yield* runToEnd(install, ["--no-defaults", folder, plainRoot, "--skip-test-db", "--skip-name-resolve"], { identity })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const sql = Redacted.make(bootstrapSql(Redacted.value(server.password)))
      const stdin = yield* secretInput(`${temporary}.sql`, sql, identity)
      yield* runToEnd(mariadbd, ["--no-defaults", folder, "--bootstrap"], { identity, stdin })
    })
  )
  yield* removeTree(data)
  yield* attempt(`cannot finish ${data}`, () => fs.renameSync(temporary, data))
})

const readinessPoll = 10
/** Relative to the data folder: an absolute path could be longer than a socket's name may be. */
const pidFile = "mariadbd.pid"
const socket = "mariadbd.sock"

/** Starts the server and returns when it listens; fails with the end of its log when it ends instead. */
export const launch = Effect.fn("MariadbServer.launch")(function* (server: MariadbServer) {
  const mariadbd = yield* program("mariadbd")
  const ready = join(server.data, pidFile)
  yield* attempt(`cannot clear ${ready}`, () => fs.rmSync(ready, { force: true }))
  const logged = sizeOf(server.log)
  const child = yield* startDetached(
    mariadbd,
    [
      // The first: later it would not be understood.
      server.config === null ? "--no-defaults" : `--defaults-file=${server.config}`,
      ...[`--datadir=${server.data}`, `--bind-address=${server.address}`, `--port=${server.port}`],
      ...[`--socket=${socket}`, `--pid-file=${pidFile}`, "--skip-name-resolve", "--skip-log-bin"]
    ],
    server
  )
  while (!fs.existsSync(ready)) {
    if (hasEnded(child)) {
      const detail = readTail(server.log, Math.min(8192, sizeOf(server.log) - logged))
      return yield* new HostProcessError({ message: "MariaDB ended instead of starting", detail })
    }
    yield* Effect.sleep(readinessPoll)
  }
})

/** Fails where the program is missing by which data of an earlier version is taken over. */
export const requireUpgradeProgram = Effect.asVoid(program("mariadb-upgrade"))

/**
 * Does with the data of an earlier version, on which the server runs, what its makers want done: through its socket, for who
 * may reach its port is guarded.
 */
export const upgrade = Effect.fn("MariadbServer.upgrade")(function* (
  { adminPassword }: DatabaseSpec,
  data: string,
  identity: Identity | null
) {
  const mariadbUpgrade = yield* program("mariadb-upgrade")
  yield* Effect.scoped(
    Effect.gen(function* () {
      const login = Redacted.make(`[client]\nuser=${administrator}\npassword=${Redacted.value(adminPassword)}\n`)
      const stdin = yield* secretInput(`${data}.login`, login, identity)
      const client = ["--defaults-file=/dev/stdin", "--protocol=socket", `--socket=${socket}`]
      yield* runToEnd(mariadbUpgrade, client, { identity, stdin, cwd: data })
    })
  )
})
