/** The logs of fake servers: bytes in memory, by the rules of the files of real ones. */
import { Effect } from "effect"
import { keptBytes, type LogFiles } from "../../src/guest/LogFiles.ts"
import type { FakeServer } from "./FakeServer.ts"

export const fakeLogs = (servers: ReadonlyMap<string, FakeServer>): LogFiles => {
  const found = (instanceId: string, log: string) => servers.get(instanceId)?.logs.get(log)
  return {
    extent: ({ instanceId }, log) =>
      Effect.sync(() => {
        const there = found(instanceId, log)
        return there === undefined ? null : { begins: there.begins, ends: there.begins + there.text.length }
      }),
    isLarge: ({ instanceId }, log) => Effect.sync(() => (found(instanceId, log)?.text.length ?? 0) > 2 * keptBytes),
    read: ({ instanceId }, log, offset, most) =>
      Effect.sync(() => {
        const there = found(instanceId, log)
        if (there === undefined || offset < there.begins) return Buffer.alloc(0)
        return there.text.subarray(offset - there.begins, offset - there.begins + most)
      }),
    cut: ({ instanceId }, log, offset) =>
      Effect.sync(() => {
        const there = found(instanceId, log)
        if (there === undefined) return
        const ends = there.begins + there.text.length
        const from = Math.min(ends, Math.max(offset, there.begins, ends - keptBytes))
        there.text = there.text.subarray(from - there.begins)
        there.begins = from
      })
  }
}
