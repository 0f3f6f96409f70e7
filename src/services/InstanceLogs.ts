/**
 * The logs of an instance by Trove's names: which a datastore has, and who may see them. And what is told of one: sizes are
 * bytes, and so are offsets, which count from the first byte that the log ever had.
 */
import { Schema } from "effect"
import type { DatastoreManagerName } from "./Catalog.ts"
import { Text } from "./Ids.ts"

/** A tenant's own, which they switch on and off; or the server's, for administrators, which is always on. */
export const LogType = Schema.Literals(["USER", "SYS"])
export type LogType = typeof LogType.Type

const logs: Readonly<Record<DatastoreManagerName, Readonly<Record<string, LogType>>>> = {
  mariadb: { general: "USER", slow_query: "USER", error: "SYS" },
  mysql: { general: "USER", slow_query: "USER", error: "SYS" },
  // All that the server says comes by one way, statements as well.
  postgresql: { general: "USER" }
}

/** By name. */
export const logsOf = (manager: DatastoreManagerName): ReadonlyMap<string, LogType> =>
  new Map(Object.entries(logs[manager]))

/** A name as it may be asked for. */
export const LogName = Text.check(
  Schema.isMinLength(1, { message: "is too short: at least 1 character" }),
  Schema.isMaxLength(64, { message: "is too long: at most 64 characters" })
)

const Bytes = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Shown = Schema.String.check(Schema.isMaxLength(255))

/** A log as Trove tells of it. What is in no container is in one that is called "None". */
export const LogDetails = Schema.Struct({
  name: LogName,
  type: LogType,
  status: Schema.Literals([
    "Disabled",
    "Enabled",
    "Unavailable",
    "Ready",
    "Published",
    "Partial",
    "Rotated",
    "Restart Required",
    "Restart Completed"
  ]),
  published: Bytes,
  pending: Bytes,
  container: Shown,
  prefix: Shown,
  metafile: Shown
})
export type LogDetails = typeof LogDetails.Type

/** What is to be done with a log; nothing at all shows it. */
export interface LogAction {
  readonly enable: boolean
  readonly disable: boolean
  readonly publish: boolean
  readonly discard: boolean
}

/** How much of a log one answer has, at the most. */
export const maxLines = 1000
export const maxTextBytes = 256 * 1024

/** Where a text begins: null for the last lines that there are. */
export interface LogPart {
  readonly offset: number | null
  readonly lines: number
}

const fits = Schema.makeFilter<ReadonlyArray<string>>(
  (lines) => lines.reduce((sum, line) => sum + line.length, 0) <= maxTextBytes,
  { message: `must not hold more than ${maxTextBytes} bytes` }
)

/** Whole lines of a log; one that is longer than an answer comes in pieces. */
export const LogText = Schema.Struct({
  /** Where the first of them begins. */
  offset: Bytes,
  /** Where the next one will: to be asked for to follow on. */
  next: Bytes,
  /** What was asked for is not there any more: these are the first that are. */
  rotated: Schema.Boolean,
  lines: Schema.Array(Schema.String).check(Schema.isMaxLength(maxLines), fits)
})
export type LogText = typeof LogText.Type
