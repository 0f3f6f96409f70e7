/** What a tenant may ask of `root`, its administrator inside an instance. Whether it was ever enabled is on record. */
import { Context, Effect, Layer, type Redacted, Schema } from "effect"
import type { RootUser } from "./GuestApi.ts"
import { type InstanceRecord, Instances } from "./Instances.ts"
import { type InstanceNotReady, type NotServed, servingGuest } from "./ServingGuest.ts"

export class RootNeverEnabled extends Schema.TaggedError<RootNeverEnabled>()("RootNeverEnabled", {}) {}

export class RootRequests extends Context.Service<
  RootRequests,
  {
    readonly isEnabled: (instance: InstanceRecord) => Effect.Effect<boolean, InstanceNotReady>
    /** A null password: the guest makes one. */
    readonly enable: (
      instance: InstanceRecord,
      password: Redacted.Redacted | null,
      by: string
    ) => Effect.Effect<RootUser, NotServed>
    readonly disable: (instance: InstanceRecord, by: string) => Effect.Effect<void, NotServed | RootNeverEnabled>
  }
>()("coffer/services/RootRequests") {
  static readonly layer = Layer.effect(
    RootRequests,
    Effect.gen(function* () {
      const instances = yield* Instances
      const { guestOf } = yield* servingGuest

      const isEnabled = Effect.fnUntraced(function* (instance: InstanceRecord) {
        yield* guestOf(instance)
        return (yield* instances.rootEnabled(instance.desired.id)) === "enabled"
      })

      const enable = Effect.fn("RootRequests.enable")(function* (
        instance: InstanceRecord,
        password: Redacted.Redacted | null,
        by: string
      ) {
        const guest = yield* guestOf(instance)
        const { id } = instance.desired
        const before = yield* instances.rootEnabled(id)
        const record = instances.setRootEnabled(id, true, by)
        // On record first: whatever ends this in the middle, no root is enabled that is not told and not to be disabled.
        if (before !== "enabled") yield* record
        const asked =
          password === null ? guest.enable_root({}) : guest.enable_root_with_password({ root_password: password })
        // A refusal may come of a database that fell silent halfway: it is off the record once the guest says it is off.
        const takeBack = guest
          .disable_root({})
          .pipe(Effect.andThen(instances.setRootEnabled(id, false, by)), Effect.ignore)
        const enabled = yield* Effect.tapErrorTag(asked, "GuestRefusal", () =>
          before === "enabled" ? Effect.void : takeBack
        )
        // Who has done it, and when, is of who was answered.
        if (before === "enabled") yield* record
        return enabled
      })

      const disable = Effect.fn("RootRequests.disable")(function* (instance: InstanceRecord, by: string) {
        const guest = yield* guestOf(instance)
        if ((yield* instances.rootEnabled(instance.desired.id)) !== "enabled") return yield* new RootNeverEnabled()
        yield* guest.disable_root({})
        yield* instances.setRootEnabled(instance.desired.id, false, by)
      })

      return { isEnabled, enable, disable }
    })
  )
}
