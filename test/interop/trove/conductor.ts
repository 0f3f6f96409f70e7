/**
 * Trove's own conductor, with a database of its own, as a process that ends with the scope: it hears what guest
 * agents report, decrypts it with the keys that it is given for them, and writes it down.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import { promisify } from "node:util"
import { connect } from "amqplib"
import { Effect, Schedule, Schema } from "effect"
import { debianPython } from "../../support/packages.ts"
import { ensureTrove, troveConductor } from "./requirements.ts"
import { settings } from "./settings.ts"

const run = promisify(execFile)

/** Why there can be no conductor here, null if there can. */
export const missingConductor = await ensureTrove(troveConductor)

export const conductorTopic = "trove-conductor"

/** Trove's default for `inst_rpc_key_encr_key`, under which its database keeps the guests' keys. */
const keyOfKeys = "emYjgHFqfXNB1NGehAFIUeoyw4V4XwWHEaKP"

/** Measured: the tables are there after two seconds, the conductor listens after two more. */
const readyWithin = "60 seconds"
const busyMs = 10_000

export class ConductorFailed extends Schema.TaggedError<ConductorFailed>()("ConductorFailed", {
  message: Schema.String
}) {}

export interface ConductorOptions {
  /** `rabbit://user:password@host:port/`. */
  readonly transportUrl: string
  /** The control exchange; `trove` unless said otherwise. */
  readonly exchange?: string
  /** Of the section `oslo_messaging_rabbit`, such as `{ amqp_durable_queues: "true" }`. */
  readonly options?: Readonly<Record<string, string>>
}

const ServiceStatus = Schema.Struct({
  status_id: Schema.Number,
  status_description: Schema.String,
  updated_at: Schema.NullOr(Schema.String)
})
const LastSeen = Schema.Struct({ method_name: Schema.String, sent: Schema.Number })
const Fault = Schema.Struct({ message: Schema.String, details: Schema.String })

export interface Conductor {
  /** `trove.conf`: guest_api.py asks guests with it. */
  readonly configuration: string
  /** What it logs, in full. */
  readonly log: Effect.Effect<string>
  /** An instance that is being built, as trove-api makes it. Its guest speaks in the clear if the key is null. */
  readonly addInstance: (id: string, key: string | null) => Effect.Effect<void, ConductorFailed>
  /** The status that the instance has by what its guest said; null if it does not know the instance. */
  readonly status: (id: string) => Effect.Effect<typeof ServiceStatus.Type | null>
  /** When the newest message of each kind was sent, in seconds of the epoch. */
  readonly lastSeen: (id: string) => Effect.Effect<ReadonlyArray<typeof LastSeen.Type>>
  /** What the guest said that went wrong, the last of it. */
  readonly fault: (id: string) => Effect.Effect<typeof Fault.Type | null>
}

/** It is listening when this succeeds. */
export const conductor = ({ transportUrl, exchange = "trove", options = {} }: ConductorOptions) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const file = (name: string) => join(folder, name)
    const configuration = file("trove.conf")
    const log = file("conductor.log")
    const text = settings({
      DEFAULT: {
        transport_url: transportUrl,
        control_exchange: exchange,
        inst_rpc_key_encr_key: keyOfKeys,
        trove_conductor_workers: "1",
        debug: "True"
      },
      database: { connection: `sqlite:///${file("trove.sqlite")}` },
      oslo_messaging_rabbit: options
    })
    writeFileSync(configuration, text, { mode: 0o600 })
    yield* attempt(() =>
      run(debianPython, [join(import.meta.dirname, "sync_database.py"), "--config-file", configuration, "db_sync"])
    )
    const database = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(file("trove.sqlite"), { timeout: busyMs })),
      (database) => Effect.sync(() => database.close())
    )
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawnInto(log, "trove-conductor", ["--config-file", configuration])),
      kill
    )
    const said = Effect.sync(() => readFileSync(log, "utf8"))
    yield* listening(transportUrl, child).pipe(
      Effect.catch(({ message }) =>
        Effect.flatMap(said, (log) => new ConductorFailed({ message: `${message}: ${log.slice(-4096)}` }))
      )
    )

    const one = (sql: string, ...values: ReadonlyArray<SQLInputValue>) =>
      Effect.sync(() => database.prepare(sql).get(...values) ?? null)
    const write = (sql: string, ...values: ReadonlyArray<SQLInputValue>) =>
      Effect.sync(() => database.prepare(sql).run(...values))
    return {
      configuration,
      log: said,
      addInstance: Effect.fnUntraced(function* (id, key) {
        const sealed = key === null ? null : yield* sealKey(key)
        yield* write(
          `INSERT INTO instances (id, name, created, updated, task_id, task_description, tenant_id, deleted, encrypted_key)
           VALUES (?, ?, datetime(), datetime(), 5, 'The instance is building.', 'project-1', 0, ?)`,
          ...[id, id, sealed]
        )
        yield* write(
          `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
           VALUES (?, ?, 23, 'new', datetime())`,
          ...[randomUUID(), id]
        )
      }),
      status: (id) =>
        Effect.map(
          one("SELECT status_id, status_description, updated_at FROM service_statuses WHERE instance_id = ?", id),
          decodeStatus
        ),
      lastSeen: (id) =>
        Effect.sync(() =>
          decodeLastSeen(
            database.prepare("SELECT method_name, sent FROM conductor_lastseen WHERE instance_id = ?").all(id)
          )
        ),
      fault: (id) =>
        Effect.map(one("SELECT message, details FROM instance_faults WHERE instance_id = ?", id), decodeFault)
    } satisfies Conductor
  })

const decodeStatus = Schema.decodeUnknownSync(Schema.NullOr(ServiceStatus))
const decodeFault = Schema.decodeUnknownSync(Schema.NullOr(Fault))
const decodeLastSeen = Schema.decodeUnknownSync(Schema.Array(LastSeen))

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-trove-conductor-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const attempt = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (error) => new ConductorFailed({ message: String(error) }) })

/** By Trove's own routine, so that ours is not checked against itself. */
const sealKey = (key: string) => {
  const program = `
import sys
from trove.common import crypto_utils
key, key_of_keys = sys.stdin.read().split()
print(crypto_utils.encode_data(crypto_utils.encrypt_data(key, key_of_keys)))`
  return attempt(async () => {
    const sealing = run(debianPython, ["-c", program])
    sealing.child.stdin?.end(`${key} ${keyOfKeys}`)
    return (await sealing).stdout.trim()
  })
}

const spawnInto = (log: string, command: string, args: ReadonlyArray<string>) => {
  const output = openSync(log, "a")
  // It ends with us, also when we are killed.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", command, ...args], { stdio: ["ignore", output, output] })
  closeSync(output)
  return child
}

const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

/** How many listen to a queue; none while there is no such queue. */
const consumersOf = (transportUrl: string, queue: string) =>
  Effect.promise(async () => {
    const connection = await connect(transportUrl.replace(/^rabbit:/, "amqp:"))
    connection.on("error", () => {})
    const channel = await connection.createChannel()
    // A queue that is not there ends the channel.
    channel.on("error", () => {})
    const consumers = await channel.checkQueue(queue).then(
      ({ consumerCount }) => consumerCount,
      () => 0
    )
    await connection.close()
    return consumers
  })

const listening = (transportUrl: string, child: ChildProcess) =>
  Effect.gen(function* () {
    if (child.exitCode !== null) return yield* new ConductorFailed({ message: `it ended with ${child.exitCode}` })
    return (yield* consumersOf(transportUrl, conductorTopic)) > 0
  }).pipe(
    Effect.repeat({ until: (isListening) => isListening, schedule: Schedule.spaced("200 millis") }),
    Effect.timeoutOrElse({
      duration: readyWithin,
      orElse: () => Effect.fail(new ConductorFailed({ message: `not listening within ${readyWithin}` }))
    })
  )
