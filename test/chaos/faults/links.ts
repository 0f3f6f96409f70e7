/** The link between one process and all else is cut: what comes in, what goes out, or both; for a while, and for long. */
import { Duration } from "effect"
import { lease } from "../../../src/layers/cluster/Lease.ts"
import { roles } from "../../../src/layers/config/Configuration.ts"
import { type Fault, missingOf, sleep } from "../Fault.ts"
import type { Direction } from "../Network.ts"

const short = 15_000
/** Well past the lease of a taskmanager. */
const long = Duration.toMillis(lease) + 16_000

/** The roles take turns, from the given one on, so that each is cut off in every round. */
const link = (direction: Direction, length: number, first: number): Fault => {
  let turn = first
  return {
    kind: `link cut ${direction === "both" ? "both ways" : direction} for ${length / 1000} s`,
    obstacle: ({ network }) => missingOf(network),
    strike: async ({ fleet, strikes }) => {
      const role = roles[turn++ % roles.length] ?? "taskmanager"
      const namespace = fleet.linkOf(role)
      if (namespace === null) throw new Error(`no ${role} has a link of its own`)
      await strikes()
      await namespace.cut(direction)
      await sleep(length)
      await namespace.mend()
      return { what: `of the ${role}`, over: performance.now() }
    }
  }
}

export const links: ReadonlyArray<Fault> = (["in", "out", "both"] as const).flatMap((direction, n) => [
  link(direction, short, 2 * n),
  link(direction, long, 2 * n + 1)
])
