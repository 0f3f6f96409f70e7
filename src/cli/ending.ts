/**
 * How the process ends when it is told to stop. What serves has then done its work, and ends with 0. A command has not
 * done what it was asked for, and ends as a shell expects of one that a signal has ended.
 */
import { Cause, Effect, Exit, Runtime } from "effect"

type Signal = "SIGINT" | "SIGTERM"

const codes: Record<Signal, number> = { SIGINT: 130, SIGTERM: 143 }

/** What a command ends with that was interrupted; 1 where nobody can tell by what. */
export const codeOfInterruption = (signal: Signal | null): number => (signal === null ? 1 : codes[signal])

/** For what runs until it is told to stop: to be told so is no failure. A failure that was told before stays one. */
export const serving = <A, E, R>(service: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onInterrupt(service, () =>
    Effect.sync(() => {
      process.exitCode ??= 0
    })
  )

/** The code that was said already, by whom it ended; null where nobody has. */
const saidCode = () => (process.exitCode === undefined ? null : Number(process.exitCode))

/** Listens for signals from now on, and ends the process by what it has heard. */
export const listen = (): Runtime.Teardown => {
  let heard: Signal | null = null
  const onInt = () => {
    heard ??= "SIGINT"
  }
  const onTerm = () => {
    heard ??= "SIGTERM"
  }
  process.on("SIGINT", onInt)
  process.on("SIGTERM", onTerm)
  return (exit, onExit) => {
    // Whoever listens to a signal keeps it from ending the process.
    process.off("SIGINT", onInt)
    process.off("SIGTERM", onTerm)
    if (Exit.isSuccess(exit)) return onExit(saidCode() ?? 0)
    if (Cause.hasInterruptsOnly(exit.cause)) return onExit(saidCode() ?? codeOfInterruption(heard))
    Runtime.defaultTeardown(exit, onExit)
  }
}
