/** A Docker daemon of our own, in a network namespace, with socket and data of its own: it can be killed and started again. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"
import { eventually } from "../e2e/api.ts"
import { names } from "../e2e/footprint.ts"
import { buildImages } from "../images/build.ts"
import { ensureDocker } from "../support/docker.ts"
import type { Namespace } from "./Network.ts"
import { errorText } from "./wording.ts"

const run = promisify(execFile)
/** It stops the containers that it finds first, for as long as they may take to stop, which is two minutes. */
const readyWithin = 240_000

const isAlive = (pidFile: string) => {
  try {
    return readFileSync(`/proc/${readFileSync(pidFile, "utf8").trim()}/cmdline`, "utf8") !== ""
  } catch {
    return false
  }
}

export class OwnEngine {
  readonly host: string
  readonly #folder: string
  readonly #enter: ReadonlyArray<string>
  #daemon: ChildProcess | null = null

  private constructor(folder: string, { enter }: Namespace) {
    this.#folder = folder
    this.#enter = enter
    this.host = `unix://${join(folder, "docker.sock")}`
    process.once("exit", this.#clear)
  }

  /** With this image, taken from the machine's usual engine, which is started for it where none answers. */
  static async make(
    folder: string,
    namespace: Namespace,
    image: string
  ): Promise<OwnEngine | { readonly missing: string }> {
    const usual = await ensureDocker()
    if ("missing" in usual) return usual
    mkdirSync(folder, { recursive: true })
    const engine = new OwnEngine(folder, namespace)
    try {
      await buildImages()
      await engine.start()
      const save = spawn("docker", ["save", image], { stdio: ["ignore", "pipe", "ignore"] })
      const load = spawn("docker", ["--host", engine.host, "load"], { stdio: ["pipe", "ignore", "ignore"] })
      const loaded = new Promise<number | null>((resolve) => load.once("exit", resolve))
      await pipeline(save.stdout, load.stdin)
      const code = await loaded
      if (code !== 0) throw new Error(`docker load ended with ${code}`)
      return engine
    } catch (error) {
      await engine.dispose()
      return { missing: errorText(error) }
    } finally {
      await usual.stop()
    }
  }

  async start() {
    const folder = this.#folder
    const log = openSync(join(folder, "log"), "a")
    const [command = "", ...args] = [
      ...this.#enter,
      "dockerd",
      ...["--host", this.host, "--data-root", join(folder, "data"), "--exec-root", join(folder, "exec")],
      ...["--pidfile", join(folder, "pid")]
    ]
    const daemon = spawn(command, args, { detached: true, stdio: ["ignore", log, log] })
    closeSync(log)
    this.#daemon = daemon
    await eventually(
      "our docker daemon answers",
      () => {
        if (daemon.exitCode !== null) throw new Error(readFileSync(join(folder, "log"), "utf8").slice(-300))
        return run("docker", ["--host", this.host, "version"]).then(
          () => true,
          () => null
        )
      },
      readyWithin
    )
  }

  /** As a crash of the machine's engine does, with its containerd; the containers' own minders stay. */
  async kill() {
    const daemon = this.#daemon
    if (daemon === null || daemon.exitCode !== null || daemon.signalCode !== null) return
    const ended = new Promise<void>((resolve) => daemon.once("exit", () => resolve()))
    daemon.kill("SIGKILL")
    await ended
    // Its containerd ends with it; whom nobody has buried yet, the next daemon would take for one that runs.
    const pidFile = join(this.#folder, "exec/containerd/containerd.pid")
    await eventually("containerd has ended", () => (isAlive(pidFile) ? null : true))
    rmSync(pidFile, { force: true })
  }

  /** Ids of all containers. */
  async containers(): Promise<ReadonlyArray<string>> {
    const { stdout } = await run("docker", ["--host", this.host, "ps", "--all", "--quiet"])
    return stdout.split("\n").filter((line) => line !== "")
  }

  async dispose() {
    const left = await this.containers().catch(() => [])
    if (left.length > 0) await run("docker", ["--host", this.host, "rm", "--force", ...left]).catch(() => null)
    const daemon = this.#daemon
    if (daemon !== null && daemon.exitCode === null && daemon.signalCode === null) {
      const ended = new Promise<void>((resolve) => daemon.once("exit", () => resolve()))
      daemon.kill("SIGTERM")
      await ended
    }
    this.#clear()
    process.off("exit", this.#clear)
  }

  /** Whatever bears our folder in its command line: daemon, containerd, minders; and what they have mounted. */
  readonly #clear = () => {
    for (const name of names("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
      try {
        if (readFileSync(`/proc/${name}/cmdline`, "utf8").includes(this.#folder)) process.kill(Number(name), "SIGKILL")
      } catch {
        // it ended by itself
      }
    }
    for (const line of readFileSync("/proc/mounts", "utf8").split("\n").reverse()) {
      const [, at = ""] = line.split(" ")
      if (at.startsWith(`${this.#folder}/`)) {
        try {
          execFileSync("umount", ["--lazy", at], { stdio: "ignore" })
        } catch {
          // it went with its container
        }
      }
    }
  }
}
