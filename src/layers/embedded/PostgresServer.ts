/**
 * One PostgreSQL server on one data folder: initialise, launch, find. Shared by the control plane's own database
 * and by tenants' instances, which differ only in the values of a `PostgresServer`.
 *
 * Never trusts a half-made data folder: initialisation happens in `<data>.tmp`, and a rename makes it real.
 */
import * as fs from "node:fs"
import { join } from "node:path"
import { Effect, type Redacted } from "effect"
import {
  type Escalation,
  endOrphans,
  endProcessOn,
  HostProcessError,
  hasEnded,
  type Identity,
  processOn,
  runToEnd,
  startDetached
} from "./HostProcess.ts"
import { attempt, giveTree, readTail, removeTree, secretInput, sizeOf } from "./OwnedFiles.ts"
import type { PostgresBinaries } from "./PostgresBinaries.ts"

export interface PostgresServer {
  readonly data: string
  readonly log: string
  readonly address: string
  readonly port: number
  /** Of the superuser `postgres`. */
  readonly password: Redacted.Redacted
  /** The user that the server runs as and its files belong to; null for the current one. */
  readonly identity: Identity | null
  /** From where clients may come, as CIDR. */
  readonly clients: string
  /** Given on the command line, where no `ALTER SYSTEM` of a tenant can override them. */
  readonly settings: Readonly<Record<string, string | number>>
  /** The file of its settings, which a reload reads anew; null: the one in the data folder. */
  readonly config: string | null
  /** Files to put into the data folder in the same step that makes it real. */
  readonly extra: Readonly<Record<string, string>>
}

type Binaries = PostgresBinaries["Service"]

/** Clients are disconnected and data is flushed; a server that does not heed it recovers from its log at the next start. */
export const gracefulStop: Escalation = [
  ["SIGINT", 30_000],
  ["SIGQUIT", 8_000],
  ["SIGKILL", 2_000]
]
/** For data that nobody wants any more. SIGQUIT comes first because it takes the helper processes along. */
export const abruptStop: Escalation = [
  ["SIGQUIT", 8_000],
  ["SIGKILL", 2_000]
]

/** "18": the part of a version that decides which data folders it can work on. */
export const installedVersion = Effect.fnUntraced(function* ({ owner, postgres }: Binaries) {
  const told = yield* runToEnd(postgres, ["--version"], { identity: owner })
  const version = /\(PostgreSQL\) (\d+)/.exec(told)?.[1]
  if (version !== undefined) return version
  return yield* new HostProcessError({ message: `${postgres} does not tell its version`, detail: told })
})

export const initialisationFolder = (data: string) => `${data}.tmp`

export const isInitialised = (data: string) => fs.existsSync(join(data, "PG_VERSION"))

/** Makes the data folder, whatever an attempt that was cut short has left behind. */
export const initialise = Effect.fn("PostgresServer.initialise")(function* (
  binaries: Binaries,
  server: PostgresServer
) {
  const temporary = initialisationFolder(server.data)
  yield* endInitialisation(server.data)
  yield* removeTree(temporary)
  yield* attempt(`cannot make ${temporary}`, () => {
    fs.mkdirSync(temporary, { recursive: true, mode: 0o700 })
    if (binaries.owner !== null) fs.chownSync(temporary, binaries.owner.uid, binaries.owner.gid)
  })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const stdin = yield* secretInput(`${temporary}.password`, server.password, binaries.owner)
      yield* runToEnd(
        binaries.initdb,
        [
          ...["-D", temporary, "--username=postgres", "--pwfile=/dev/stdin", "--auth=scram-sha-256"],
          // The built-in provider sorts alike on every host; libc's and ICU's order changes with their version.
          ...["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
          "--no-instructions"
        ],
        { identity: binaries.owner, stdin }
      )
    })
  )
  yield* attempt(`cannot finish ${server.data}`, () => {
    const files = { ...server.extra, "pg_hba.conf": `host all all ${server.clients} scram-sha-256\n` }
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(join(temporary, name), text, { mode: 0o600 })
    if (server.identity !== null) giveTree(temporary, server.identity)
  })
  yield* removeTree(server.data)
  yield* attempt(`cannot finish ${server.data}`, () => fs.renameSync(temporary, server.data))
})

/** Kills an `initdb` that a killed predecessor left running. */
export const endInitialisation = (data: string) => endProcessOn(initialisationFolder(data), [["SIGKILL", 5_000]])

const readinessPoll = 5

/** Starts the server and returns when it listens; fails with the end of its log when it ends instead. */
export const launch = Effect.fn("PostgresServer.launch")(function* (binaries: Binaries, server: PostgresServer) {
  const pidFile = join(server.data, "postmaster.pid")
  // No server works on this folder, else it would have been adopted; after a reboot the pid in the file may be
  // anybody's, which PostgreSQL would take for a running server.
  yield* attempt(`cannot clear ${pidFile}`, () => fs.rmSync(pidFile, { force: true }))
  yield* endOrphans(server.data)
  const settings = {
    ...server.settings,
    ...(server.config === null ? {} : { config_file: server.config }),
    listen_addresses: server.address,
    port: server.port,
    unix_socket_directories: ""
  }
  const logged = sizeOf(server.log)
  const args = ["-D", server.data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])]
  const child = yield* startDetached(binaries.postgres, args, server)
  while (!/^(starting|ready)/m.test(readTail(pidFile, 64))) {
    if (hasEnded(child)) {
      const detail = readTail(server.log, Math.min(8192, sizeOf(server.log) - logged))
      return yield* new HostProcessError({ message: "PostgreSQL ended instead of starting", detail })
    }
    yield* Effect.sleep(readinessPoll)
  }
})

/** The running server's pid and the port that it was started with; null when none works on the folder. */
export const findServer = (data: string): { readonly pid: number; readonly port: number } | null => {
  const pid = processOn(data)
  if (pid === null) return null
  return { pid, port: Number(readTail(join(data, "postmaster.pid"), 4096).split("\n")[3]) }
}

/** Whether a failed launch failed because somebody else has the port. */
export const portWasTaken = (error: HostProcessError) => /could not bind|Address already in use/.test(error.detail)
