/** Handlers of the routes by which administrators manage datastores. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { CatalogRequests } from "../../services/catalog/CatalogRequests.ts"
import { parameterNamed, type WantedParameter } from "../../services/catalog/ParameterRules.ts"
import type { WantedVersion } from "../../services/catalog/VersionRules.ts"
import { parametersOf } from "../../services/configuration/Parameters.ts"
import { Api } from "../Api.ts"
import { answering, badRequest } from "../Faults.ts"
import type { NewParameter, VersionChange } from "./CatalogMgmtApi.ts"
import { managedParameterView, managedVersionView } from "./CatalogMgmtViews.ts"

/** An empty text is none. */
const textOf = (text: string | null | undefined) => (text === undefined || text === "" ? null : text)

const wantedOf = (change: typeof VersionChange.Type): WantedVersion => ({
  name: change.name ?? null,
  manager: change.datastore_manager ?? null,
  image: textOf(change.image),
  imageTags: change.image_tags?.filter((tag) => tag !== "") ?? null,
  packages: change.packages?.filter((one) => one !== "") ?? null,
  registryExt: textOf(change.registry_ext),
  replStrategy: textOf(change.repl_strategy),
  active: change.active ?? null,
  isDefault: change.default ?? null
})

const sizeOf = (size: number | string | null | undefined) => (size === undefined || size === null ? null : Number(size))

const parameterOf = (name: string, asked: Omit<typeof NewParameter.Type, "name">): WantedParameter => ({
  name,
  type: asked.data_type,
  restart: asked.restart_required === true || asked.restart_required === 1,
  min: sizeOf(asked.min_size),
  max: sizeOf(asked.max_size)
})

export const CatalogMgmtRoutes = HttpApiBuilder.group(
  Api,
  "mgmtDatastores",
  Effect.fnUntraced(function* (handlers) {
    const requests = yield* CatalogRequests

    const shown = Effect.fnUntraced(function* (id: string, name: string) {
      const { version } = yield* requests.version(id)
      return managedParameterView(yield* parameterNamed(version, name), version.id)
    })

    return handlers.handleAll({
      removeDatastore: ({ params }) => requests.removeDatastore(params.datastore).pipe(answering),

      versions: () => Effect.map(requests.versions, (all) => ({ versions: all.map(managedVersionView) })),
      version: ({ params }) =>
        Effect.map(requests.version(params.version), (found) => ({ version: managedVersionView(found) })).pipe(
          answering
        ),
      addVersion: ({ payload: { version } }) =>
        requests
          .add({
            ...wantedOf(version),
            name: version.name,
            manager: version.datastore_manager,
            active: version.active,
            datastore: version.datastore_name,
            version: textOf(version.version)
          })
          .pipe(answering),
      editVersion: ({ params, payload }) => requests.edit(params.version, wantedOf(payload)).pipe(answering),
      removeVersion: ({ params }) => requests.remove(params.version).pipe(answering),

      parameters: ({ params }) =>
        Effect.map(requests.version(params.version), ({ version }) => ({
          "configuration-parameters": parametersOf(version).map((one) => managedParameterView(one, version.id))
        })).pipe(answering),
      parameter: ({ params }) => shown(params.version, params.parameter).pipe(answering),
      addParameter: ({ params, payload: { "configuration-parameter": asked } }) =>
        requests
          .addParameter(params.version, parameterOf(asked.name, asked))
          .pipe(Effect.andThen(shown(params.version, asked.name)), answering),
      changeParameter: ({ params, payload: { "configuration-parameter": asked } }) => {
        const { parameter, version } = params
        if (typeof asked.name === "string" && asked.name !== parameter)
          return Effect.fail(
            badRequest("Validation error: configuration-parameter['name'] must be the name in the path")
          )
        return requests
          .changeParameter(version, parameterOf(parameter, asked))
          .pipe(Effect.andThen(shown(version, parameter)), answering)
      },
      removeParameter: ({ params }) => requests.removeParameter(params.version, params.parameter).pipe(answering)
    })
  })
)
