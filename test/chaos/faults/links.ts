/** The link between one process and all else is cut: what comes in, what goes out, or both; for a while, and for long. */
import { Duration } from "effect"
import { lease } from "../../../src/layers/cluster/Lease.ts"
import { roles } from "../../../src/layers/config/Configuration.ts"
import { type Fault, missingOf, sleep } from "../Fault.ts"
import type { Direction } from "../Network.ts"

const short = 15_000
/** Well past the lease of a taskmanager. */
const long = Duration.toMillis(lease) + 16_000

const link = (direction: Direction, length: number): Fault => ({
  kind: `link cut ${direction === "both" ? "both ways" : direction} for ${length / 1000} s`,
  obstacle: ({ network }) => missingOf(network),
  strike: async ({ dice, fleet, strikes }) => {
    const role = dice.pick(roles)
    const namespace = fleet.linkOf(role)
    if (namespace === null) throw new Error(`no ${role} has a link of its own`)
    await strikes()
    await namespace.cut(direction)
    await sleep(length)
    await namespace.mend()
    return { what: `of a ${role}`, over: performance.now() }
  }
})

export const links: ReadonlyArray<Fault> = (["in", "out", "both"] as const).flatMap((direction) => [
  link(direction, short),
  link(direction, long)
])
