/**
 * Where instances live, as a port: which guest host, and which of its addresses. Decided once for each instance, at
 * its build, and remembered until its delete.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { Compute, ComputeError } from "./Compute.ts"
import { AgentKind } from "./GuestAccess.ts"
import type { InstanceId } from "./Ids.ts"

export interface Placement {
  readonly host: string
  readonly address: string
}

/** What an instance needs of the place where it lives. */
export interface Wanted {
  /** Nobody may listen on it at the address. */
  readonly port: number
  readonly memoryMb: number
  /** Not every agent can run on every host. */
  readonly agent: AgentKind
  /** Whether its machine has to keep clients out of it. */
  readonly guarded?: boolean
  /** The availability zone that it is to be in; null where any will do. */
  readonly zone: string | null
}

/** Every address of the host's range is taken, or cannot be listened on. */
export class NoAddressLeft extends Schema.TaggedError<NoAddressLeft>()("NoAddressLeft", {
  host: Schema.String,
  range: Schema.String
}) {}

/** Nobody can take the instance now: no host is alive, or none of those that are has the memory. */
export class NoHost extends Schema.TaggedError<NoHost>()("NoHost", {
  agent: AgentKind,
  memoryMb: Schema.Int,
  zone: Schema.NullOr(Schema.String),
  /** How many hosts are alive, of that zone if there is one. */
  live: Schema.Int,
  /** Whether there would be one, if it could keep clients out. */
  unguarded: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    const nobody = this.zone === null ? "no guest host" : `no guest host of the zone ${this.zone}`
    if (this.unguarded === true) return `${nobody} can restrict who reaches a database (allowed_cidrs)`
    return this.live === 0 ? `${nobody} is alive` : `${nobody} has ${this.memoryMb} MB of memory left`
  }
}

/** The instance is to have no place any more: its build was given up, or it is deleted. */
export class PlaceUnwanted extends Schema.TaggedError<PlaceUnwanted>()("PlaceUnwanted", { id: Schema.String }) {}

export class Placements extends Context.Service<
  Placements,
  {
    /**
     * The place that the instance owns, found for it if it has none yet: on the live host of the zone with the most memory left,
     * which itself is asked whether the address is free.
     */
    readonly ensure: (
      id: InstanceId,
      wanted: Wanted
    ) => Effect.Effect<Placement, NoAddressLeft | NoHost | PlaceUnwanted | ComputeError, Compute>
    /**
     * Whether its machine has the memory for all that live there, with what resizes that are under way take more. What
     * does not count its memory has.
     */
    readonly hasRoom: (id: InstanceId) => Effect.Effect<boolean>
    readonly find: (id: InstanceId) => Effect.Effect<Option.Option<Placement>>
    readonly release: (id: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/Placements") {}
