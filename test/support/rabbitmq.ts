/**
 * A real RabbitMQ of a test's own, on free ports of 127.0.0.1 and with data of its own, that can be killed and
 * started again on them. Whatever broker the machine has besides is neither used nor touched.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Context, Effect, Layer, Schema } from "effect"
import { ensurePackages, rabbitmq } from "./packages.ts"

/** Why there can be no broker here, null if there can. */
export const missingBroker = await ensurePackages(rabbitmq)

const server = "/usr/lib/rabbitmq/bin/rabbitmq-server"
/** Measured: it answers after three seconds. The rest is for a busy machine. */
const readyWithinMs = 90_000
const stopWithinMs = 60_000

export class BrokerError extends Schema.TaggedError<BrokerError>()("BrokerError", {
  message: Schema.String
}) {}

export interface BrokerOptions {
  /** The HTTP API; true unless said otherwise. */
  readonly management?: boolean
  /** A second port that speaks TLS only. */
  readonly tls?: boolean
}

export interface Broker {
  /** `amqp://user:password@127.0.0.1:port`; the virtual host is `/`. */
  readonly url: string
  /** The same broker as oslo.messaging names it: `rabbit://user:password@127.0.0.1:port/`. */
  readonly transportUrl: string
  /** `http://127.0.0.1:port/api`, with the user and password of `url`; null without management. */
  readonly managementUrl: string | null
  /** `ca` is the PEM text of its certificate, which signed itself, `caFile` the file that holds it. */
  readonly tls: { readonly url: string; readonly ca: string; readonly caFile: string } | null
  /** Ends it as a power cut does. */
  readonly kill: Effect.Effect<void>
  /** Shuts it down in order: clients are told first. */
  readonly stop: Effect.Effect<void, BrokerError>
  /** Starts it again after `kill` or `stop`, on the same data and ports; ready when this succeeds. */
  readonly start: Effect.Effect<void, BrokerError>
  /** GET of the HTTP API, as in `management("/queues/%2F")`. Numbers of messages are half a second late. */
  readonly management: (path: string) => Effect.Effect<unknown, BrokerError>
}

/** A broker that ends, and its data with it, when the scope does. */
export const broker = (options: BrokerOptions = {}) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "coffer-rabbitmq-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
    )
    const plan = yield* attempt(() => prepare(folder, options))
    const processes = yield* Effect.acquireRelease(
      Effect.sync(() => new Processes(plan)),
      (processes) => Effect.promise(() => processes.end())
    )
    yield* attempt(() => processes.start())
    return describe(plan, processes)
  })

/** One broker for a whole test file: `layer(TestBroker.layer(), { excludeTestServices: true })("…", (it) => …)`. */
export class TestBroker extends Context.Service<TestBroker, Broker>()("coffer/test/support/TestBroker") {
  static readonly layer = (options: BrokerOptions = {}) => Layer.effect(TestBroker, broker(options))
}

const attempt = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (error) => new BrokerError({ message: String(error) }) })

interface Plan {
  readonly folder: string
  readonly user: string
  readonly password: string
  readonly ports: { readonly [name in "amqp" | "tls" | "management" | "epmd" | "distribution"]: number }
  readonly options: { readonly management: boolean; readonly tls: boolean }
}

const describe = ({ folder, user, password, ports, options }: Plan, processes: Processes): Broker => {
  const login = `${user}:${password}@127.0.0.1`
  const managementUrl = `http://127.0.0.1:${ports.management}/api`
  const caFile = join(folder, "certificate.pem")
  return {
    url: `amqp://${login}:${ports.amqp}`,
    transportUrl: `rabbit://${login}:${ports.amqp}/`,
    managementUrl: options.management ? managementUrl : null,
    tls: options.tls ? { url: `amqps://${login}:${ports.tls}`, ca: fs.readFileSync(caFile, "utf8"), caFile } : null,
    kill: Effect.promise(() => processes.kill()),
    stop: attempt(() => processes.stop()),
    start: attempt(() => processes.start()),
    management: (path) =>
      attempt(async (): Promise<unknown> => {
        const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
        const response = await fetch(managementUrl + path, { headers: { authorization } })
        if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
        return response.json()
      })
  }
}

const prepare = async (folder: string, options: BrokerOptions): Promise<Plan> => {
  const [amqp = 0, tls = 0, management = 0, epmd = 0, distribution = 0] = await freePorts(5)
  const plan: Plan = {
    folder,
    user: "coffer",
    password: randomBytes(12).toString("hex"),
    ports: { amqp, tls, management, epmd, distribution },
    options: { management: options.management ?? true, tls: options.tls ?? false }
  }
  for (const each of ["data", "log", "home", "plugins"]) fs.mkdirSync(join(folder, each))
  fs.writeFileSync(join(folder, "home/.erlang.cookie"), randomBytes(12).toString("hex"), { mode: 0o400 })
  if (plan.options.tls) await certify(folder)
  const plugins = plan.options.management ? managementPlugins : []
  linkPlugins(join(folder, "plugins"), plugins)
  fs.writeFileSync(join(folder, "enabled_plugins"), `[${plugins.slice(0, 1)}].\n`)
  fs.writeFileSync(join(folder, "rabbitmq.config"), configuration(plan))
  return plan
}

/** Below the ports that a system gives to clients, one of which would else take a port while its broker is down. */
const firstPort = 10_000
const lastPort = 30_000

const freePorts = async (count: number) => {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort))
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const probe = createServer()
    probe.once("error", () => resolve(false))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)))
  })

/** Self-signed, so that it is its own authority. */
const certify = async (folder: string) => {
  const extensions = ["subjectAltName=IP:127.0.0.1,DNS:localhost", "keyUsage=digitalSignature,keyCertSign"]
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
  const named = ["-subj", "/CN=coffer test broker", "-days", "2", "-out", "certificate.pem"]
  const extended = extensions.flatMap((extension) => ["-addext", extension])
  await promisify(execFile)("openssl", ["req", "-x509", ...key, ...named, ...extended], { cwd: folder })
}

const managementPlugins = ["rabbitmq_management", "rabbitmq_management_agent", "rabbitmq_web_dispatch"]

/** It loads the code of all plugins that it finds, enabled or not, which takes a second: it finds these only. */
const linkPlugins = (folder: string, wanted: ReadonlyArray<string>) => {
  const installed = join(fs.realpathSync(server), "../../plugins")
  for (const plugin of fs.readdirSync(installed)) {
    const [name = ""] = plugin.split("-")
    const isPlugin = name.startsWith("rabbitmq_") && name !== "rabbitmq_prelaunch"
    if (!isPlugin || wanted.includes(name)) fs.symlinkSync(join(installed, plugin), join(folder, plugin))
  }
}

/** In Erlang's own form, which is read sooner than the other one. */
const configuration = ({ folder, user, password, ports, options }: Plan) => {
  const address = (port: number) => `[{"127.0.0.1", ${port}}]`
  const file = (name: string) => JSON.stringify(join(folder, name))
  const certificate = `{cacertfile, ${file("certificate.pem")}}, {certfile, ${file("certificate.pem")}}`
  return `[
  {rabbit, [
    {tcp_listeners, ${address(ports.amqp)}},
    {ssl_listeners, ${options.tls ? address(ports.tls) : "[]"}},
    {ssl_options, [${options.tls ? `${certificate}, {keyfile, ${file("key.pem")}}` : ""}]},
    {default_user, <<"${user}">>},
    {default_pass, <<"${password}">>},
    {collect_statistics_interval, 500},
    {disk_free_limit, 1000000}
  ]},
  {rabbitmq_management, [{tcp_config, [{ip, "127.0.0.1"}, {port, ${ports.management}}]}]}
].
`
}

/** Nothing of this process's environment but its PATH: a developer may have settings of his own broker there. */
const environment = ({ folder, ports }: Plan) => ({
  PATH: process.env["PATH"],
  LC_ALL: "C.UTF-8",
  HOME: join(folder, "home"),
  ERL_EPMD_ADDRESS: "127.0.0.1",
  ERL_EPMD_PORT: String(ports.epmd),
  RABBITMQ_NODENAME: `coffer-${ports.amqp}@localhost`,
  RABBITMQ_DIST_PORT: String(ports.distribution),
  RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  RABBITMQ_CONF_ENV_FILE: join(folder, "none"),
  RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, "none"),
  RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq"),
  RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
  RABBITMQ_PLUGINS_DIR: join(folder, "plugins"),
  RABBITMQ_MNESIA_BASE: join(folder, "data"),
  RABBITMQ_LOG_BASE: join(folder, "log"),
  // Its script then becomes the broker, which gets our signals, and does not stay as a parent of it.
  RUNNING_UNDER_SYSTEMD: "true"
})

/** The broker and the port mapper without which no Erlang node starts: a shared one would outlive the tests. */
class Processes {
  readonly #plan: Plan
  #broker: ChildProcess | null = null
  #epmd: ChildProcess | null = null

  constructor(plan: Plan) {
    this.#plan = plan
  }

  async start() {
    const { epmd, amqp } = this.#plan.ports
    if (!isRunning(this.#epmd)) this.#epmd = this.#spawn("epmd", "-port", String(epmd), "-address", "127.0.0.1")
    // A node that does not find one starts one, which nobody would end.
    await this.#until(this.#epmd, () => answers(epmd, namesRequest))
    if (!isRunning(this.#broker)) this.#broker = this.#spawn(server)
    await this.#until(this.#broker, () => answers(amqp, protocolHeader))
  }

  async #until(child: ChildProcess, isReady: () => Promise<boolean>) {
    for (const deadline = Date.now() + readyWithinMs; !(await isReady()); ) {
      if (!isRunning(child)) throw new Error(`the broker ended: ${this.#output()}`)
      if (Date.now() > deadline) throw new Error(`the broker did not get ready: ${this.#output()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  kill = () => endBy(this.#broker, "SIGKILL")

  async stop() {
    const late = setTimeout(() => this.#broker?.kill("SIGKILL"), stopWithinMs)
    const signal = await endBy(this.#broker, "SIGTERM")
    clearTimeout(late)
    if (signal === "SIGKILL") throw new Error(`the broker did not stop: ${this.#output()}`)
  }

  async end() {
    await this.kill()
    await endBy(this.#epmd, "SIGKILL")
  }

  /** Ends with us, also when we are killed. */
  #spawn(command: string, ...args: ReadonlyArray<string>) {
    const log = fs.openSync(join(this.#plan.folder, "output"), "a")
    const child = spawn("setpriv", ["--pdeathsig", "KILL", command, ...args], {
      cwd: this.#plan.folder,
      env: environment(this.#plan),
      stdio: ["ignore", log, log]
    })
    fs.closeSync(log)
    return child
  }

  #output = () => fs.readFileSync(join(this.#plan.folder, "output"), "utf8").slice(-2000)
}

const isRunning = (child: ChildProcess | null): child is ChildProcess =>
  child !== null && child.exitCode === null && child.signalCode === null

/** The signal by which it ended in fact; null if it went by itself or was not there. */
const endBy = async (child: ChildProcess | null, signal: NodeJS.Signals) => {
  if (!isRunning(child)) return null
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  child.kill(signal)
  await ended
  return child.signalCode
}

/** What a client of the port mapper asks first: who is there. */
const namesRequest = Buffer.from([0, 1, 110])
/** AMQP's first bytes, which a broker answers when it has started to the end. */
const protocolHeader = Buffer.from("AMQP\0\0\x09\x01", "latin1")

const answers = (port: number, question: Buffer) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(question))
    socket.once("data", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
    socket.once("close", () => resolve(false))
  })
