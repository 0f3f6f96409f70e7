/** Hands the terminal to another program until it ends: signals are its, and we end as it ended. */
import { spawn } from "node:child_process"
import { constants } from "node:os"
import { isatty } from "node:tty"
import { Effect } from "effect"
import { type CommandFailed, failed } from "./connection.ts"
import { codeOf } from "./failure.ts"

/** What a shell tells of a program that a signal has ended. */
const codeOfEnd = (code: number | null, signal: NodeJS.Signals | null) =>
  code ?? (signal === null ? 1 : 128 + constants.signals[signal])

/**
 * Runs `command` on our own input and output. The process ends with its code, whatever signal we hear meanwhile:
 * an interruption waits until the program has done what the signal means to it.
 */
export const handOver = (
  command: string,
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv
): Effect.Effect<void, CommandFailed> =>
  Effect.callback<number, CommandFailed>((resume) => {
    const child = spawn(command, args, { stdio: "inherit", env })
    // A terminal sends Ctrl-C to everybody who runs on it: twice would mean something else.
    const passOn = (signal: NodeJS.Signals) => void ((signal === "SIGINT" && isatty(0)) || child.kill(signal))
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
    for (const signal of signals) process.on(signal, passOn)
    const end = (result: Effect.Effect<number, CommandFailed>) => {
      for (const signal of signals) process.off(signal, passOn)
      resume(result)
    }
    child.once("error", (error) => end(Effect.fail(failed(`${command} cannot be run (${codeOf(error)}).`))))
    child.once("exit", (code, signal) => end(Effect.succeed(codeOfEnd(code, signal))))
  }).pipe(
    Effect.flatMap((code) =>
      Effect.sync(() => {
        process.exitCode = code
      })
    ),
    Effect.uninterruptible
  )
