/**
 * The machines that databases can run on, as a port: each reports itself, and who has gone silent gets no more
 * instances. The conductor writes it, placement reads it, the operator looks at it and takes out who is gone.
 */
import { Context, Duration, type Effect, Schema } from "effect"
import type { AgentKind } from "./GuestAccess.ts"
import type { InstanceId, Millis } from "./Ids.ts"

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
  /** Whether it can keep clients out of its databases (`allowed_cidrs`); null where it did not tell. */
  readonly guards?: boolean | null
  /** The availability zone that it is in. */
  readonly zone: string
  /** When it came, by the conductor's clock. */
  readonly at: Millis
}

export interface LiveHost {
  readonly name: string
  readonly addresses: string
  readonly memoryMb: number
  readonly zone: string
  /** What the flavors of the instances that live there have in sum. */
  readonly usedMb: number
}

/** A host as its operator knows it, alive or not. */
export interface KnownHost extends LiveHost {
  /** How many instances have a place there. */
  readonly instances: number
  /** When its last report came, by the conductor's clock. */
  readonly reportedAt: Millis
}

/** Instances live on the host that was to be removed. */
export class HostInhabited extends Schema.TaggedError<HostInhabited>()("HostInhabited", {
  host: Schema.String,
  instances: Schema.Int
}) {}

/** What becomes of the instances that live on a host that is removed: they keep it, or they are lost with it. */
export type Residents = "kept" | "lost"

export class GuestHostDirectory extends Context.Service<
  GuestHostDirectory,
  {
    /** The host is alive. One that cannot take instances, by its name or its addresses, is logged and left out. */
    readonly report: (report: HostReport) => Effect.Effect<void>
    /** Hosts that reported at `since` or later, in the order of their names. */
    readonly live: (since: Millis) => Effect.Effect<ReadonlyArray<LiveHost>>
    /**
     * Whether the machine of the instance can keep clients out of it, as it told itself; or whether any can of this zone, or
     * with null of all, that is alive. Null where nobody has told.
     */
    readonly guards: (
      where: { readonly instance: InstanceId } | { readonly zone: string | null }
    ) => Effect.Effect<boolean | null>
    /** Every host that has reported since it was last removed, in the order of their names. */
    readonly known: Effect.Effect<ReadonlyArray<KnownHost>>
    /** The zones in which machines for such agents are, alive or not, in the order of their names. */
    readonly zones: (agent: AgentKind) => Effect.Effect<ReadonlyArray<string>>
    /**
     * The host is known no more until it reports again, and no instance gets a place there meanwhile. Those that live
     * there keep it, or are left without a place; gives how many those are. Nothing happens to one that is not known.
     */
    readonly remove: (host: string, residents: Residents) => Effect.Effect<number, HostInhabited>
  }
>()("coffer/services/GuestHostDirectory") {}
