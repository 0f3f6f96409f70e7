/** How full the volume of an instance is, as its guest measures it. */
import { Clock, Context, Effect, Layer, Option } from "effect"
import { Fabric } from "./Fabric.ts"
import { GuestApi, guestTopic } from "./GuestApi.ts"
import type { InstanceRecord } from "./Instances.ts"
import { isInService, isServing, operatingStatusOf } from "./Status.ts"

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
      const fabric = yield* Fabric
      return {
        of: Effect.fnUntraced(function* (instance) {
          // A guest that has gone silent would only make the tenant wait.
          const status = operatingStatusOf(instance.state, instance.observed, yield* Clock.currentTimeMillis)
          if (status === "ERROR") return Option.none()
          const { desired, observed, state } = instance
          // The guest of a database that has crashed is there, and its volume may be why.
          if (!isInService(state) || !(isServing(observed) || observed?.status === "crashed")) return Option.none()
          return yield* fabric
            .client(guestTopic(desired.id), GuestApi)
            .get_filesystem_stats({ fs_path: null })
            .pipe(Effect.timeout(patience), Effect.option)
        })
      }
    })
  )
}
