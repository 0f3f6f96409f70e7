/**
 * How an operation comes along, while a command waits for it: one live line on a terminal, a line for each new entry
 * of the history elsewhere.
 */
import { Clock, Effect } from "effect"
import { plain } from "../layers/config/terminalText.ts"
import type { Entry } from "./answers.ts"
import type { Sight } from "./follow.ts"
import { renderEntry } from "./historyView.ts"
import { CurrentScreen, type Screen } from "./terminal.ts"

export interface Progress {
  readonly show: (sight: Sight) => Effect.Effect<void>
  /** What was shown only for now is wiped away. */
  readonly end: Effect.Effect<void>
}

const keyOf = (entry: Entry) => `${entry.operation_id} ${entry.step} ${entry.attempt}`

const wiped = "\r\u001b[K"

/** By the clock of whoever looks, for the service's may be another. */
const live = ({ write }: Screen, columns: number): Progress => {
  let shown: string | null = null
  let since = 0
  const show = ({ entries, instance: { name, status } }: Sight) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const running = entries.findLast(({ kind, outcome }) => kind === "step" && outcome === "running")
      const step = running === undefined ? "" : keyOf(running)
      if (step !== shown) since = now
      shown = step
      const attempt = (running?.attempt ?? 1) > 1 ? `, attempt ${running?.attempt}` : ""
      const waits = running?.waits_for ? `, waits for ${running.waits_for}` : ""
      const doing = running === undefined ? "" : `: ${running.step}${attempt}${waits}`
      const text = plain(`${name}  ${status} ${Math.round((now - since) / 1000)} s${doing}`)
      // A line that is too long would wrap, and could not be wiped away.
      write(`${wiped}${[...text].slice(0, columns - 1).join("")}`)
    })
  return { show, end: Effect.sync(() => write(wiped)) }
}

const lines = ({ write }: Screen, before: ReadonlyArray<Entry>): Progress => {
  const told = new Set(before.map(renderEntry))
  const show = ({ entries }: Sight) =>
    Effect.sync(() => {
      for (const line of entries.map(renderEntry)) {
        if (told.has(line)) continue
        told.add(line)
        write(`${line}\n`)
      }
    })
  return { show, end: Effect.void }
}

/** `before`: what the history said before anything was asked for; it is no news. */
export const makeProgress = (before: ReadonlyArray<Entry>): Effect.Effect<Progress> =>
  Effect.map(CurrentScreen, (screen) =>
    screen.columns === null ? lines(screen, before) : live(screen, screen.columns)
  )
