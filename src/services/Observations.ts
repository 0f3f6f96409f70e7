/**
 * What guests were last seen to be, and what they told last. The conductor is the only writer, of heartbeats in
 * batches; everybody else reads. Where it says *live*, it means an instance that is being built or serves: of any
 * other no guest is expected, and what one tells is dropped.
 *
 * A `sent` is the guest's clock: it orders what one guest tells, and is trusted for nothing else. Null, where the
 * guest did not say it, is taken as newer than everything, and keeps nothing from being newer later.
 */
import { Context, type Effect, type Option } from "effect"
import type { BackupId, BackupReport, BackupState, ServiceStatus } from "./ConductorApi.ts"
import type { InstanceId, Millis } from "./Ids.ts"
import type { Observation } from "./Status.ts"

/** One heartbeat as it came. */
export interface Beat {
  readonly instance: InstanceId
  readonly status: ServiceStatus
  readonly sent: Millis | null
  readonly receivedAt: Millis
}

/** The newest beat of a guest was written. */
export interface Written {
  readonly instance: InstanceId
  readonly status: ServiceStatus
  /** It says something new: another status, or anything at all after a silence. */
  readonly changed: boolean
}

/** How many backups are remembered of one instance; those that were told of longest ago give way. */
export const maxBackupReports = 1000

export class Observations extends Context.Service<
  Observations,
  {
    /** Writes the newest beat of each live guest in one statement. Older and repeated ones are dropped. */
    readonly record: (beats: ReadonlyArray<Beat>) => Effect.Effect<ReadonlyArray<Written>>
    /** Whether the instance is live, and this newer than what its guest told before by the same method. */
    readonly takeNote: (instance: InstanceId, method: string, sent: Millis | null) => Effect.Effect<boolean>
    /** The guest said why it could not do what it was told; false where that is no news. */
    readonly recordFailure: (instance: InstanceId, message: string, sent: Millis | null) => Effect.Effect<boolean>
    /** Adds what is newer to what is known of the backup; answers the state where that has changed. */
    readonly recordBackup: (
      instance: InstanceId,
      backup: BackupId,
      told: { readonly report: BackupReport; readonly sent: Millis | null }
    ) => Effect.Effect<Option.Option<BackupState>>
    /** All that the guest has told of the backup. */
    readonly backup: (instance: InstanceId, backup: BackupId) => Effect.Effect<Option.Option<BackupReport>>
    readonly get: (
      instance: InstanceId
    ) => Effect.Effect<Option.Option<Observation & { readonly failure: string | null }>>
    /**
     * Guests of instances in service whose last beat is older than `before`, and that were not yet counted as silent.
     * However many ask at once, each guest is told to one of them.
     */
    readonly silentSince: (before: Millis, limit: number) => Effect.Effect<ReadonlyArray<InstanceId>>
    /** They count as not yet told of, and are found again unless they come back. */
    readonly unmarkSilent: (instances: ReadonlyArray<InstanceId>) => Effect.Effect<void>
    readonly forget: (instance: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/Observations") {}
