/** The numbers of orders, for a world of one process. */
import { Effect, Layer } from "effect"
import { Orders } from "../../services/Orders.ts"

export const layer = Layer.sync(Orders, () => {
  let drawn = 0
  return Orders.of({ next: Effect.sync(() => ++drawn) })
})
