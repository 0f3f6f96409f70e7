/**
 * Databases as plain processes of this host: the adapter of DatabaseRuntime for machines without Docker.
 * Isolation is the operating system's: as root, every server runs as a user of its own (ServerIdentity).
 * Memory is bounded by the server's own settings, not by the kernel.
 *
 * Layout of a volume: `data` (the server's, made by rename when it is whole), `data.tmp` (while it is being made),
 * `logs` (see LogFolder), `server.conf` (written anew at each start), and while another version is tried what `KeptFolders` says. The process is found by its data folder; there is no other state.
 */
import * as fs from "node:fs"
import { availableParallelism, totalmem } from "node:os"
import { dirname, join } from "node:path"
import { Effect, Layer } from "effect"
import {
  DatabaseRuntime,
  type DatabaseSpec,
  type Progress,
  RuntimeError,
  type RuntimeStatus
} from "../../guest/DatabaseRuntime.ts"
import { serverFile } from "../../services/configuration/ServerFile.ts"
import { replaceFile } from "../embedded/DurableFile.ts"
import {
  type Escalation,
  endAllOf,
  endProcessOn,
  endServerWithout,
  findProcessOn,
  foldersServedBelow,
  HostProcessError,
  isRoot,
  statusText
} from "../embedded/HostProcess.ts"
import { attempt, readTail, removeTree } from "../embedded/OwnedFiles.ts"
import { PostgresBinaries } from "../embedded/PostgresBinaries.ts"
import * as Postgres from "../embedded/PostgresServer.ts"
import { isInstanceUser, serverIdentity } from "../embedded/ServerIdentity.ts"
import { copyTree, keptFolders, lookAtTree } from "./KeptFolders.ts"
import { logFile, logFiles, logFolder, logLines, ownLog, prepareLogs } from "./LogFolder.ts"
import * as Mariadb from "./MariadbServer.ts"
import { factsIn } from "./ProcessStatus.ts"

/** How much of the log `logs` looks at. */
const logWindow = 64 * 1024

/** What differs between the kinds of servers. */
interface Engine {
  /** What a tenant calls it. */
  readonly product: string
  /** "18", "10.11": all of a version that must agree for a server to be the one that was ordered. */
  readonly installed: Effect.Effect<string, HostProcessError>
  readonly isInitialised: (data: string) => boolean
  readonly initialise: Effect.Effect<void, HostProcessError>
  readonly launch: Effect.Effect<void, HostProcessError>
}

export const layer = Layer.effect(
  DatabaseRuntime,
  Effect.gen(function* () {
    const binaries = yield* PostgresBinaries

    const engine = (spec: DatabaseSpec): Engine => {
      const identity = identityOf(spec)
      const { address, port, adminPassword: password } = spec
      const config = configOf(spec.volume)
      const at = { data: dataOf(spec.volume), log: logOf(spec), address, port, password, identity, config }
      if (spec.datastore === "postgresql") {
        const server = { ...at, clients: "0.0.0.0/0", settings: {}, extra: {} }
        return {
          product: "PostgreSQL",
          installed: Postgres.installedVersion(binaries),
          isInitialised: Postgres.isInitialised,
          initialise: Postgres.initialise(binaries, server),
          launch: Postgres.launch(binaries, server)
        }
      }
      return {
        product: "MariaDB",
        installed: Mariadb.installedVersion,
        isInitialised: Mariadb.isInitialised,
        initialise: Mariadb.initialise(at),
        launch: Mariadb.launch(at)
      }
    }

    const start = Effect.fn("ProcessRuntime.start")(
      function* (spec: DatabaseSpec, progress: Progress) {
        if (spec.datastore === "mysql") return yield* unsupported(spec)
        const data = dataOf(spec.volume)
        if ((yield* findProcessOn(data)) !== null) return
        // A tenant can leave processes behind that outlive its server; the address may have been another's before.
        if (isRoot) yield* endAllOf(serverIdentity(spec.address).uid)
        const { initialise, installed, isInitialised, launch, product } = engine(spec)
        yield* prepareVolume(spec)
        if (!isInitialised(data)) {
          yield* requireVersion(product, spec.version, yield* installed)
          yield* progress("initialising the database")
          yield* initialise
        }
        yield* writeConfig(spec)
        yield* progress("starting the database")
        yield* launch
      },
      (effect, spec) => Effect.mapError(effect, (error) => refusal(error, spec))
    )

    const provide = Effect.fn("ProcessRuntime.provide")(
      function* (spec: DatabaseSpec) {
        if (spec.datastore === "mysql") return yield* unsupported(spec)
        const { installed, product } = engine(spec)
        yield* requireVersion(product, spec.version, yield* installed)
        if (spec.datastore === "mariadb") yield* Mariadb.requireUpgradeProgram
      },
      (effect, spec) => Effect.mapError(effect, (error) => refusal(error, spec))
    )

    return DatabaseRuntime.of({
      kind: "process",
      start,
      provide,
      convert: (spec) =>
        spec.datastore === "mariadb"
          ? Effect.mapError(Mariadb.upgrade(spec, dataOf(spec.volume), identityOf(spec)), (error) =>
              refusal(error, spec)
            )
          : Effect.void,
      kept: keptFolders({
        before: (spec) => (isRoot ? endAllOf(serverIdentity(spec.address).uid) : Effect.void),
        look: lookAtTree,
        copy: copyTree,
        remove: (folder) => removeTree(folder),
        failed: (error, spec) => refusal(error, spec)
      }),
      configure: (spec) => Effect.mapError(writeConfig(spec), (error) => refusal(error, spec)),
      // Its memory is its settings' to bound, and its processors nobody's.
      limit: () => Effect.void,
      stop: (spec) => Effect.mapError(end(spec.volume, stopOf(spec)), (error) => refusal(error, spec)),
      // The programs may be of another version by now, under a server that runs.
      takeApart: (spec) =>
        Effect.andThen(
          provide(spec),
          Effect.mapError(takeApart(spec), (error) => refusal(error, spec))
        ),
      hardware: (spec) => Effect.mapError(hardwareOf(spec), (error) => refusal(error, spec)),
      process: (spec) => Effect.mapError(factsOf(spec), (error) => refusal(error, spec)),
      status: (spec) => Effect.mapError(statusOf(dataOf(spec.volume)), (error) => refusal(error, spec)),
      logFiles,
      logs: (spec, lines) =>
        Effect.sync(() => readTail(logOf(spec), logWindow).trimEnd().split("\n").slice(-lines).join("\n")),
      list: (folder) =>
        foldersServedBelow(folder).pipe(
          Effect.map((folders) => [...new Set([...folders].map((data) => dirname(data)))]),
          Effect.mapError((error) => refusal(error, null))
        ),
      remove: (_instanceId, volume) =>
        Postgres.endInitialisation(dataOf(volume)).pipe(
          // Its kind is not known here, and need not be: MariaDB ends by the same signals.
          Effect.andThen(end(volume, isRoot ? shortStop : Postgres.abruptStop)),
          Effect.andThen(endServerWithout(dataOf(volume))),
          Effect.mapError((error) => refusal(error, null))
        )
    })
  })
)

/** Before all that runs as the server's user is killed: PostgreSQL returns its System V shared memory by it. */
const shortStop: Escalation = [["SIGQUIT", 3_000]]

/**
 * Ends the server, and with it all that runs as its user: a tenant can start processes from inside it that leave
 * its folder and session, or pretend to be the server. Where the server has no user of its own, only the server.
 */
const end = Effect.fnUntraced(function* (volume: string, escalation: Escalation) {
  const uid = yield* attempt(`cannot look at ${volume}`, () => userOf(volume))
  if (uid === null) return yield* endProcessOn(dataOf(volume), escalation)
  yield* Effect.ignore(endProcessOn(dataOf(volume), escalation))
  yield* endAllOf(uid)
})

/** The server's own user, by its files: they lie in a folder of ours, so no tenant can put others there. */
const userOf = (volume: string): number | null => {
  if (!isRoot) return null
  const folders = [dataOf(volume), Postgres.initialisationFolder(dataOf(volume))]
  const owners = folders.map((folder) => fs.lstatSync(folder, { throwIfNoEntry: false })?.uid)
  return owners.find((uid) => uid !== undefined && isInstanceUser(uid)) ?? null
}

const dataOf = (volume: string) => join(volume, "data")
const configOf = (volume: string) => join(volume, "server.conf")
const logOf = ({ datastore, volume }: DatabaseSpec) => logFile(volume, ownLog(datastore))

const statusOf = (data: string) =>
  Effect.map(
    findProcessOn(data),
    (pid): RuntimeStatus => (pid !== null ? "running" : fs.existsSync(data) ? "stopped" : "absent")
  )

/** All that is made anew at each start, and the programs of the server's user. */
const takeApart = Effect.fnUntraced(function* (spec: DatabaseSpec) {
  yield* end(spec.volume, stopOf(spec))
  yield* attempt("cannot remove the configuration", () => fs.rmSync(configOf(spec.volume), { force: true }))
})

/** Nothing limits the server but what limits us, so it has what we have. */
const hardwareOf = Effect.fnUntraced(function* (spec: DatabaseSpec) {
  if ((yield* findProcessOn(dataOf(spec.volume))) === null) return null
  const limit = process.constrainedMemory()
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return { mem_total: Math.floor(memory / 1024), num_cpus: availableParallelism() }
})

const factsOf = Effect.fnUntraced(function* (spec: DatabaseSpec) {
  const pid = yield* findProcessOn(dataOf(spec.volume))
  return pid === null ? null : factsIn(yield* statusText(pid))
})

const stopOf = (spec: DatabaseSpec) => (spec.datastore === "postgresql" ? Postgres.gracefulStop : Mariadb.gracefulStop)

/** The volume stays root's: the server may walk through it to its data, and change nothing beside that. */
const prepareVolume = (spec: DatabaseSpec) =>
  Effect.tryPromise({
    try: async () => {
      const { volume } = spec
      fs.mkdirSync(volume, { recursive: true })
      fs.chmodSync(volume, 0o711)
      // Where earlier releases had it.
      for (const name of ["server.log", "server.log.1"]) fs.rmSync(join(volume, name), { force: true })
      await prepareLogs(spec, { mode: 0o600, owner: identityOf(spec) })
    },
    catch: (error) => new HostProcessError({ message: `cannot use the volume ${spec.volume}: ${error}`, detail: "" })
  })

const identityOf = (spec: DatabaseSpec) => (isRoot ? serverIdentity(spec.address) : null)

/** The server reads it, and nobody else. */
const writeConfig = (spec: DatabaseSpec) => {
  const own = join(dataOf(spec.volume), "postgresql.conf").replaceAll("'", "''")
  // What its makers and its administrator have set there comes first, and last what lies beside it for ALTER SYSTEM.
  const before =
    spec.datastore === "postgresql"
      ? [`include_if_exists = '${own}'`]
      : logLines(spec.datastore, logFolder(spec.volume), false)
  const readers = { mode: 0o400, owner: identityOf(spec) }
  return Effect.tryPromise({
    try: () => replaceFile(configOf(spec.volume), serverFile(spec.datastore, spec, before), readers),
    catch: (error) => new HostProcessError({ message: `cannot write the configuration: ${error}`, detail: "" })
  }).pipe(
    // One that went on in the background would meet the next.
    Effect.uninterruptible
  )
}

/**
 * There is one server of each kind here, the installed one. Versions are called as the catalog likes it; one that is
 * called by no number asks for none.
 */
const requireVersion = Effect.fnUntraced(function* (product: string, ordered: string, installed: string) {
  const parts = installed.split(".")
  const asked = /\d+(\.\d+)*/.exec(ordered)?.[0].split(".").slice(0, parts.length) ?? []
  if (asked.every((part, at) => part === parts[at])) return
  return yield* new RuntimeError({
    message: `${product} ${asked.join(".")} cannot be run here; ${installed} can.`,
    detail: `version ${ordered} was ordered of a machine without containers, which has what is installed`,
    transient: false
  })
})

const unsupported = (spec: DatabaseSpec) =>
  new RuntimeError({
    message: `The datastore ${spec.datastore} needs a runtime with containers.`,
    detail: "the process runtime has postgresql, and mariadb where it is installed",
    transient: false
  })

/** A tenant reads what happened; commands and paths are the operator's. */
const refusal = (error: HostProcessError | RuntimeError, spec: DatabaseSpec | null) => {
  if (error instanceof RuntimeError) return error
  const taken = spec !== null && Postgres.portWasTaken(error)
  const missing = error.message === Mariadb.notInstalled
  return new RuntimeError({
    message: taken
      ? `The address ${spec.address}:${spec.port} is in use by another program.`
      : missing
        ? "MariaDB is not available here. Use another datastore, or ask the operator for it."
        : "The database server could not be started or stopped.",
    detail: [error.message, error.detail].join("\n").trim(),
    transient: !missing
  })
}
