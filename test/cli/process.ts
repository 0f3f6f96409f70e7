/** The coffer command as a process: what it prints where, and how it ends. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { Effect } from "effect"

const main = join(import.meta.dirname, "../../src/main.ts")

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  /** What it has printed so far. */
  readonly printed: { out: string; err: string }
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
}

type Variables = Readonly<Record<string, string>>

/** Starts the command, with no variables but these; it is gone with the test. */
export const started = (args: ReadonlyArray<string>, env: Variables = {}) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
        env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "", ...env }
      })
      const printed = { out: "", err: "" }
      child.stdout.on("data", (chunk) => {
        printed.out += chunk
      })
      child.stderr.on("data", (chunk) => {
        printed.err += chunk
      })
      const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, ...printed })))
      return { printed, kill: (signal) => child.kill(signal), ended }
    }),
    ({ kill }) => Effect.sync(() => kill("SIGKILL"))
  )

/** Runs the command to its end. */
export const coffer = (args: ReadonlyArray<string>, env: Variables = {}) =>
  Effect.scoped(Effect.flatMap(started(args, env), ({ ended }) => Effect.promise(() => ended)))
