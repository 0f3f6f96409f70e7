/** One process of the installation, with somebody who starts it anew whenever it ends, as systemd would. */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import type { Role } from "../../src/layers/config/Configuration.ts"
import { eventually } from "../e2e/api.ts"
import { coffer, node } from "../e2e/service.ts"
import type { Namespace } from "./Network.ts"

/** What systemd waits before it starts it anew; our units say 5 s. */
const restartAfter = 1000
const askWithin = 3000
const stopWithin = 45_000

export interface Plan {
  readonly name: string
  readonly role: Role
  /** Of the configuration. */
  readonly file: string
  readonly env: Readonly<Record<string, string>>
  /** `http://address:port` of `/health`. */
  readonly health: string
  readonly log: string
  /** Null: it runs where we do. */
  readonly namespace: Namespace | null
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class Member {
  readonly plan: Plan
  #child: ChildProcess | null = null
  #isKept = false
  #later: NodeJS.Timeout | null = null

  constructor(plan: Plan) {
    this.plan = plan
  }

  get name() {
    return this.plan.name
  }

  get role() {
    return this.plan.role
  }

  start() {
    const { env, file, log, namespace, role } = this.plan
    const output = openSync(log, "a")
    this.#isKept = true
    // It ends with us, also when we are killed; and hears nothing of an interrupt that is typed at us.
    const args = ["--pdeathsig", "KILL", ...(namespace?.enter ?? []), node, ...coffer, role, "--config", file]
    const child = spawn("setpriv", args, {
      detached: true,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", output, output]
    })
    closeSync(output)
    this.#child = child
    child.once("exit", () => {
      if (this.#isKept && this.#child === child) this.#later = setTimeout(() => this.start(), restartAfter)
    })
  }

  async isHealthy() {
    return fetch(`${this.plan.health}/health`, { signal: AbortSignal.timeout(askWithin) }).then(
      ({ ok }) => ok,
      () => false
    )
  }

  /** Gives how it ended; it is started anew. */
  async #signal(signal: NodeJS.Signals): Promise<Ended> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return { code: null, signal: null }
    const ended = new Promise<Ended>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })))
    child.kill(signal)
    return ended
  }

  kill() {
    return this.#signal("SIGKILL")
  }

  /** As systemd does: in good order, and killed where that takes too long. */
  async stop() {
    const late = setTimeout(() => this.#child?.kill("SIGKILL"), stopWithin)
    const ended = await this.#signal("SIGTERM")
    clearTimeout(late)
    return ended
  }

  freeze() {
    this.#child?.kill("SIGSTOP")
  }

  thaw() {
    this.#child?.kill("SIGCONT")
  }

  /** For good. */
  async end() {
    this.#isKept = false
    if (this.#later !== null) clearTimeout(this.#later)
    await this.kill()
  }

  healthy(within: number) {
    return eventually(`${this.name} is healthy`, async () => ((await this.isHealthy()) ? true : null), within).catch(
      (error: unknown) => {
        throw new Error(`${error}\n${readFileSync(this.plan.log, "utf8").slice(-2000)}`)
      }
    )
  }
}
