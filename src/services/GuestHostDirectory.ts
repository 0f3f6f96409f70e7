/**
 * The machines that databases can run on, as a port: each reports itself, and who has gone silent gets no more
 * instances. The conductor writes it, placement reads it.
 */
import { Context, Duration, type Effect } from "effect"
import type { Millis } from "./Ids.ts"

/** How often a host reports. */
export const hostReportInterval = Duration.seconds(15)

/** A host that has been silent for longer gets no new instances. */
export const hostExpiry = Duration.seconds(60)

/** What a host says of itself. */
export interface HostReport {
  readonly name: string
  /** The IPv4 network that its instances have their addresses from, "10.9.0.0/16". */
  readonly addresses: string
  readonly memoryMb: number
  /** When it came, by the conductor's clock. */
  readonly at: Millis
}

export interface LiveHost {
  readonly name: string
  readonly addresses: string
  readonly memoryMb: number
  /** What the flavors of the instances that live there have in sum. */
  readonly usedMb: number
}

export class GuestHostDirectory extends Context.Service<
  GuestHostDirectory,
  {
    /** The host is alive. One that cannot take instances, by its name or its addresses, is logged and left out. */
    readonly report: (report: HostReport) => Effect.Effect<void>
    /** Hosts that reported at `since` or later, in the order of their names. */
    readonly live: (since: Millis) => Effect.Effect<ReadonlyArray<LiveHost>>
  }
>()("coffer/services/GuestHostDirectory") {}
