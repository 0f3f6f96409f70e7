/**
 * The service as its users run it: the real entry point as a process of its own, on a data folder and a port of
 * its own. Starts, stops and kills it, speaks to it over HTTP, and tells what exists because of it (footprint.ts). Whatever a test does, nothing that a service started outlives its `dispose`.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { addressBlock } from "../../src/layers/embedded/LoopbackBlock.ts"
import { tableOf } from "../../src/layers/embedded/NftFirewall.ts"
import { mountsBelow, unmountBelow } from "../support/mounts.ts"
import { Api, eventually } from "./api.ts"
import {
  containersOn,
  isBelow,
  isFork,
  killAllIn,
  linkOf,
  listenersIn,
  names,
  processesIn,
  removeContainersOf,
  servesClient
} from "./footprint.ts"

const clone = join(import.meta.dirname, "../..")
export const node = join(clone, "node_modules/.bin/node")
/** What the script `coffer` runs, after its set-up. */
export const coffer = ["--disable-warning=ExperimentalWarning", join(clone, "src/main.ts")]

const serveWithin = 60_000

/** What exists because of a service, as lines to be compared. */
export interface Existing {
  readonly processes: ReadonlyArray<string>
  readonly containers: ReadonlyArray<string>
  readonly folders: ReadonlyArray<string>
  readonly listeners: ReadonlyArray<string>
  /** Where volumes are mounted. */
  readonly mounts: ReadonlyArray<string>
}

export interface Options {
  readonly runtime: "process" | "docker"
  readonly env?: Readonly<Record<string, string>>
}

/** How a command of coffer ended. */
export interface Ended {
  readonly code: number
  /** What it answered: of `output` the part that is not logged. */
  readonly answer: string
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
      resolve({ code: child.exitCode ?? -1, answer: stdout, output: stdout + stderr })
    )
  })

export class Service extends Api {
  readonly folder = newFolder()
  readonly data = join(this.folder, "data")
  readonly runtime: Options["runtime"]
  readonly port: number
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | null = null
  #output = ""

  constructor(port: number, { env = {}, runtime }: Options) {
    super()
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

  volumeOf(id: string) {
    return join(this.root, "instances", id, "volume")
  }

  /** The table of nftables in which it guards its databases. */
  get guards() {
    return tableOf(join(this.root, "instances"))
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
      listeners: listenersIn(addressBlock(root)),
      mounts: mountsBelow(root)
    }
  }

  /** Ends what is left of it and removes its data. */
  readonly #clear = () => {
    if (this.#child?.pid !== undefined && this.isRunning) this.#child.kill("SIGKILL")
    const { root } = this
    // Where there is no nftables, there is no table.
    spawnSync("nft", ["delete", "table", "ip", this.guards], { stdio: "ignore" })
    if (this.runtime === "docker") removeContainersOf(names(join(root, "instances")))
    // Servers start helpers until they are dead themselves.
    for (const deadline = Date.now() + 10_000; killAllIn(root) > 0 && Date.now() < deadline; );
    unmountBelow(root)
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
