/** The administrators' changes of the catalog, in memory. */
import { Effect, Semaphore } from "effect"
import { type CatalogChanges, nothingChanged } from "../../services/catalog/CatalogChanges.ts"
import { CatalogStore } from "../../services/catalog/CatalogStore.ts"

/** `isUsed`: whether a version is of an instance that is not gone, or of a configuration group. */
export const makeMemoryCatalogStore = (isUsed: (version: string) => boolean) => {
  const inTurn = Semaphore.makeUnsafe(1)
  let now: CatalogChanges = nothingChanged
  return CatalogStore.of({
    changes: Effect.sync(() => now),
    changesSince: () => Effect.sync(() => now),
    change: (next) =>
      inTurn.withPermit(
        Effect.gen(function* () {
          now = yield* next(now)
        })
      ),
    used: (versions) => Effect.sync(() => new Set(versions.filter(isUsed)))
  })
}
