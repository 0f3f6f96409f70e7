/**
 * What guests were last seen to be. The conductor is the only writer, in batches; everybody else reads.
 */
import { Context, type Effect, type Option } from "effect"
import type { ServiceStatus } from "./ConductorApi.ts"
import type { InstanceId, Millis } from "./Ids.ts"
import type { Observation } from "./Status.ts"

/** One heartbeat as it came. */
export interface Beat {
  readonly instance: InstanceId
  readonly status: ServiceStatus
  /** The guest's clock; orders the beats of one guest, and is trusted for nothing else. */
  readonly sent: Millis
  readonly receivedAt: Millis
}

/** The newest beat of a guest was written. */
export interface Written {
  readonly instance: InstanceId
  readonly status: ServiceStatus
  /** It says something new: another status, or anything at all after a silence. */
  readonly changed: boolean
}

export class Observations extends Context.Service<
  Observations,
  {
    /**
     * Writes the newest beat of each guest in one statement, where a guest is expected: of an instance that is
     * being built or serves. Older and repeated ones are dropped.
     */
    readonly record: (beats: ReadonlyArray<Beat>) => Effect.Effect<ReadonlyArray<Written>>
    /** The guest said why it could not do what it was told. */
    readonly recordFailure: (instance: InstanceId, message: string) => Effect.Effect<void>
    readonly get: (
      instance: InstanceId
    ) => Effect.Effect<Option.Option<Observation & { readonly failure: string | null }>>
    /** Guests of live instances whose last beat is older than `before` and that were not yet counted as silent. */
    readonly silentSince: (before: Millis) => Effect.Effect<ReadonlyArray<InstanceId>>
    readonly forget: (instance: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/Observations") {}
