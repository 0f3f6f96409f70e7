/** What administrators may ask of the catalog: checked by the rules, and kept; every process knows at once. */
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { Catalog, type DatastoreVersion, findOffered, type VersionOf } from "../Catalog.ts"
import type { Parameter } from "../configuration/Parameter.ts"
import type { Millis } from "../Ids.ts"
import { type DatastoreNotFound, DatastoreVersionNotFound, type InvalidRequest, NewId } from "../InstanceRequests.ts"
import type { CatalogChanges, ParameterChanges } from "./CatalogChanges.ts"
import { CatalogStore } from "./CatalogStore.ts"
import { overlaid } from "./OfferedCatalog.ts"
import { addingParameter, changingParameter, removingParameter, type WantedParameter } from "./ParameterRules.ts"
import { adding, editing, type NewVersion, removing, removingDatastore, type WantedVersion } from "./VersionRules.ts"

/** For how long a deleted version is known still: longer than an order that was checked before can be on its way. */
const retention = Duration.toMillis("1 hour")

type Refusal = InvalidRequest | DatastoreNotFound | DatastoreVersionNotFound

export class CatalogRequests extends Context.Service<
  CatalogRequests,
  {
    readonly versions: Effect.Effect<ReadonlyArray<VersionOf>>
    readonly version: (id: string) => Effect.Effect<VersionOf, DatastoreVersionNotFound>
    readonly add: (wanted: NewVersion) => Effect.Effect<void, Refusal>
    readonly edit: (id: string, wanted: WantedVersion) => Effect.Effect<void, Refusal>
    readonly remove: (id: string) => Effect.Effect<void, Refusal>
    /** One without versions, by its id or name. */
    readonly removeDatastore: (idOrName: string) => Effect.Effect<void, Refusal>
    readonly addParameter: (version: string, wanted: WantedParameter) => Effect.Effect<void, Refusal>
    readonly changeParameter: (version: string, wanted: WantedParameter) => Effect.Effect<void, Refusal>
    readonly removeParameter: (version: string, name: Parameter["name"]) => Effect.Effect<void, Refusal>
  }
>()("coffer/services/CatalogRequests") {
  static readonly layer = Layer.effect(
    CatalogRequests,
    Effect.gen(function* () {
      const { configured, contents } = yield* Catalog
      const { change, used } = yield* CatalogStore
      const newId = yield* NewId

      /** Without what was retired so long ago that nobody can mean it any more. */
      const pruned = Effect.fnUntraced(function* (changes: CatalogChanges, now: Millis) {
        const old = changes.retired.filter(({ at }) => at < now - retention).map(({ version }) => version.id)
        const needed = yield* used(old)
        const gone = new Set(old.filter((id) => !needed.has(id)))
        if (gone.size === 0) return changes
        return {
          ...changes,
          retired: changes.retired.filter(({ version }) => !gone.has(version.id)),
          parameters: Object.fromEntries(Object.entries(changes.parameters).filter(([id]) => !gone.has(id)))
        }
      })

      const changed = Effect.fnUntraced(function* (
        next: (before: CatalogChanges, now: Millis) => Effect.Effect<CatalogChanges, Refusal>
      ) {
        const now = yield* Clock.currentTimeMillis
        yield* change((before) => Effect.flatMap(pruned(before, now), (known) => next(known, now)))
      })

      const version = Effect.fn("CatalogRequests.version")(function* (id: string) {
        const found = findOffered(yield* contents, id)
        return found ?? (yield* new DatastoreVersionNotFound({ version: id }))
      })

      const changedParameters = (
        id: string,
        next: (version: DatastoreVersion) => Effect.Effect<ParameterChanges, Refusal>
      ) =>
        changed(
          Effect.fnUntraced(function* (before) {
            const found = findOffered(overlaid(configured, before), id)
            if (found === undefined) return yield* new DatastoreVersionNotFound({ version: id })
            return { ...before, parameters: { ...before.parameters, [id]: yield* next(found.version) } }
          })
        )

      return {
        versions: Effect.map(contents, ({ datastores }) =>
          datastores.flatMap((datastore) => datastore.versions.map((version) => ({ datastore, version })))
        ),
        version,
        add: Effect.fn("CatalogRequests.add")(function* (wanted) {
          const ids = { datastore: yield* newId, version: yield* newId }
          yield* changed((before) => adding(configured, before, wanted, ids))
        }),
        edit: Effect.fn("CatalogRequests.edit")((id, wanted) =>
          changed((before) => editing(configured, before, id, wanted, used))
        ),
        remove: Effect.fn("CatalogRequests.remove")((id) =>
          changed((before, now) => removing(configured, before, id, used, now))
        ),
        removeDatastore: Effect.fn("CatalogRequests.removeDatastore")((idOrName) =>
          changed((before) => removingDatastore(configured, before, idOrName))
        ),
        addParameter: Effect.fn("CatalogRequests.addParameter")((id, wanted) =>
          changedParameters(id, (version) => addingParameter(version, wanted))
        ),
        changeParameter: Effect.fn("CatalogRequests.changeParameter")((id, wanted) =>
          changedParameters(id, (version) => changingParameter(version, wanted))
        ),
        removeParameter: Effect.fn("CatalogRequests.removeParameter")((id, name) =>
          changedParameters(id, (version) => removingParameter(version, name))
        )
      }
    })
  )
}
