/** Whether somebody looks at a terminal, how it is written to, and how it is asked for what nobody may see. */
import { createInterface } from "node:readline"
import { Writable } from "node:stream"
import { Context, Effect, Redacted } from "effect"
import { type CommandFailed, failed } from "./connection.ts"

/** Where progress is told: beside what a command answers, so that it can be read by another program. */
export interface Screen {
  /** How many characters a line has; null where nobody looks, as in a file. */
  readonly columns: number | null
  readonly write: (text: string) => void
}

export const CurrentScreen = Context.Reference<Screen>("coffer/cli/CurrentScreen", {
  defaultValue: () => ({
    columns: process.stderr.isTTY === true ? process.stderr.columns || 80 : null,
    write: (text) => void process.stderr.write(text)
  })
})

/** A line that is typed and not shown. */
const askUnseen = (question: string): Effect.Effect<Redacted.Redacted, CommandFailed> =>
  Effect.callback<Redacted.Redacted, CommandFailed>((resume) => {
    const unseen = new Writable({ write: (_, _encoding, done) => done() })
    const lines = createInterface({ input: process.stdin, output: unseen, terminal: true })
    process.stderr.write(question)
    lines.once("line", (line) => resume(Effect.succeed(Redacted.make(line))))
    lines.once("close", () => resume(Effect.fail(failed("No password was given; nothing was done."))))
    // A terminal that is read letter by letter makes no signal of Ctrl-C.
    lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"))
    return Effect.sync(() => lines.close())
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        process.stderr.write("\n")
        process.stdin.pause()
      })
    )
  )

/** A new password, typed twice and not shown. */
export const askPassword = Effect.fnUntraced(function* (whose: string) {
  if (process.stdin.isTTY !== true)
    return yield* failed(
      "--ask-password needs a terminal to ask on. Elsewhere name a file that holds it: --password-file"
    )
  const password = yield* askUnseen(`The password of ${whose}: `)
  if (Redacted.value(password) === "") return yield* failed("No password was given; nothing was done.")
  const again = yield* askUnseen("Once more: ")
  return Redacted.value(again) === Redacted.value(password)
    ? password
    : yield* failed("These were not the same; nothing was done.")
})
