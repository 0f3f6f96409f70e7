/**
 * A database server that exists only in memory: databases with tables, users with passwords and grants, and
 * clients who are thrown out when it stops. It speaks as much SQL as the conformance suites do.
 */
import { Effect, Redacted, Schema } from "effect"
import type { DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import type { NewUser, User } from "../../src/services/GuestApi.ts"
import { logsOf } from "../../src/services/InstanceLogs.ts"

/** The server refused, or is not there. */
export class FakeRefusal extends Schema.TaggedError<FakeRefusal>()("FakeRefusal", { message: Schema.String }) {}

type Tables = Map<string, Array<Record<string, number>>>

interface Account {
  password: string
  readonly grants: Set<string>
}

interface FakeLog {
  begins: number
  text: Buffer
}

/** All that lies on a volume. */
interface Data {
  readonly databases: Map<string, Tables>
  readonly users: Map<string, Account>
  readonly root: string | null
  readonly madeBy: string
}

/** The database that is there from the first, and the administrator who may enter it. */
const initialDatabase = "postgres"
const administrator = "postgres"

export interface FakeClient {
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<unknown>, FakeRefusal>
}

export class FakeServer {
  running = true
  databases = new Map<string, Tables>([[initialDatabase, new Map()]])
  #users = new Map<string, Account>()
  #root: string | null = null
  /** Clients of an earlier run are none of this one. */
  run = 0
  readonly address: string
  port: number
  version: string
  /** The version that its data is of, as its makers converted it. */
  madeBy: string
  /** What is there of it beside its data, as a container; and how often that was made. */
  isWhole = true
  made = 1
  /** What lies beside its data. */
  kept: Data | null = null
  readonly volume: string
  /** What it runs with, and what its file holds for the next start. */
  settings: Values = {}
  file: Values = {}
  /** MB that it has of its host, that it runs with, and that its file is of. */
  limitMb: number
  memoryMb: number
  fileMb: number
  readonly #adminPassword: string
  /** What it has logged, by log: from which offset on, and the text. */
  readonly logs = new Map<string, FakeLog>()

  constructor(
    at: Pick<DatabaseSpec, "datastore" | "address" | "port" | "volume" | "adminPassword" | "version" | "memoryMb">
  ) {
    this.limitMb = this.memoryMb = this.fileMb = at.memoryMb
    this.address = at.address
    this.volume = at.volume
    this.port = at.port
    this.version = this.madeBy = at.version
    this.#adminPassword = Redacted.value(at.adminPassword)
    for (const log of logsOf(at.datastore).keys()) this.logs.set(log, { begins: 0, text: Buffer.alloc(0) })
  }

  write(log: string, line: string) {
    const found = this.logs.get(log)
    if (found !== undefined) found.text = Buffer.concat([found.text, Buffer.from(`${line}\n`)])
  }

  start({ port, version }: Pick<DatabaseSpec, "port" | "version">) {
    this.running = true
    if (!this.isWhole) this.made++
    this.isWhole = true
    this.port = port
    this.version = version
  }

  convert() {
    this.madeBy = this.version
  }

  #data(): Data {
    const databases = [...this.databases].map(([name, tables]): [string, Tables] => [
      name,
      new Map([...tables].map(([table, rows]) => [table, rows.map((row) => ({ ...row }))]))
    ])
    const users = [...this.#users].map(([name, { grants, password }]): [string, Account] => [
      name,
      { password, grants: new Set(grants) }
    ])
    return { databases: new Map(databases), users: new Map(users), root: this.#root, madeBy: this.madeBy }
  }

  keep() {
    if (this.running) throw new Error("a server works on the data that is copied")
    this.kept ??= this.#data()
  }

  putBack() {
    if (this.running) throw new Error("a server works on the data that is put back")
    if (this.kept === null) return
    this.databases = this.kept.databases
    this.#users = this.kept.users
    this.#root = this.kept.root
    this.madeBy = this.kept.madeBy
    this.kept = null
  }

  forget() {
    this.kept = null
  }

  stop() {
    this.running = false
    this.run++
  }

  connect(user: string, password: Redacted.Redacted, database: string): Effect.Effect<FakeClient, FakeRefusal> {
    return Effect.suspend(() => {
      if (!this.running) return Effect.fail(new FakeRefusal({ message: "nobody is there" }))
      if (!this.#knows(user, Redacted.value(password))) {
        return Effect.fail(new FakeRefusal({ message: "password authentication failed" }))
      }
      const tables = this.databases.get(database)
      if (tables === undefined || !this.#may(user, database))
        return Effect.fail(new FakeRefusal({ message: "no such database for you" }))
      const run = this.run
      return Effect.succeed({
        query: (sql) =>
          Effect.suspend(() =>
            this.run === run && this.databases.get(database) === tables && this.#may(user, database)
              ? this.#answer(sql, tables)
              : Effect.fail(new FakeRefusal({ message: "the connection is closed" }))
          )
      })
    })
  }

  #may(user: string, database: string): boolean {
    return user === administrator || user === "root" || this.#users.get(user)?.grants.has(database) === true
  }

  #knows(user: string, password: string): boolean {
    if (user === administrator) return password === this.#adminPassword
    if (user === "root") return password === this.#root
    return password === this.#users.get(user)?.password
  }

  #answer(sql: string, tables: Tables): Effect.Effect<ReadonlyArray<unknown>, FakeRefusal> {
    const { general_log, log_statement } = this.settings
    if (general_log === true || log_statement === "all") this.write("general", `LOG:  statement: ${sql}`)
    const create = /^CREATE TABLE (\w+) \(n int\)$/.exec(sql)?.[1]
    if (create !== undefined) {
      tables.set(create, [])
      return Effect.succeed([])
    }
    const name = /^(?:INSERT INTO|SELECT (?:n|\*) FROM|DROP TABLE) (\w+)/.exec(sql)?.[1]
    if (name === undefined) return Effect.succeed(sql === "SELECT 1" ? [{ n: 1 }] : [])
    const rows = tables.get(name)
    if (rows === undefined) return Effect.fail(new FakeRefusal({ message: `no table ${name}` }))
    if (sql.startsWith("DROP")) tables.delete(name)
    const value = /VALUES \((\d+)\)/.exec(sql)?.[1]
    if (value !== undefined) rows.push({ n: Number(value) })
    return Effect.succeed(sql.startsWith("SELECT") ? rows : [])
  }

  createDatabase(name: string) {
    if (!this.databases.has(name)) this.databases.set(name, new Map())
  }

  deleteDatabase(name: string) {
    this.databases.delete(name)
    for (const { grants } of this.#users.values()) grants.delete(name)
  }

  createUser({ databases, name, password }: NewUser) {
    const account = this.#users.get(name) ?? { password: "", grants: new Set<string>() }
    account.password = Redacted.value(password)
    for (const { name } of databases) account.grants.add(name)
    this.#users.set(name, account)
  }

  changePassword(name: string, password: Redacted.Redacted) {
    const account = this.#users.get(name)
    if (account !== undefined) account.password = Redacted.value(password)
  }

  renameUser(name: string, next: string) {
    const account = this.#users.get(name)
    this.#users.delete(name)
    if (account !== undefined) this.#users.set(next, account)
  }

  grant(name: string, database: string) {
    this.#users.get(name)?.grants.add(database)
  }

  revoke(name: string, database: string) {
    this.#users.get(name)?.grants.delete(database)
  }

  deleteUser(name: string) {
    this.#users.delete(name)
  }

  setRoot(password: Redacted.Redacted | null) {
    this.#root = password === null ? null : Redacted.value(password)
  }

  get users(): ReadonlyArray<User> {
    return [...this.#users].map(([name, { grants }]) => ({
      name,
      host: "%",
      databases: [...grants].sort().map((name) => ({ name }))
    }))
  }

  /** Names of all databases and users. */
  get everything(): ReadonlyArray<string> {
    return [...this.databases.keys(), ...this.#users.keys()].sort()
  }
}
