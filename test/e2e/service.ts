/**
 * The service as its users run it: the real entry point as a process of its own, on a data folder and a port of
 * its own. Starts, stops and kills it, speaks to it over HTTP, and tells what exists because of it (footprint.ts). Whatever a test does, nothing that a service started outlives its `dispose`.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Schema } from "effect"
import { expect } from "vitest"
import { addressBlock } from "../../src/layers/postgres/PgAddresses.ts"
import {
  containersOn,
  isBelow,
  isFork,
  killAllIn,
  linkOf,
  listenersIn,
  names,
  processesIn,
  servesClient
} from "./footprint.ts"

const clone = join(import.meta.dirname, "../..")
const node = join(clone, "node_modules/.bin/node")
/** What the script `coffer` runs, after its set-up. */
const coffer = ["--disable-warning=ExperimentalWarning", join(clone, "src/main.ts")]

const pollInterval = 10
const serveWithin = 60_000
/** Long enough for a database of a busy machine; nothing that passes waits for it. */
const patience = 60_000

/** Waits until `look` finds something, and gives it. */
export const eventually = async <A>(
  what: string,
  look: () => Promise<A | null> | A | null,
  within = patience
): Promise<A> => {
  for (const deadline = Date.now() + within; ; ) {
    const found = await look()
    if (found !== null) return found
    if (Date.now() > deadline) throw new Error(`${what}: not within ${within} ms`)
    await new Promise((resolve) => setTimeout(resolve, pollInterval))
  }
}

const Instance = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  status: Schema.String,
  operating_status: Schema.String,
  ip: Schema.optionalKey(Schema.Array(Schema.String)),
  fault: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
})
export type Instance = typeof Instance.Type

const Shown = Schema.decodeUnknownSync(Schema.Struct({ instance: Instance }))
const Listed = Schema.decodeUnknownSync(Schema.Struct({ instances: Schema.Array(Instance) }))

const Entry = Schema.Struct({
  kind: Schema.String,
  step: Schema.optionalKey(Schema.String),
  outcome: Schema.optionalKey(Schema.String),
  text: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String)
})
const History = Schema.decodeUnknownSync(Schema.Struct({ history: Schema.Struct({ entries: Schema.Array(Entry) }) }))

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** What exists because of a service, as lines to be compared. */
export interface Existing {
  readonly processes: ReadonlyArray<string>
  readonly containers: ReadonlyArray<string>
  readonly folders: ReadonlyArray<string>
  readonly listeners: ReadonlyArray<string>
}

export interface Options {
  readonly runtime: "process" | "docker"
  readonly env?: Readonly<Record<string, string>>
}

/** How a command of coffer ended. */
export interface Ended {
  readonly code: number
  readonly output: string
}

/** Data folders whose blocks of addresses nobody else uses just now, so that what listens there is ours. */
const newFolder = () => {
  for (;;) {
    const folder = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "coffer-e2e-"))
    // Servers run as users of their own, who must be able to walk through.
    fs.chmodSync(folder, 0o755)
    const block = addressBlock(join(folder, "data"))
    // Test files run beside each other, each in a worker with a number.
    const isOurTurn = block % 8 === Number(process.env["VITEST_POOL_ID"] ?? 0) % 8
    if (isOurTurn && listenersIn(block).length === 0) return folder
    fs.rmdirSync(folder)
  }
}

export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const bound = probe.address()
      probe.close(() => resolve(typeof bound === "object" && bound !== null ? bound.port : 0))
    })
  })

/** Runs a command of coffer to its end. */
export const runCoffer = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: serveWithin }
    const child = execFile(node, [...coffer, ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    )
  })

export class Service {
  readonly folder = newFolder()
  readonly data = join(this.folder, "data")
  readonly runtime: Options["runtime"]
  readonly port: number
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | null = null
  #output = ""

  constructor(port: number, { env = {}, runtime }: Options) {
    this.port = port
    this.runtime = runtime
    // Tests look as often as they like.
    this.#env = { COFFER_RATE_LIMIT: "1000000", ...env }
    process.once("exit", this.#clear)
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  /** Where the data really lies. */
  get root() {
    return fs.existsSync(this.data) ? fs.realpathSync(this.data) : this.data
  }

  /** What it printed since its last start. */
  get output() {
    return this.#output
  }

  get isRunning() {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Starts it, and returns when it says that it serves. */
  async start() {
    const args = ["up", "--data-dir", this.data, "--port", String(this.port), "--runtime", this.runtime]
    this.#output = ""
    // A group of its own: it is not to be interrupted with the tests, but ended by us.
    const child = spawn(node, [...coffer, ...args], {
      detached: true,
      env: { ...process.env, ...this.#env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output += chunk.toString()
      })
    }
    await eventually(
      "the service serves",
      () => {
        if (!this.isRunning) throw new Error(`the service ended instead of starting:\n${this.#output}`)
        return this.#output.includes("Coffer serves at") ? true : null
      },
      serveWithin
    )
    return this
  }

  async #end(signal: NodeJS.Signals) {
    const child = this.#child
    if (child === null || !this.isRunning) return null
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve))
    child.kill(signal)
    return ended
  }

  /** Stops it as an operator does, and gives its exit code. */
  stop() {
    return this.#end("SIGTERM")
  }

  /** Kills it as `kill -9` does. */
  kill() {
    return this.#end("SIGKILL")
  }

  async request(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url}/v1.0/demo${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, body: text === "" ? null : JSON.parse(text) }
  }

  /** Orders a database, and gives its id. */
  async create(order: { readonly name: string; readonly [key: string]: unknown }) {
    const { body, status } = await this.request("POST", "/instances", {
      instance: { flavorRef: "1", volume: { size: 1 }, datastore: { type: "postgresql" }, ...order }
    })
    expect(status, JSON.stringify(body)).toBe(200)
    return Shown(body).instance.id
  }

  /** Null when there is no such instance (any more). */
  async show(id: string): Promise<Instance | null> {
    const { body, status } = await this.request("GET", `/instances/${id}`)
    return status === 404 ? null : Shown(body).instance
  }

  async list(): Promise<ReadonlyArray<Instance>> {
    return Listed((await this.request("GET", "/instances")).body).instances
  }

  /** The history in words: `build step: outcome`, `→ state`, what the guest said. */
  async story(id: string): Promise<ReadonlyArray<string>> {
    const { body } = await this.request("GET", `/instances/${id}/history`)
    return History(body).history.entries.map((entry) =>
      entry.kind === "step"
        ? `${entry.step}: ${entry.outcome}`
        : entry.kind === "transition"
          ? `→ ${entry.to}`
          : (entry.text ?? "")
    )
  }

  /** Waits until the history says it. */
  tells(id: string, words: string | RegExp) {
    return eventually(`the history of ${id} tells ${words}`, async () => {
      const told = await this.story(id)
      return told.some((line) => (typeof words === "string" ? line.includes(words) : words.test(line))) ? told : null
    })
  }

  /** Waits until a client can log in; fails when the instance has failed. */
  async healthy(id: string) {
    const instance = await eventually(`${id} is ACTIVE and HEALTHY`, async () => {
      const instance = await this.show(id)
      if (instance?.status === "ERROR") throw new Error(`the build failed: ${instance.fault?.message}`)
      return instance?.status === "ACTIVE" && instance.operating_status === "HEALTHY" ? instance : null
    })
    return { ...instance, address: instance.ip?.[0] ?? "" }
  }

  async delete(id: string) {
    const { status } = await this.request("DELETE", `/instances/${id}`)
    expect(status).toBe(202)
  }

  /** Deletes it and waits until it is gone. */
  async remove(id: string) {
    await this.delete(id)
    await eventually(`${id} is gone`, async () => ((await this.show(id)) === null ? true : null))
  }

  volumeOf(id: string) {
    return join(this.root, "instances", id, "volume")
  }

  /** The database servers that run for an instance; their helper processes do not count. */
  serversOf(id: string) {
    const volume = this.volumeOf(id)
    return processesIn(volume).filter(
      (found) => found.args.length > 1 && found.args.some((arg) => arg.includes(volume)) && !isFork(found)
    )
  }

  async existing(): Promise<Existing> {
    const { root } = this
    const control = join(root, "control")
    const processes = processesIn(root)
      // Helpers of the control plane's own server come and go.
      .filter(({ args, pid }) => !isBelow(control, linkOf(`/proc/${pid}/cwd`)) || args.includes(join(control, "data")))
      .filter((found) => found.pid !== this.#child?.pid && !isFork(found) && !servesClient(found))
      .map(({ args, pid }) => `${pid} ${args.join(" ")}`)
    return {
      processes,
      containers: this.runtime === "docker" ? await containersOn(root) : [],
      folders: names(join(root, "instances")).sort(),
      listeners: listenersIn(addressBlock(root))
    }
  }

  /** Ends what is left of it and removes its data. */
  readonly #clear = () => {
    if (this.#child?.pid !== undefined && this.isRunning) this.#child.kill("SIGKILL")
    const { root } = this
    for (const id of names(join(root, "instances"))) {
      if (this.runtime !== "docker") break
      const found = execFileSync("docker", ["ps", "-aq", "--filter", `label=coffer.instance=${id}`], {
        encoding: "utf8"
      })
      const ids = found.split("\n").filter((line) => line !== "")
      if (ids.length > 0) execFileSync("docker", ["rm", "--force", "--volumes", ...ids], { stdio: "ignore" })
    }
    // Servers start helpers until they are dead themselves.
    for (const deadline = Date.now() + 10_000; killAllIn(root) > 0 && Date.now() < deadline; );
    fs.rmSync(root, { recursive: true, force: true, maxRetries: 5 })
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async dispose() {
    await this.kill()
    this.#clear()
    process.off("exit", this.#clear)
  }
}

/** A service of one's own, not started yet. */
export const newService = async (options: Options) => new Service(await freePort(), options)
