/** Access of guests where they need none: everything is one process, and no message leaves it. */
import { Effect, Layer } from "effect"
import { GuestAccess } from "../../services/GuestAccess.ts"
import { AccessInventory } from "../../services/Inventories.ts"

export const layer: Layer.Layer<GuestAccess | AccessInventory> = Layer.merge(
  Layer.succeed(GuestAccess, GuestAccess.of({ grant: () => Effect.succeed(null), revoke: () => Effect.void })),
  Layer.succeed(
    AccessInventory,
    AccessInventory.of({ all: Effect.succeed({ covers: [], found: [] }), restore: () => Effect.succeed(true) })
  )
)
