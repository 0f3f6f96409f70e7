/** Where the administrators' changes of the catalog are kept, for all processes at once. */
import { Context, type Effect } from "effect"
import type { CatalogChanges } from "./CatalogChanges.ts"

export class CatalogStore extends Context.Service<
  CatalogStore,
  {
    /** As they are now; the very same value for as long as nothing changes. */
    readonly changes: Effect.Effect<CatalogChanges>
    /** As they were at this revision, or later; they begin with revision 0, of nothing. */
    readonly changesSince: (revision: number) => Effect.Effect<CatalogChanges>
    /**
     * Changes follow each other, whoever makes them: `next` is given what the one before has left. What it gives is
     * durable when this ends; where it fails nothing is changed. It may be asked again, and touches nothing else.
     */
    readonly change: <E>(next: (before: CatalogChanges) => Effect.Effect<CatalogChanges, E>) => Effect.Effect<void, E>
    /** Which of these versions are of an instance that is not gone, or of a configuration group. */
    readonly used: (versions: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>>
  }
>()("coffer/services/CatalogStore") {}
