/** How much of each resource a project may hold, and holds. */
import { Context, type Effect } from "effect"
import type { InstanceId, ProjectId } from "./Ids.ts"
import type { Desired, Resource } from "./Instances.ts"

export interface Usage {
  readonly resource: Resource
  /** Held by instances that are up. */
  readonly inUse: number
  /** Held by instances that are still being built. */
  readonly reserved: number
  /** -1: unlimited. */
  readonly limit: number
}

export const resources: ReadonlyArray<Resource> = ["instances", "ram", "volumes", "backups"]

/** What one instance holds. */
export const amountOf = ({ ram, volumeSize }: Pick<Desired, "ram" | "volumeSize">): Record<Resource, number> => ({
  instances: 1,
  ram,
  volumes: volumeSize,
  backups: 0
})

/** The resources of which there would be more than the project may hold. */
export const exceededBy = (usage: ReadonlyArray<Usage>, wanted: Record<Resource, number>): ReadonlyArray<Resource> =>
  usage.flatMap(({ inUse, limit, reserved, resource }) =>
    limit >= 0 && wanted[resource] > 0 && inUse + reserved + wanted[resource] > limit ? [resource] : []
  )

/** Trove's defaults: instances, MB of memory (unlimited), GB of volumes, backups. */
export const defaultLimits: Record<Resource, number> = { instances: 10, ram: -1, volumes: 40, backups: 50 }

/** Trove's `max_accepted_volume_size`: the largest single volume, in GB. */
export const maxVolumeSize = 10

/** The highest limit that can be kept; -1 is none. */
export const maxLimit = 2 ** 31 - 1

export class Quotas extends Context.Service<
  Quotas,
  {
    readonly usage: (project: ProjectId) => Effect.Effect<ReadonlyArray<Usage>>
    readonly setLimits: (project: ProjectId, limits: Partial<Record<Resource, number>>) => Effect.Effect<void>
    /** The instance holds nothing any more. */
    readonly release: (id: InstanceId) => Effect.Effect<void>
  }
>()("coffer/services/Quotas") {}
