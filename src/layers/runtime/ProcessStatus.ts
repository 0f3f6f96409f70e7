/** What the kernel tells of a process, in `/proc/<pid>/status`. */
import type { ProcessFacts } from "../../services/MachineFacts.ts"

/** Null where that is no such file, as of a process that has just ended: what is dead has no memory. */
export const factsIn = (status: string): ProcessFacts | null => {
  const numberOf = (name: string) => {
    const told = new RegExp(`^${name}:\\s+(\\d{1,15})\\b`, "m").exec(status)?.[1]
    return told === undefined ? null : Number(told)
  }
  const [threads, fd_size] = [numberOf("Threads"), numberOf("FDSize")]
  const [vm_size, vm_peak, vm_rss, vm_hwm] = [
    numberOf("VmSize"),
    numberOf("VmPeak"),
    numberOf("VmRSS"),
    numberOf("VmHWM")
  ]
  if (threads === null || fd_size === null) return null
  if (vm_size === null || vm_peak === null || vm_rss === null || vm_hwm === null) return null
  return { threads, fd_size, vm_size, vm_peak, vm_rss, vm_hwm }
}
