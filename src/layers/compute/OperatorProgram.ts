/**
 * Runs a program of the operator: told what to do on its standard input, heard on its standard error and, where it is
 * asked something, on its standard output, and killed with all it started when its time is over. It is no shell that runs it, and nothing secret is in its arguments.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { Effect, Redacted, Schema } from "effect"
import { hasEnded, signal } from "../embedded/HostProcess.ts"

/** How much of what a program says is kept while it runs, the last of it, in characters. */
const maxHeard = 16 * 1024

/** How long what it said last may take to arrive once it has ended. */
const lastWords = 500

/** The program was not run. */
export class ProgramNotRun extends Schema.TaggedError<ProgramNotRun>()("ProgramNotRun", {
  detail: Schema.String,
  /** Whether this machine may run it later: it has no room for another process now. */
  transient: Schema.Boolean
}) {}

const notRun = (error: NodeJS.ErrnoException) =>
  new ProgramNotRun({ detail: error.message, transient: !["ENOENT", "EACCES", "ENOEXEC"].includes(error.code ?? "") })

export interface Outcome {
  /** Null when a signal ended it. */
  readonly code: number | null
  /** The end of what it wrote to its standard error. */
  readonly said: string
  /** What it wrote to its standard output, as much as was to be read. */
  readonly output: string
}

/** Variables that are ours begin so, and some of them are secret. */
const ours = /^COFFER_/

const environment = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))

/** Its group: what it started goes with it, unless it has left that on purpose. */
const kill = (child: ChildProcess) =>
  Effect.callback<void>((gone) => {
    if (child.pid === undefined || hasEnded(child)) return gone(Effect.void)
    child.once("exit", () => gone(Effect.void))
    signal(-child.pid, "SIGKILL")
  })

/** Interruption kills it. `maxOutput`: how much of its standard output is read, in bytes. */
export const run = (
  command: readonly [string, ...ReadonlyArray<string>],
  input: Redacted.Redacted,
  maxOutput = 0
): Effect.Effect<Outcome, ProgramNotRun> =>
  Effect.callback<Outcome, ProgramNotRun>((resume) => {
    const [program, ...args] = command
    const child = spawn(program, args, {
      cwd: "/",
      detached: true,
      env: environment(),
      stdio: ["pipe", maxOutput > 0 ? "pipe" : "ignore", "pipe"]
    })
    child.once("error", (error) => resume(Effect.fail(notRun(error))))
    // Then there may be no pipes either.
    if (child.pid === undefined) return
    let said = ""
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      said = (said + chunk).slice(-maxHeard)
    })
    const output: Array<Buffer> = []
    let room = maxOutput
    // What is beyond is thrown away, so that it can end.
    child.stdout?.on("data", (chunk: Buffer) => {
      if (room > 0) output.push(chunk.subarray(0, room))
      room -= chunk.length
    })
    child.once("exit", (code) => {
      const end = () => {
        // Something that it left running may hold it open for ever.
        child.stderr?.destroy()
        child.stdout?.destroy()
        resume(Effect.succeed({ code, said, output: Buffer.concat(output).toString("utf8") }))
      }
      const late = setTimeout(end, lastWords)
      child.once("close", () => {
        clearTimeout(late)
        end()
      })
    })
    // It need not read to its end what it does not need.
    child.stdin?.on("error", () => {})
    child.stdin?.end(Redacted.value(input))
    return kill(child)
  })
