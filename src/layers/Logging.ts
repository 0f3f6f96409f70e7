/**
 * Logs, one line an event: on a terminal for eyes (time, level, message, then the annotations), elsewhere in
 * logfmt for machines. Which levels are shown is the command's `--log-level`.
 */
import { Cause, Logger, References } from "effect"

const colours: Record<string, string> = {
  Error: "\u001b[31m",
  Fatal: "\u001b[31m",
  Warn: "\u001b[33m",
  Info: "",
  Debug: "\u001b[2m",
  Trace: "\u001b[2m"
}
const reset = "\u001b[0m"

const text = (part: unknown): string => (typeof part === "string" ? part : JSON.stringify(part))

/** Control characters of what somebody else wrote must not move the cursor or start a new line. */
const onOneLine = (line: string) => line.replace(/\p{Cc}+/gu, " ")

const forEyes = Logger.make<unknown, string>(({ cause, date, fiber, logLevel, message }) => {
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  const parts = Array.isArray(message) ? message : [message]
  const words = onOneLine(
    [
      ...parts.map(text),
      ...(cause.reasons.length === 0 ? [] : [Cause.pretty(cause)]),
      ...Object.entries(annotations).map(([key, value]) => `${key}=${text(value)}`)
    ].join("  ")
  )
  return `${colours[logLevel] ?? ""}${date.toISOString().slice(11, 23)} ${logLevel.toUpperCase().padEnd(5)} ${words}${reset}`
})

export const layer = Logger.layer([Logger.withConsoleError(process.stderr.isTTY ? forEyes : Logger.formatLogFmt)])
