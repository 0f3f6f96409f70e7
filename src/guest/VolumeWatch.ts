/**
 * How full a guest's volume is, for its tenant: said when it gets full, before it is, and what became of the database when
 * it was. Grown, it has room again.
 */
import { Duration, Effect, Metric } from "effect"
import type { VolumeRoom, VolumeStats } from "./VolumeRoom.ts"

export const gigabyte = 1024 ** 3

/** How often a guest looks at its volume while its database runs. */
export const lookInterval = Duration.seconds(30)

/** At which parts of its size it is said, each once, until it has gone down again by `slack`. */
const levels = [0.9, 0.97]
const slack = 0.05

/**
 * With less, in bytes, a server does not come up: PostgreSQL needs a segment of its log for it (16 MB), MariaDB's tables
 * grow by up to 64 MB at once.
 */
export const leastRoom = 96 * 1024 ** 2

const nearlyFull = Metric.counter("coffer_volumes_nearly_full", {
  description: "Volumes of databases of this process that are full to 90 % or more"
})

/** "1.0 of 1 GB used" */
const inWords = ({ total, used }: VolumeStats) =>
  `${(used / gigabyte).toFixed(1)} of ${Number((total / gigabyte).toFixed(1))} GB used`

export const make = Effect.fnUntraced(function* (room: VolumeRoom, tell: (text: string) => Effect.Effect<void>) {
  /** How many of the levels were said. */
  let told = 0
  yield* Effect.addFinalizer(() => (told > 0 ? Metric.update(nearlyFull, -1) : Effect.void))

  const look = Effect.gen(function* () {
    const stats = yield* room.stats
    if (stats === null || stats.total <= 0) return
    const part = stats.used / stats.total
    const reached = levels.filter((level) => part >= level).length
    const held = levels.filter((level) => part >= level - slack).length
    const before = told
    told = Math.max(reached, Math.min(told, held))
    if (before === 0 && told > 0) yield* Metric.update(nearlyFull, 1)
    if (before > 0 && told === 0) yield* Metric.update(nearlyFull, -1)
    if (told <= before) return
    const text = `the volume is ${Math.floor(100 * part)} % full (${inWords(stats)}): resize it`
    yield* Effect.logWarning(text)
    yield* tell(text)
  })

  return {
    /** Says what is new. */
    look,
    /** Why no server can come up here, for the tenant; null where there is room for one. */
    whyFull: Effect.map(room.stats, (stats) =>
      stats === null || stats.total - stats.used >= leastRoom
        ? null
        : `the volume is full (${inWords(stats)}): resize it`
    )
  }
})
