/**
 * What a guest tells of the machine that its server has, and of the server's process, in Trove's words and with the
 * kernel's units. Told by guests, who are not trusted: a number is a number, and a text is short.
 */
import { Schema } from "effect"
import { Text } from "./Ids.ts"

/** As large as is told without loss. */
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
/** In kB of 1024 bytes, as in `/proc`. */
const Kilobytes = Count

export const Hardware = Schema.Struct({
  /** What the server may have: its container's limit, or all that the machine has where nothing limits it. */
  mem_total: Kilobytes,
  /** The same of processors. */
  num_cpus: Count
})
export type Hardware = typeof Hardware.Type

/** Of the server's main process, by `/proc/<pid>/status`. */
const process = {
  threads: Count,
  /** Slots for open files, not bytes. */
  fd_size: Count,
  /** What it has mapped, and the most that it ever had. */
  vm_size: Kilobytes,
  vm_peak: Kilobytes,
  /** What of it is in memory, and the most that ever was. */
  vm_rss: Kilobytes,
  vm_hwm: Kilobytes
}

export const ProcessFacts = Schema.Struct(process)
export type ProcessFacts = typeof ProcessFacts.Type

export const Diagnostics = Schema.Struct({
  /** Of the server, as it tells it; the one that was asked for where nobody can log in. */
  version: Text.check(Schema.isMaxLength(100)),
  ...process
})
export type Diagnostics = typeof Diagnostics.Type
