/**
 * What a tenant may ask of the size of an instance: another flavor, or a larger volume. It checks the request against the
 * catalog, the limits and the instance, writes it through `Resizes`, and wakes the taskmanager.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Catalog, findFlavor } from "./Catalog.ts"
import {
  FlavorNotFound,
  type InstanceNotActionable,
  InstanceRequests,
  InvalidRequest,
  notActionable,
  VolumeTooLarge
} from "./InstanceRequests.ts"
import { type InstanceNotFound, type InstanceRecord, QuotaExceeded, type Scope } from "./Instances.ts"
import { exceededBy, maxVolumeSize, Quotas } from "./Quotas.ts"
import { moreOf, Resizes, type ResizeTarget } from "./Resizes.ts"
import { isActionable, isInService } from "./Status.ts"
import { makeWake } from "./Waking.ts"

/** A flavor's id, or GB. */
export type Size = { readonly flavor: string } | { readonly volume: number }

export type ResizeRefusal =
  | InstanceNotFound
  | InstanceNotActionable
  | InvalidRequest
  | FlavorNotFound
  | VolumeTooLarge
  | QuotaExceeded

export interface CheckedResize {
  readonly record: InstanceRecord
  readonly target: ResizeTarget
}

export class ResizeRequests extends Context.Service<
  ResizeRequests,
  {
    /** The resize as it would be accepted now; refused as it would be. */
    readonly check: (scope: Scope, id: string, size: Size) => Effect.Effect<CheckedResize, ResizeRefusal>
    /** What it takes more is held from the quota until it has ended. Refused while anything else is under way. */
    readonly resize: (scope: Scope, id: string, size: Size) => Effect.Effect<void, ResizeRefusal>
  }
>()("coffer/services/ResizeRequests") {
  static readonly layer = Layer.effect(
    ResizeRequests,
    Effect.gen(function* () {
      const instances = yield* InstanceRequests
      const resizes = yield* Resizes
      const { contents } = yield* Catalog
      const quotas = yield* Quotas
      const wake = yield* makeWake

      const requireActionable = Effect.fnUntraced(function* (record: InstanceRecord) {
        if (isInService(record.state) && isActionable(record.observed)) return
        return yield* notActionable(record, yield* Clock.currentTimeMillis)
      })

      /** A volume is judged before the state of the instance, and a flavor after it, as in Trove. */
      const targetOf = Effect.fnUntraced(function* (record: InstanceRecord, size: Size) {
        const { flavor, volumeSize } = record.desired
        if ("volume" in size) {
          if (size.volume > maxVolumeSize) return yield* new VolumeTooLarge({ size: size.volume, limit: maxVolumeSize })
          if (size.volume <= volumeSize) {
            const message = `The new volume 'size' must be larger than the current volume size of '${volumeSize}'.`
            return yield* new InvalidRequest({ message })
          }
          yield* requireActionable(record)
          return { _tag: "Volume", size: size.volume } satisfies ResizeTarget
        }
        yield* requireActionable(record)
        if (size.flavor === flavor) {
          const message = `The new flavor id must be different than the current flavor id of '${flavor}'.`
          return yield* new InvalidRequest({ message })
        }
        const found = findFlavor(yield* contents, size.flavor)
        if (found === undefined) return yield* new FlavorNotFound({ flavor: size.flavor })
        return { _tag: "Flavor", flavor: found.id, ram: found.ram } satisfies ResizeTarget
      })

      const check = Effect.fn("ResizeRequests.check")(function* (scope: Scope, id: string, size: Size) {
        const record = yield* instances.get(scope, id)
        const target = yield* targetOf(record, size)
        const { desired } = record
        const more = { instances: 0, backups: 0, ...moreOf(desired, target) }
        const exceeded = exceededBy(yield* quotas.usage(desired.project), more)
        if (exceeded.length > 0) return yield* new QuotaExceeded({ resources: exceeded })
        return { record, target }
      })

      const resize = Effect.fn("ResizeRequests.resize")(function* (scope: Scope, id: string, size: Size) {
        const before = yield* instances.get(scope, id)
        const target = yield* targetOf(before, size)
        // Somebody may have come first in between, and have made another instance of it.
        if (!(yield* resizes.request(before.desired.id, before.desired, target))) {
          const now = yield* instances.get(scope, id)
          yield* targetOf(now, size)
          return yield* notActionable(now, yield* Clock.currentTimeMillis)
        }
        yield* wake(before.desired.id)
      })

      return { check, resize }
    })
  )
}
