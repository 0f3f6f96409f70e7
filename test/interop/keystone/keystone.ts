/**
 * Debian's Keystone, over a database and keys in a temporary folder: it can be stopped and started again, and others
 * can be run beside it on the same database, whose tokens end sooner or have other keys.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { promisify } from "node:util"
import { Schema } from "effect"
import { eventually } from "../../e2e/api.ts"
import { freePort } from "../../e2e/service.ts"
import { ensurePackages, keystone } from "../../support/packages.ts"
import { settings } from "../trove/settings.ts"

const run = promisify(execFile)

/** Why there can be none here, null if there can. */
export const missingKeystone = await ensurePackages(keystone)

/** Measured: its application is there after two seconds, on a quiet machine. */
const readyWithin = 60_000

/** Two Fernet keys, the one for new tokens and the one that is next, as `keystone-manage fernet_setup` makes them. */
const makeKeys = (folder: string) => {
  mkdirSync(folder, { mode: 0o700 })
  for (const name of ["0", "1"])
    writeFileSync(join(folder, name), `${randomBytes(32).toString("base64url")}=`, { mode: 0o600 })
  return folder
}

interface Variant {
  /** Of its tokens, in seconds. */
  readonly lifetime?: number
  readonly foreignKeys?: boolean
}

export interface Scope {
  readonly user: string
  /** A token of no project, if it is left out. */
  readonly project?: string
}

const Made = Schema.Record(Schema.String, Schema.Struct({ id: Schema.String }))
const decodeMade = Schema.decodeUnknownSync(Schema.fromJsonString(Made))
const Roles = Schema.Struct({ roles: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String })) })
const decodeRoles = Schema.decodeUnknownSync(Schema.fromJsonString(Roles))

export const passwordOf = (user: string) => `secret-of-${user}`

/** One process that serves it. */
export class KeystoneServer {
  #child: ChildProcess | null = null
  readonly url: string
  readonly #configuration: string
  readonly #logFile: string

  constructor(configuration: string, port: number) {
    this.#configuration = configuration
    this.url = `http://127.0.0.1:${port}/v3`
    this.#logFile = join(configuration, "log")
  }

  /** The end of it, as an error repeats it. */
  get log() {
    return `\n${readFileSync(this.#logFile, "utf8").slice(-4096)}`
  }

  async start() {
    if (this.#child !== null) return
    const output = openSync(this.#logFile, "a")
    const { port } = new URL(this.url)
    // It ends with us, also when we are killed.
    const child = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", "keystone-wsgi-public", "--host", "127.0.0.1", "--port", port],
      { env: { ...process.env, OS_KEYSTONE_CONFIG_DIR: this.#configuration }, stdio: ["ignore", output, output] }
    )
    closeSync(output)
    this.#child = child
    const answers = async () => {
      if (child.exitCode !== null) throw new Error(`Keystone ended:${this.log}`)
      return fetch(this.url).then(
        ({ ok }) => (ok ? true : null),
        () => null
      )
    }
    await eventually("Keystone answers", answers, readyWithin)
  }

  async stop() {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGKILL")
    await ended
  }

  /** A token by password. */
  async token({ project, user }: Scope): Promise<string> {
    const domain = { name: "Default" }
    const identity = { methods: ["password"], password: { user: { name: user, domain, password: passwordOf(user) } } }
    const scope = project === undefined ? {} : { scope: { project: { name: project, domain } } }
    const response = await fetch(`${this.url}/auth/tokens`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ auth: { identity, ...scope } })
    })
    const token = response.headers.get("x-subject-token")
    if (token === null) throw new Error(`Keystone gave no token: ${response.status} ${await response.text()}`)
    return token
  }

  async revoke(token: string) {
    const headers = { "x-auth-token": token, "x-subject-token": token }
    const { status } = await fetch(`${this.url}/auth/tokens`, { method: "DELETE", headers })
    if (status !== 204) throw new Error(`Keystone did not revoke: ${status}`)
  }
}

export class Keystone {
  readonly folder = mkdtempSync(join(tmpdir(), "coffer-keystone-"))
  readonly #keys = makeKeys(join(this.folder, "keys"))
  readonly #database = join(this.folder, "keystone.sqlite")
  readonly #servers: Array<KeystoneServer> = []
  #admin = ""

  /** Not started yet; all of them have the same users. */
  async server(variant: Variant = {}) {
    const folder = join(this.folder, `server-${this.#servers.length}`)
    mkdirSync(folder)
    writeFileSync(
      join(folder, "keystone.conf"),
      settings({
        DEFAULT: { use_stderr: "true" },
        database: { connection: `sqlite:///${this.#database}` },
        token: { provider: "fernet", expiration: `${variant.lifetime ?? 3600}` },
        fernet_tokens: { key_repository: variant.foreignKeys ? makeKeys(join(folder, "keys")) : this.#keys },
        cache: { enabled: "false" }
      }),
      { mode: 0o600 }
    )
    const server = new KeystoneServer(folder, await freePort())
    this.#servers.push(server)
    return server
  }

  async #manage(...args: ReadonlyArray<string>) {
    const folder = join(this.folder, "server-0")
    await run("keystone-manage", ["--config-dir", folder, ...args])
  }

  /** The tables, and the administrator with roles as every installation has them. */
  async prepare(url: string) {
    await this.#manage("db_sync")
    // Else a session of Keystone's that reads keeps another one of it from writing.
    const database = new DatabaseSync(this.#database)
    database.exec("PRAGMA journal_mode = WAL")
    database.close()
    await this.#manage(
      "bootstrap",
      "--bootstrap-password",
      passwordOf("admin"),
      "--bootstrap-public-url",
      url,
      "--bootstrap-region-id",
      "RegionOne"
    )
  }

  /** As the administrator; what was made. */
  async #ask(server: KeystoneServer, method: string, path: string, body?: object) {
    if (this.#admin === "") this.#admin = await server.token({ user: "admin", project: "admin" })
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { "x-auth-token": this.#admin, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok)
      throw new Error(`Keystone answered ${method} ${path} with ${response.status}: ${text}${server.log}`)
    return text
  }

  async #make(server: KeystoneServer, kind: string, fields: object) {
    const made = decodeMade(await this.#ask(server, "POST", `/${kind}s`, { [kind]: fields }))[kind]
    if (made === undefined) throw new Error(`Keystone made no ${kind}`)
    return made.id
  }

  /** Its id. */
  project(server: KeystoneServer, name: string) {
    return this.#make(server, "project", { name, domain_id: "default" })
  }

  /** A user of that role in that project; the role is made if it is not there. */
  async user(server: KeystoneServer, name: string, role: string, project: string) {
    const user = await this.#make(server, "user", { name, domain_id: "default", password: passwordOf(name) })
    const { roles } = decodeRoles(await this.#ask(server, "GET", "/roles"))
    const id = roles.find((one) => one.name === role)?.id ?? (await this.#make(server, "role", { name: role }))
    await this.#ask(server, "PUT", `/projects/${project}/users/${user}/roles/${id}`)
    return user
  }

  /** What clients find us by. */
  async register(server: KeystoneServer, url: string, { name, type } = { name: "trove", type: "database" }) {
    const service = await this.#make(server, "service", { name, type })
    const endpoint = { service_id: service, interface: "public", region_id: "RegionOne", url }
    await this.#make(server, "endpoint", endpoint)
  }

  async dispose() {
    for (const server of this.#servers) await server.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
