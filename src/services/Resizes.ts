/**
 * The resize of an instance as the api asks for it: to another flavor, or to a larger volume. What it takes more is held
 * from the quota in the transaction that accepts it. The actor's commit makes it what the instance is, or gives it back.
 */
import { Context, type Effect, Schema } from "effect"
import type { InstanceId } from "./Ids.ts"
import type { Desired, QuotaExceeded } from "./Instances.ts"

/** `ram`: MB that the flavor had when it was asked for, for the quota. */
const ToFlavor = Schema.TaggedStruct("Flavor", { flavor: Schema.String, ram: Schema.Int })
/** GB */
const ToVolume = Schema.TaggedStruct("Volume", { size: Schema.Int })

/** What an instance is resized to. */
export const ResizeTarget = Schema.Union([ToFlavor, ToVolume])
export type ResizeTarget = typeof ResizeTarget.Type

/** What the tenant wants once the resize has succeeded. */
export const resized = (desired: Desired, target: ResizeTarget): Desired =>
  target._tag === "Flavor"
    ? { ...desired, flavor: target.flavor, ram: target.ram }
    : { ...desired, volumeSize: target.size }

/** What the instance holds more while it is under way: what is given back is given back at its end. */
export const moreOf = (desired: Pick<Desired, "ram" | "volumeSize">, target: ResizeTarget) => ({
  ram: target._tag === "Flavor" ? Math.max(0, target.ram - desired.ram) : 0,
  volumes: target._tag === "Volume" ? Math.max(0, target.size - desired.volumeSize) : 0
})

export class Resizes extends Context.Service<
  Resizes,
  {
    /**
     * The Resize command with what it takes more of the quota, where the instance is in service, has no restart and no
     * resize before it, and is as it was `seen`; false, and nothing written, anywhere else.
     */
    readonly request: (
      id: InstanceId,
      seen: Pick<Desired, "flavor" | "volumeSize">,
      target: ResizeTarget
    ) => Effect.Effect<boolean, QuotaExceeded>
  }
>()("coffer/services/Resizes") {}
