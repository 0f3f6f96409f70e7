/** Handlers of the routes of configuration groups. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Catalog, type DatastoreVersion, findOffered } from "../../services/Catalog.ts"
import { ConfigurationPreviews } from "../../services/configuration/ConfigurationPreviews.ts"
import { ConfigurationRequests } from "../../services/configuration/ConfigurationRequests.ts"
import type { Values } from "../../services/configuration/Parameter.ts"
import { parametersOf } from "../../services/configuration/Parameters.ts"
import { DatastoreVersionNotFound, datastoreNamed, versionNamed } from "../../services/InstanceRequests.ts"
import { Api } from "../Api.ts"
import { answering } from "../Faults.ts"
import { CurrentCaller, scopeOf } from "../Gate.ts"
import { isPreview, previewView } from "../Preview.ts"
import { next, pageOf } from "../Wire.ts"
import { groupView, listedGroup, parameterView } from "./ConfigurationViews.ts"

const all = (version: DatastoreVersion) => ({
  "configuration-parameters": parametersOf(version).map((parameter) => parameterView(parameter, version))
})

export const ConfigurationsRoutes = HttpApiBuilder.group(
  Api,
  "configurations",
  Effect.fnUntraced(function* (handlers) {
    const requests = yield* ConfigurationRequests
    const previews = yield* ConfigurationPreviews
    const { contents } = yield* Catalog

    /** What a tenant cannot order is not there for it. */
    const seen = Effect.fnUntraced(function* (version: DatastoreVersion) {
      const { isAdmin } = yield* CurrentCaller
      return version.active || isAdmin ? version : yield* new DatastoreVersionNotFound({ version: version.name })
    })
    const versionOf = (datastore: string, version: string) =>
      contents.pipe(
        Effect.flatMap((catalog) => datastoreNamed(catalog, datastore)),
        Effect.flatMap((datastore) => versionNamed(datastore, version)),
        Effect.flatMap(seen)
      )
    const versionById = Effect.fnUntraced(function* (id: string) {
      const found = findOffered(yield* contents, id)
      return found === undefined ? yield* new DatastoreVersionNotFound({ version: id }) : yield* seen(found.version)
    })

    const one = Effect.fnUntraced(function* (version: DatastoreVersion, name: string) {
      return parameterView(yield* requests.parameterOf(version, name), version)
    })

    const update = Effect.fnUntraced(function* (
      id: string,
      wanted: { readonly name?: string; readonly description?: string | null; readonly values?: Values },
      { preview, replace }: { readonly replace: boolean; readonly preview: boolean }
    ) {
      const { description = null, name = null, values = {} } = wanted
      const scope = scopeOf(yield* CurrentCaller)
      const change = { name, description, values, replace }
      if (preview) return previewView(yield* previews.update(scope, id, change))
      yield* requests.update(scope, id, change)
    })

    return handlers.handleAll({
      list: ({ query, request }) =>
        Effect.gen(function* () {
          const catalog = yield* contents
          const { items, next: marker } = yield* requests.list(scopeOf(yield* CurrentCaller), pageOf(query))
          return { configurations: items.map((group) => listedGroup(group, catalog)), ...next(request, marker) }
        }),
      create: ({ payload: { configuration } }) =>
        Effect.gen(function* () {
          const { project } = yield* CurrentCaller
          const { datastore = {}, description = null, name, values } = configuration
          const created = yield* requests.create(project, {
            name,
            description,
            values,
            datastore: {
              type: datastore.type ?? null,
              version: datastore.version ?? null,
              versionNumber: datastore.version_number ?? null
            }
          })
          return { configuration: groupView(created, yield* contents) }
        }).pipe(answering),
      show: ({ params }) =>
        Effect.gen(function* () {
          const found = yield* requests.get(scopeOf(yield* CurrentCaller), params.configuration)
          return { configuration: groupView(found, yield* contents) }
        }).pipe(answering),
      edit: ({ params, payload, query }) =>
        update(params.configuration, payload.configuration, { replace: false, preview: isPreview(query) }).pipe(
          answering
        ),
      update: ({ params, payload, query }) =>
        update(params.configuration, payload.configuration, { replace: true, preview: isPreview(query) }).pipe(
          answering
        ),
      remove: ({ params }) =>
        Effect.gen(function* () {
          yield* requests.remove(scopeOf(yield* CurrentCaller), params.configuration)
        }).pipe(answering),
      instances: ({ params, query, request }) =>
        Effect.gen(function* () {
          const scope = scopeOf(yield* CurrentCaller)
          const { items, next: marker } = yield* requests.instances(scope, params.configuration, pageOf(query))
          return { instances: items, ...next(request, marker, "instances_links") }
        }).pipe(answering),
      defaults: ({ params }) =>
        Effect.gen(function* () {
          const configuration = yield* requests.defaultsOf(scopeOf(yield* CurrentCaller), params.instance)
          return { instance: { configuration } }
        }).pipe(answering),
      parameters: ({ params }) => Effect.map(versionOf(params.datastore, params.version), all).pipe(answering),
      parameter: ({ params }) =>
        Effect.flatMap(versionOf(params.datastore, params.version), (version) => one(version, params.parameter)).pipe(
          answering
        ),
      parametersById: ({ params }) => Effect.map(versionById(params.version), all).pipe(answering),
      parameterById: ({ params }) =>
        Effect.flatMap(versionById(params.version), (version) => one(version, params.parameter)).pipe(answering)
    })
  })
)
