/**
 * Asks a server what can be set of it, and writes that to src/services/configuration/parameters/:
 *
 *     scripts/with-node node scripts/derive-parameters.ts postgresql [folder with bin/postgres and bin/initdb]
 *     scripts/with-node node scripts/derive-parameters.ts mariadb
 *
 * The server is made for that, in a temporary folder, by the very code that makes tenants' servers. With no folder it
 * is the PostgreSQL that comes with the project; MariaDB is the one that is installed.
 */
import * as fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer, Redacted, Schedule, Schema } from "effect"
import { ask as askMariadb, connectAsAdministrator } from "../src/guest/MariadbConnection.ts"
import { connect } from "../src/guest/PostgresConnection.ts"
import { DataFolder } from "../src/layers/embedded/DataFolder.ts"
import { endProcessOn, runToEnd } from "../src/layers/embedded/HostProcess.ts"
import { PostgresBinaries, prepare } from "../src/layers/embedded/PostgresBinaries.ts"
import * as Postgres from "../src/layers/embedded/PostgresServer.ts"
import * as Mariadb from "../src/layers/runtime/MariadbServer.ts"
import type { Parameter, Value } from "../src/services/configuration/Parameter.ts"
import { withheld } from "../src/services/configuration/Withheld.ts"

const address = "127.0.0.1"
const password = Redacted.make("derive")

const freePort = Effect.promise(
  () =>
    new Promise<number>((resolve) => {
      const probe = createServer().listen(0, address, () => {
        const at = probe.address()
        probe.close(() => resolve(typeof at === "object" && at !== null ? at.port : 0))
      })
    })
)

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = fs.mkdtempSync(join(tmpdir(), "coffer-derive-"))
    fs.chmodSync(folder, 0o711)
    return folder
  }),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/** Of numbers that JavaScript cannot hold exactly nothing is said. */
const limit = (key: "min" | "max", text: string | null) => {
  const number = text === null || text === "" ? Number.NaN : Number(text)
  const isKnown = Number.isFinite(number) && Math.abs(number) <= Number.MAX_SAFE_INTEGER
  return isKnown ? { [key]: number } : {}
}

const valueOf = (type: Parameter["type"], text: string | null): { readonly default?: Value } => {
  if (text === null) return {}
  if (type === "boolean") return { default: /^(on|1|true|yes)$/i.test(text) }
  if (type === "string") return { default: text }
  const number = Number(text)
  return text !== "" && Number.isFinite(number) && Math.abs(number) <= Number.MAX_SAFE_INTEGER
    ? { default: number }
    : {}
}

const PostgresSetting = Schema.Struct({
  name: Schema.String,
  context: Schema.String,
  vartype: Schema.Literals(["bool", "integer", "real", "enum", "string"]),
  min_val: Schema.NullOr(Schema.String),
  max_val: Schema.NullOr(Schema.String),
  enumvals: Schema.NullOr(Schema.Array(Schema.String)),
  boot_val: Schema.NullOr(Schema.String)
})

const postgresTypes = { bool: "boolean", integer: "integer", real: "float", enum: "string", string: "string" } as const

const toPostgresParameter = (row: typeof PostgresSetting.Type): Parameter => ({
  name: row.name,
  type: postgresTypes[row.vartype],
  restart: row.context === "postmaster",
  ...limit("min", row.min_val),
  ...limit("max", row.max_val),
  ...(row.enumvals === null ? {} : { values: row.enumvals }),
  ...valueOf(postgresTypes[row.vartype], row.boot_val)
})

const derivePostgres = Effect.fnUntraced(function* (native: string | undefined) {
  const folder = yield* temporaryFolder
  const binaries = native === undefined ? yield* PostgresBinaries : yield* prepare(native, join(folder, "programs"))
  const { initdb, owner } = binaries
  const data = join(folder, "data")
  const port = yield* freePort
  fs.mkdirSync(data, { mode: 0o700 })
  if (owner !== null) fs.chownSync(data, owner.uid, owner.gid)
  yield* runToEnd(initdb, ["-D", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"], {
    identity: owner
  })
  const log = join(folder, "log")
  const server = {
    data,
    log,
    address,
    port,
    password,
    identity: owner,
    clients: "",
    settings: {},
    config: null,
    extra: {}
  }
  yield* Effect.acquireRelease(Postgres.launch(binaries, server), () =>
    Effect.ignore(endProcessOn(data, Postgres.abruptStop))
  )
  const { ask } = yield* connect({ address, port, adminPassword: password })
  const rows = yield* ask(
    PostgresSetting,
    `SELECT name::text, context::text, vartype::text, min_val::text, max_val::text, enumvals::text[], boot_val::text
     FROM pg_settings WHERE context <> 'internal' AND category NOT LIKE 'Developer%' AND category NOT LIKE 'Preset%'
     ORDER BY name COLLATE "C"`
  ).pipe(Effect.retry({ times: 100, schedule: Schedule.spaced("100 millis") }))
  const version = yield* Postgres.installedVersion(binaries)
  return { file: `postgresql-${version}`, manager: "postgresql" as const, parameters: rows.map(toPostgresParameter) }
})

const MariadbVariable = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  readOnly: Schema.String,
  min: Schema.NullOr(Schema.String),
  max: Schema.NullOr(Schema.String),
  values: Schema.NullOr(Schema.String),
  default: Schema.NullOr(Schema.String)
})

const mariadbType = (type: string): Parameter["type"] => {
  if (type === "BOOLEAN") return "boolean"
  if (/INT/.test(type)) return "integer"
  return type === "DOUBLE" ? "float" : "string"
}

const toMariadbParameter = (row: typeof MariadbVariable.Type): Parameter => {
  const type = mariadbType(row.type)
  return {
    name: row.name,
    type,
    restart: row.readOnly === "YES",
    ...limit("min", row.min),
    ...limit("max", row.max),
    ...(row.values === null || type === "boolean" || row.type === "FLAGSET" ? {} : { values: row.values.split(",") }),
    ...(row.type === "SET" ? { several: true } : {}),
    // What is larger where the machine is would tell of this one.
    ...valueOf(type, row.default)
  }
}

const deriveMariadb = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const data = join(folder, "data")
  const port = yield* freePort
  const { owner } = yield* PostgresBinaries
  const server = { data, log: join(folder, "log"), address, port, password, identity: owner, config: null }
  yield* Mariadb.initialise(server)
  yield* Effect.acquireRelease(Mariadb.launch(server), () => Effect.ignore(endProcessOn(data, Mariadb.gracefulStop)))
  const connection = yield* connectAsAdministrator({ address, port, adminPassword: password })
  // A variable without an argument on the command line is none of the server's, or cannot be set before it runs.
  const rows = yield* askMariadb(
    connection,
    MariadbVariable,
    `SELECT LOWER(VARIABLE_NAME) AS name, VARIABLE_TYPE AS type, READ_ONLY AS readOnly, NUMERIC_MIN_VALUE AS min,
       NUMERIC_MAX_VALUE AS max, ENUM_VALUE_LIST AS \`values\`, DEFAULT_VALUE AS \`default\`
     FROM information_schema.SYSTEM_VARIABLES
     WHERE VARIABLE_SCOPE <> 'SESSION ONLY' AND COMMAND_LINE_ARGUMENT IS NOT NULL ORDER BY 1`
  )
  const version = yield* Mariadb.installedVersion
  return { file: `mariadb-${version}`, manager: "mariadb" as const, parameters: rows.map(toMariadbParameter) }
})

const parametersFolder = new URL("../src/services/configuration/parameters/", import.meta.url)

const main = Effect.gen(function* () {
  const [kind, native] = process.argv.slice(2)
  const derived = kind === "mariadb" ? yield* deriveMariadb : yield* derivePostgres(native)
  const offered = derived.parameters.filter(({ name }) => withheld(derived.manager, name) === null)
  const lines = offered.map((parameter) => `  ${JSON.stringify(parameter)}`)
  fs.writeFileSync(new URL(`${derived.file}.json`, parametersFolder), `[\n${lines.join(",\n")}\n]\n`)
  console.log(`${derived.file}: ${offered.length} of ${derived.parameters.length} parameters are offered`)
})

const home = Layer.unwrap(Effect.map(temporaryFolder, (folder) => DataFolder.layer(join(folder, "home"))))

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(PostgresBinaries.layer.pipe(Layer.provide(home)))))
