/**
 * An installation as docs/deploy.md makes one, with several of each role, and the ground it stands on: a broker, a
 * PostgreSQL on a small disk of its own, namespaces, a container engine. Whatever the machine cannot do is left out, and
 * said.
 */
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Layer, Logger, ManagedRuntime, Redacted, Schema } from "effect"
import { parse } from "smol-toml"
import type { Role } from "../../src/layers/config/Configuration.ts"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"
import { killAllIn } from "../e2e/footprint.ts"
import { withPostgres } from "../e2e/logins.ts"
import { freePort, runCoffer } from "../e2e/service.ts"
import { testImages } from "../images/build.ts"
import { TestBroker } from "../support/rabbitmq.ts"
import { drawTokens, writeConfiguration } from "./configuration.ts"
import * as Gate from "./Gate.ts"
import { Member } from "./Member.ts"
import { type Namespace, Network } from "./Network.ts"
import { OwnEngine } from "./OwnEngine.ts"
import { SmallDisk } from "./SmallDisk.ts"

/** How much of everything: the whole of it, or as little as shows what `npm test` is to see. */
export const sizes = {
  whole: { api: 2, taskmanager: 3, conductor: 2, hasNetwork: true, hasSmallHost: true, hasEngine: true },
  short: { api: 1, taskmanager: 2, conductor: 1, hasNetwork: false, hasSmallHost: false, hasEngine: false }
} as const
export type Size = keyof typeof sizes

const controlDisk = 400
const guestDisk = 1500
const startWithin = 90_000
const endWithin = 10_000

const HostFile = Schema.decodeUnknownSync(
  Schema.Struct({ guestagent: Schema.Struct({ urls: Schema.Array(Schema.String), key: Schema.String }) })
)

/** A machine that databases run on. */
export interface Host {
  readonly member: Member
  readonly name: string
  readonly runtime: "process" | "docker"
  readonly data: string
}

interface Missing {
  readonly missing: string
}

const isMissing = (found: object): found is Missing => "missing" in found

export class Fleet {
  readonly folder = mkdtempSync(join(realpathSync(tmpdir()), "coffer-chaos-"))
  readonly file = join(this.folder, "coffer.toml")
  readonly members: Array<Member> = []
  readonly hosts: Array<Host> = []
  readonly apis: Array<string> = []
  readonly tokens = drawTokens()
  readonly #ground = ManagedRuntime.make(
    Layer.mergeAll(
      TestBroker.layer(),
      ControlPostgres.layer.pipe(
        Layer.provide(PostgresBinaries.layer),
        Layer.provide(DataFolder.layer(join(this.folder, "control/data"))),
        // Who kills it knows that it ended.
        Layer.provide(Logger.layer([]))
      )
    )
  )
  readonly #namespaces = new Map<string, Namespace>()
  readonly #taskmanagers = new Map<string, Member>()
  controlDisk: SmallDisk | Missing = { missing: "not started" }
  guestDisk: SmallDisk | Missing = { missing: "not started" }
  network: Network | Missing = { missing: "not asked for" }
  engine: OwnEngine | Missing = { missing: "not asked for" }
  databaseUrl = ""
  #disposed: Promise<void> | null = null
  #brokerUrl = ""
  #managementUrl = ""

  get controlData() {
    return join(this.folder, "control/data")
  }

  sql(statement: string) {
    return withPostgres(this.databaseUrl, (query) => query(statement))
  }

  broker<A>(use: (broker: TestBroker["Service"]) => Promise<A>) {
    return this.#ground.runPromise(TestBroker).then(use)
  }

  killBroker = () => this.broker((broker) => this.#ground.runPromise(broker.kill))
  stopBroker = () => this.broker((broker) => this.#ground.runPromise(broker.stop))
  startBroker = () => this.broker((broker) => this.#ground.runPromise(broker.start))
  askBroker = (path: string) => this.broker((broker) => this.#ground.runPromise(broker.management(path)))

  of(role: Role) {
    return this.members.filter((member) => member.role === role)
  }

  /** Whose session in PostgreSQL is called so. */
  taskmanagerOf(session: string): Member | null {
    for (const [address, member] of this.#taskmanagers) if (session.endsWith(` ${address}`)) return member
    return null
  }

  /** Where the member lives that has a link to cut, for each role that has one. */
  linkOf(role: Role): Namespace | null {
    return this.#namespaces.get(role) ?? null
  }

  async start(size: Size, tell: (line: string) => void) {
    const { hasEngine, hasNetwork, hasSmallHost, ...counts } = sizes[size]
    process.once("exit", this.#clear)
    chmodSync(this.folder, 0o755)
    mkdirSync(join(this.folder, "logs"))
    this.controlDisk = SmallDisk.make(join(this.folder, "control"), controlDisk)
    if (hasSmallHost) this.guestDisk = SmallDisk.make(join(this.folder, "two"), guestDisk)
    const broker = await this.#ground.runPromise(TestBroker)
    this.databaseUrl = Redacted.value((await this.#ground.runPromise(ControlPostgres)).url)
    this.#brokerUrl = broker.url
    this.#managementUrl = broker.managementUrl ?? ""
    if (hasNetwork) await this.#makeNetwork()
    tell("the ground is laid")
    this.#configure()
    await this.run("db", "migrate")
    await Gate.install(this.databaseUrl)
    for (const project of this.tokens.keys()) {
      await this.sql(
        `INSERT INTO quota_limits VALUES ('${project}', 'instances', 100), ('${project}', 'volumes', 100), ('${project}', 'ram', 102400)`
      )
    }
    for (const role of ["api", "taskmanager", "conductor"] as const) {
      for (let n = 1; n <= counts[role]; n++) await this.#add(role, n, n === counts[role] && hasNetwork)
    }
    await this.#addHost("one", "127.195.0.0/16", null, "process", {})
    if (hasSmallHost) await this.#addHost("two", "127.196.0.0/16", this.linkOf("guestagent"), "process", {})
    if (hasEngine) await this.#addEngineHost()
    for (const member of this.members) member.start()
    for (const member of this.members) await member.healthy(startWithin)
    tell(`${this.members.length} processes are healthy: ${this.members.map(({ name }) => name).join(", ")}`)
  }

  async #makeNetwork() {
    const network = await Network.make()
    this.network = network
    if (isMissing(network)) return
    for (const url of [this.databaseUrl, this.#brokerUrl, this.#managementUrl]) {
      await network.forward(Number(new URL(url).port))
    }
    for (const role of ["api", "taskmanager", "conductor", "guestagent"]) {
      this.#namespaces.set(role, await network.namespace())
    }
  }

  /** The same service as it is reached from a namespace. */
  #fromAfar(url: string) {
    return isMissing(this.network) ? url : url.replace("127.0.0.1", this.network.address)
  }

  #configure() {
    const { host } = new URL(this.#fromAfar(this.#brokerUrl))
    writeConfiguration({
      folder: this.folder,
      file: this.file,
      databaseUrl: this.databaseUrl,
      brokerUrl: this.#brokerUrl,
      managementUrl: this.#managementUrl,
      guestUrl: isMissing(this.network) ? null : `amqp://${host}`,
      tokens: this.tokens
    })
  }

  /** What anybody in a namespace needs to reach the ground. */
  #ways(namespace: Namespace | null): Readonly<Record<string, string>> {
    if (namespace === null) return {}
    return {
      COFFER_DATABASE_URL: this.#fromAfar(this.databaseUrl),
      COFFER_BROKER_URLS: this.#fromAfar(this.#brokerUrl),
      COFFER_BROKER_MANAGEMENT_URL: this.#fromAfar(this.#managementUrl),
      COFFER_HEALTH_HOST: namespace.address
    }
  }

  async #member(name: string, role: Role, namespace: Namespace | null, env: Readonly<Record<string, string>>) {
    const port = await freePort()
    const member = new Member({
      name,
      role,
      namespace,
      file: this.file,
      env: { ...this.#ways(namespace), [`COFFER_HEALTH_${role.toUpperCase()}_PORT`]: String(port), ...env },
      health: `http://${namespace?.address ?? "127.0.0.1"}:${port}`,
      log: join(this.folder, "logs", `${name}.log`)
    })
    this.members.push(member)
    return member
  }

  async #add(role: "api" | "taskmanager" | "conductor", number: number, isApart: boolean) {
    const namespace = isApart ? this.linkOf(role) : null
    const port = await freePort()
    const near = isMissing(this.network) ? "127.0.0.1" : this.network.address
    const address = namespace?.address ?? (role === "taskmanager" ? near : "127.0.0.1")
    const listens = {
      [`COFFER_${role.toUpperCase()}_HOST`]: address,
      [`COFFER_${role.toUpperCase()}_PORT`]: String(port)
    }
    const member = await this.#member(`${role}-${number}`, role, namespace, role === "conductor" ? {} : listens)
    if (role === "api") this.apis.push(`http://${address}:${port}`)
    if (role === "taskmanager") this.#taskmanagers.set(`${address}:${port}`, member)
  }

  async #addHost(
    name: string,
    addresses: string,
    namespace: Namespace | null,
    runtime: Host["runtime"],
    env: Readonly<Record<string, string>>
  ) {
    const { guestagent } = HostFile(parse(await this.run("host", "add", name)))
    const data = join(this.folder, name, "guests")
    const member = await this.#member(`host-${name}`, "guestagent", namespace, {
      COFFER_GUESTAGENT_NAME: name,
      COFFER_GUESTAGENT_DATA_DIR: data,
      COFFER_GUESTAGENT_ADDRESSES: namespace?.databases ?? addresses,
      COFFER_GUESTAGENT_RUNTIME: runtime,
      // What happens to the machine's own disk happens to databases only where they write to it.
      COFFER_GUESTAGENT_VOLUMES: "folder",
      COFFER_GUESTAGENT_URLS: guestagent.urls.join(","),
      COFFER_GUESTAGENT_KEY: guestagent.key,
      ...env
    })
    this.hosts.push({ member, name, runtime, data })
  }

  async #addEngineHost() {
    const network = this.network
    if (isMissing(network)) {
      this.engine = network
      return
    }
    const namespace = await network.namespace()
    const engine = await OwnEngine.make(join(this.folder, "engine"), namespace, testImages.postgresql)
    this.engine = engine
    if (!isMissing(engine)) await this.#addHost("three", "", namespace, "docker", { DOCKER_HOST: engine.host })
  }

  /** Runs a command with this configuration to its end; fails when it does. */
  async run(...args: ReadonlyArray<string>) {
    const { answer, code, output } = await this.end(...args)
    if (code !== 0) throw new Error(`coffer ${args.join(" ")} ended with ${code}: ${output}`)
    return answer
  }

  end(...args: ReadonlyArray<string>) {
    return runCoffer([...args, "--config", this.file])
  }

  /** For whoever wants to know afterwards: a line in the log of each process. */
  mark(line: string) {
    for (const { plan } of this.members) appendFileSync(plan.log, `---- ${new Date().toISOString()} ${line}\n`)
  }

  logs() {
    return this.members.map(({ name, plan }) => `${name}:\n${readFileSync(plan.log, "utf8")}`).join("\n")
  }

  /** Whatever runs of it is ended, and nothing is left of it; asked twice it is done once. */
  dispose() {
    this.#disposed ??= this.#dispose()
    return this.#disposed
  }

  async #dispose() {
    for (const member of this.members) await member.end()
    if (!isMissing(this.engine)) await this.engine.dispose()
    await this.#ground.dispose()
    this.#clear()
    process.off("exit", this.#clear)
  }

  readonly #clear = () => {
    for (const deadline = Date.now() + endWithin; killAllIn(this.folder) > 0 && Date.now() < deadline; );
    if (!isMissing(this.network)) this.network.dispose()
    for (const disk of [this.controlDisk, this.guestDisk]) if (!isMissing(disk)) disk.dispose()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
