/** Access of guests where they need none: everything is one process, and no message leaves it. */
import { Effect, Layer } from "effect"
import { GuestAccess } from "../../services/GuestAccess.ts"

export const layer: Layer.Layer<GuestAccess> = Layer.succeed(
  GuestAccess,
  GuestAccess.of({ grant: () => Effect.succeed(null), revoke: () => Effect.void })
)
