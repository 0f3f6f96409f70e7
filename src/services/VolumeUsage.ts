/** How full the volume of an instance is, as its guest measures it. */
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { InstanceRecord } from "./Instances.ts"
import { servingGuest } from "./ServingGuest.ts"
import { operatingStatusOf } from "./Status.ts"

/** How long a look at one instance waits for its guest to measure the volume. */
const patience = "2 seconds"

export class VolumeUsage extends Context.Service<
  VolumeUsage,
  {
    /** In GB; none when the instance cannot be asked now. Never fails: it only decorates an answer. */
    readonly of: (
      instance: InstanceRecord
    ) => Effect.Effect<Option.Option<{ readonly used: number; readonly total: number }>>
  }
>()("coffer/services/VolumeUsage") {
  static readonly layer = Layer.effect(
    VolumeUsage,
    Effect.gen(function* () {
      const { guestOf } = yield* servingGuest
      return {
        of: Effect.fnUntraced(function* (instance) {
          // A guest that has gone silent would only make the tenant wait.
          const status = operatingStatusOf(instance.state, instance.observed, yield* Clock.currentTimeMillis)
          if (status === "ERROR") return Option.none()
          return yield* guestOf(instance).pipe(
            Effect.flatMap((guest) => guest.get_filesystem_stats({ fs_path: null })),
            Effect.timeout(patience),
            Effect.option
          )
        })
      }
    })
  )
}
