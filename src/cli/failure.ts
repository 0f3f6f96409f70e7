/** How a command fails: in words for a terminal, and with 1. */
import { Console, Effect } from "effect"

/** What the system says is wrong: "ENOENT". */
export const codeOf = (error: unknown) =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)

/** Says what is wrong, and lets the process end with 1. */
export const failWith = ({ message }: { readonly message: string }) =>
  Effect.andThen(
    Console.error(`coffer: ${message}`),
    Effect.sync(() => {
      process.exitCode = 1
    })
  )
