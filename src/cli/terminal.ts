/** Whether somebody looks at a terminal, and how it is written to. */
import { Context } from "effect"

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
