/** What it would do to instances to be given a configuration group, to lose it, or to have it changed. */
import { Context, Effect, Layer } from "effect"
import { Catalog, findVersion } from "../Catalog.ts"
import { afterOthers, writtenDown } from "../ForeseenChanges.ts"
import { InstanceRequests } from "../InstanceRequests.ts"
import type { InstanceRecord, Scope } from "../Instances.ts"
import { type Change, type Foreseen, Previews } from "../Previews.ts"
import { type ConfigurationRefusal, ConfigurationRequests, type WantedChange } from "./ConfigurationRequests.ts"
import { Configurations } from "./Configurations.ts"
import { changed, type Values } from "./Parameter.ts"
import { needRestart, parametersOf } from "./Parameters.ts"

/** Of a group's instances so many are told of, the first by their ids. */
export const maxForeseen = 100

/** How many are looked at together. */
const atOnce = 4

/** How many parameters are named one by one. */
const maxNamed = 5

const named = (names: ReadonlyArray<string>) => {
  const more = names.length - maxNamed
  return `${names.slice(0, maxNamed).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

export class ConfigurationPreviews extends Context.Service<
  ConfigurationPreviews,
  {
    /** Refused as the attach would be. */
    readonly attach: (scope: Scope, instance: string, id: string) => Effect.Effect<Foreseen, ConfigurationRefusal>
    readonly detach: (scope: Scope, instance: string) => Effect.Effect<Foreseen, ConfigurationRefusal>
    /** One for each instance that has the group, `maxForeseen` at the most. */
    readonly update: (
      scope: Scope,
      id: string,
      wanted: WantedChange
    ) => Effect.Effect<ReadonlyArray<Foreseen>, ConfigurationRefusal>
  }
>()("coffer/services/ConfigurationPreviews") {
  static readonly layer = Layer.effect(
    ConfigurationPreviews,
    Effect.gen(function* () {
      const requests = yield* ConfigurationRequests
      const instances = yield* InstanceRequests
      const configurations = yield* Configurations
      const previews = yield* Previews
      const { contents } = yield* Catalog

      const changeOf = Effect.fnUntraced(function* ({ desired, state }: InstanceRecord, wanted: Values) {
        const { running } = yield* configurations.applied(desired.id)
        const version = findVersion(yield* contents, desired.datastoreVersion)?.version
        const names = changed(running, wanted)
        const waiting = needRestart(version === undefined ? [] : parametersOf(version), names)
        const told = (reason: string, restart = false): Change => ({
          operation: "configure",
          restart,
          reason: `${reason}${afterOthers(state)}`
        })
        const kept = writtenDown(state)
        if (kept !== null) return { operation: null, restart: false, reason: kept } satisfies Change
        if (names.length === 0) return told("its server runs with these settings already")
        if (waiting.length === 0) return told(`taken at once: ${named(names)}`)
        // What could be taken at once waits with what cannot.
        const others = names.filter((name) => !waiting.includes(name))
        const along = others.length === 0 ? "" : `; with it ${named(others)}`
        return told(`taken with the next restart: ${named(waiting)}${along}`, true)
      })

      const foresee = (record: InstanceRecord, wanted: Values) =>
        Effect.flatMap(changeOf(record, wanted), (change) => previews.of(record, change))

      return {
        attach: Effect.fnUntraced(function* (scope, instance, id) {
          const { group, record } = yield* requests.checkAttach(scope, instance, id)
          return yield* foresee(record, group.values)
        }),
        detach: Effect.fnUntraced(function* (scope, instance) {
          const record = yield* requests.checkDetach(scope, instance)
          const nothing: Change = { operation: null, restart: false, reason: "no configuration group is attached" }
          return yield* record.configuration === null ? previews.of(record, nothing) : foresee(record, {})
        }),
        update: Effect.fnUntraced(function* (scope, id, wanted) {
          const { group, values } = yield* requests.checkUpdate(scope, id, wanted)
          const { items } = yield* configurations.instances(group.id, { limit: maxForeseen, marker: null })
          return yield* Effect.forEach(
            items,
            // One may be gone by now.
            (one) =>
              instances.get("any", one.id).pipe(
                Effect.flatMap((record) => Effect.map(foresee(record, values), (foreseen) => [foreseen])),
                Effect.catchTag("InstanceNotFound", () => Effect.succeed([]))
              ),
            { concurrency: atOnce }
          ).pipe(Effect.map((all) => all.flat()))
        })
      }
    })
  )
}
