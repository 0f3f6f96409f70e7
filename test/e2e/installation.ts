/**
 * An installation as `docs/deploy.md` makes one: a broker, a PostgreSQL and four processes, each of which can be
 * stopped, killed and started again. Whatever a test does, nothing that was started outlives its `dispose`.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stringify } from "smol-toml"
import { type Role, roles } from "../../src/layers/config/Configuration.ts"
import { unmountBelow } from "../support/mounts.ts"
import { Api, eventually } from "./api.ts"
import { killAllIn, names, removeContainersOf } from "./footprint.ts"
import { coffer, freePort, node, runCoffer } from "./service.ts"

const startWithin = 60_000

// Test files run beside each other, each in a worker with a number. Embedded services have blocks below these.
const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % 16
/** The block of loopback addresses that databases get. */
const addresses = `127.${192 + worker}.0.0/16`
/** Another one, for servers that a command makes. */
export const otherAddresses = `127.${208 + worker}.0.0/16`

/** A table of the configuration file. */
type Table = Readonly<Record<string, unknown>>

export interface Surroundings {
  readonly databaseUrl: string
  readonly brokerUrl: string
  readonly managementUrl: string
  /** What is offered, as a file; the public images, if there is none. */
  readonly catalog?: string
  readonly runtime: "docker" | "process"
  /** More settings of the taskmanager's. */
  readonly taskmanager?: Table
  /** A Keystone that knows the callers, in place of the one token. */
  readonly keystone?: Table
  /** More settings of the api's. */
  readonly api?: Table
  readonly env?: Readonly<Record<string, string>>
}

/** Of a role there may be more than one; those of a number are further taskmanagers, with ports of their own. */
export type Member = Role | "taskmanager-2" | "taskmanager-3"

const roleOf = (member: Member): Role =>
  member === "taskmanager-2" || member === "taskmanager-3" ? "taskmanager" : member

type Ports = Readonly<Record<Member | "rest" | "cluster" | "cluster-2" | "cluster-3", number>>

interface Process {
  readonly child: ChildProcess
  output: string
}

export class Installation extends Api {
  readonly folder = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "coffer-roles-"))
  readonly file = join(this.folder, "coffer.toml")
  readonly #token = randomBytes(24).toString("base64url")
  override readonly headers = { "X-Auth-Token": this.#token }
  readonly #processes = new Map<Member, Process>()
  readonly #ports: Ports
  readonly #env: Readonly<Record<string, string>>
  readonly #runtime: Surroundings["runtime"]

  private constructor(ports: Ports, surroundings: Surroundings) {
    super()
    fs.chmodSync(this.folder, 0o755)
    this.#ports = ports
    this.#env = surroundings.env ?? {}
    this.#runtime = surroundings.runtime
    const { brokerUrl, catalog, databaseUrl, managementUrl, runtime } = surroundings
    const tables: Readonly<Record<string, Table>> = {
      database: { url: databaseUrl },
      broker: { urls: [brokerUrl], management_url: managementUrl },
      secrets: { key: randomBytes(32).toString("base64") },
      api: {
        port: ports.rest,
        rate_limit: 1_000_000,
        ...(surroundings.keystone === undefined
          ? { tokens: [{ token: this.#token, project: "demo", user: "tester", admin: true }] }
          : {}),
        ...surroundings.api
      },
      keystone: surroundings.keystone ?? {},
      taskmanager: { port: ports.cluster, ...surroundings.taskmanager },
      guestagent: { name: "one", zone: "rack-1", data_dir: join(this.folder, "guests"), addresses, runtime },
      catalog: catalog === undefined ? {} : { file: catalog },
      health: Object.fromEntries(roles.map((role) => [`${role}_port`, ports[role]]))
    }
    fs.writeFileSync(this.file, stringify(tables), { mode: 0o600 })
    process.once("exit", this.#clear)
  }

  static async make(surroundings: Surroundings): Promise<Installation> {
    const port = freePort
    const ports: Ports = {
      api: await port(),
      taskmanager: await port(),
      "taskmanager-2": await port(),
      "taskmanager-3": await port(),
      conductor: await port(),
      guestagent: await port(),
      rest: await port(),
      cluster: await port(),
      "cluster-2": await port(),
      "cluster-3": await port()
    }
    return new Installation(ports, surroundings)
  }

  get url() {
    return `http://127.0.0.1:${this.#ports.rest}`
  }

  outputOf(member: Member) {
    return this.#processes.get(member)?.output ?? ""
  }

  /** Where the taskmanagers reach this one, as the database knows it. */
  addressOf(member: "taskmanager" | "taskmanager-2" | "taskmanager-3") {
    const port = { taskmanager: "cluster", "taskmanager-2": "cluster-2", "taskmanager-3": "cluster-3" } as const
    return `127.0.0.1:${this.#ports[port[member]]}`
  }

  /** What a further taskmanager has of its own; all else it shares. */
  #variables(member: Member): Readonly<Record<string, string>> {
    if (member !== "taskmanager-2" && member !== "taskmanager-3") return {}
    const port = { "taskmanager-2": "cluster-2", "taskmanager-3": "cluster-3" } as const
    return {
      COFFER_TASKMANAGER_PORT: String(this.#ports[port[member]]),
      COFFER_HEALTH_TASKMANAGER_PORT: String(this.#ports[member])
    }
  }

  /** Runs a command with this installation's configuration, and tells how it ended. */
  end(...args: ReadonlyArray<string>) {
    return runCoffer([...args, "--config", this.file], this.#env)
  }

  /** The same; fails when it does. */
  async run(...args: ReadonlyArray<string>) {
    const { code, output } = await this.end(...args)
    if (code !== 0) throw new Error(`coffer ${args.join(" ")} ended with ${code}:\n${output}`)
    return output
  }

  /** What an operator does once: the tables, and a login for the machine that databases run on. */
  async prepare() {
    await this.run("db", "migrate")
    const added = await this.run("host", "add", "one")
    const [, table = ""] = added.split("[guestagent]")
    const file = fs.readFileSync(this.file, "utf8")
    const wanted = table.split("\n").filter((line) => /^(urls|key) = /.test(line))
    fs.writeFileSync(this.file, file.replace("[guestagent]", ["[guestagent]", ...wanted].join("\n")))
  }

  /** Starts it, and returns when it is healthy. */
  async start(member: Member) {
    const child = spawn(node, [...coffer, roleOf(member), "--config", this.file], {
      detached: true,
      env: { ...process.env, ...this.#env, ...this.#variables(member) },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const started: Process = { child, output: "" }
    this.#processes.set(member, started)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        started.output += chunk.toString()
      })
    }
    await this.isHealthy(member)
  }

  async startAll() {
    for (const role of roles) await this.start(role)
  }

  /** What `/health` answers; null when nobody does. */
  async health(member: Member): Promise<number | null> {
    return fetch(`http://127.0.0.1:${this.#ports[member]}/health`).then(
      ({ status }) => status,
      () => null
    )
  }

  /** Waits until it says that it can do its work. */
  isHealthy(member: Member) {
    return eventually(
      `${member} is healthy`,
      async () => {
        const found = this.#processes.get(member)
        if (found !== undefined && found.child.exitCode !== null)
          throw new Error(`${member} ended with ${found.child.exitCode}:\n${found.output}`)
        return (await this.health(member)) === 200 ? true : null
      },
      startWithin
    )
  }

  async #end(member: Member, signal: NodeJS.Signals) {
    const found = this.#processes.get(member)
    if (found === undefined || found.child.exitCode !== null || found.child.signalCode !== null) return null
    const ended = new Promise<number | null>((resolve) => found.child.once("exit", resolve))
    found.child.kill(signal)
    return ended
  }

  /** It stands still: its sockets stay open, and nobody answers there. */
  freeze(member: Member) {
    this.#processes.get(member)?.child.kill("SIGSTOP")
  }

  /** It goes on where it stood. Gives what it ends with, once it does. */
  async thawed(member: Member) {
    return this.#end(member, "SIGCONT")
  }

  stop(member: Member) {
    return this.#end(member, "SIGTERM")
  }

  kill(member: Member) {
    return this.#end(member, "SIGKILL")
  }

  readonly #clear = () => {
    for (const { child } of this.#processes.values()) if (child.exitCode === null) child.kill("SIGKILL")
    if (this.#runtime === "docker") removeContainersOf(names(join(this.folder, "guests/instances")))
    for (const deadline = Date.now() + 10_000; killAllIn(this.folder) > 0 && Date.now() < deadline; );
    unmountBelow(this.folder)
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async dispose() {
    for (const member of this.#processes.keys()) await this.kill(member)
    this.#clear()
    process.off("exit", this.#clear)
  }
}
