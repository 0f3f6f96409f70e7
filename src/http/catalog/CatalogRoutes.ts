/** Handlers of the catalog routes. */
import { Effect, Layer } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Catalog, findFlavor, findOffered } from "../../services/Catalog.ts"
import {
  DatastoreNotFound,
  DatastoreVersionNotFound,
  datastoreNamed,
  versionNamed
} from "../../services/InstanceRequests.ts"
import { Api } from "../Api.ts"
import { answering, itemNotFound } from "../Faults.ts"
import { CurrentCaller } from "../Gate.ts"
import { linkWriter } from "../Wire.ts"
import { datastoreView, flavorView, type Viewer, versionView, visibleVersions } from "./CatalogViews.ts"

const viewerOf = (request: HttpServerRequest.HttpServerRequest, project: string) =>
  Effect.map(CurrentCaller, ({ isAdmin }): Viewer => ({ links: linkWriter(request, project), isAdmin }))

const DatastoresRoutes = HttpApiBuilder.group(
  Api,
  "datastores",
  Effect.fnUntraced(function* (handlers) {
    const { contents } = yield* Catalog

    /** What nobody can see is not there. */
    const datastoreFor = Effect.fnUntraced(function* (idOrName: string, { isAdmin }: Viewer) {
      const datastore = yield* datastoreNamed(yield* contents, idOrName)
      return visibleVersions(datastore, isAdmin).length > 0
        ? datastore
        : yield* new DatastoreNotFound({ datastore: idOrName })
    })

    const versionFor = Effect.fnUntraced(function* (idOrName: string, wanted: string, viewer: Viewer) {
      const datastore = yield* datastoreFor(idOrName, viewer)
      const version = yield* versionNamed(datastore, wanted)
      return version.active || viewer.isAdmin
        ? { datastore, version }
        : yield* new DatastoreVersionNotFound({ version: wanted })
    })

    return handlers.handleAll({
      list: ({ request, params }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          const { datastores } = yield* contents
          const visible = datastores.filter((one) => visibleVersions(one, viewer.isAdmin).length > 0)
          return { datastores: visible.map((datastore) => datastoreView(datastore, viewer)) }
        }),
      show: ({ request, params }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          return { datastore: datastoreView(yield* datastoreFor(params.datastore, viewer), viewer) }
        }).pipe(answering),
      listVersions: ({ request, params }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          const datastore = yield* datastoreFor(params.datastore, viewer)
          return {
            versions: visibleVersions(datastore, viewer.isAdmin).map((version) =>
              versionView(datastore, version, viewer)
            )
          }
        }).pipe(answering),
      showVersion: ({ request, params }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          const { datastore, version } = yield* versionFor(params.datastore, params.version, viewer)
          return { version: versionView(datastore, version, viewer) }
        }).pipe(answering),
      showVersionById: ({ request, params }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          const found = findOffered(yield* contents, params.version)
          if (found === undefined || !(found.version.active || viewer.isAdmin))
            return yield* new DatastoreVersionNotFound({ version: params.version })
          return { version: versionView(found.datastore, found.version, viewer) }
        }).pipe(answering),
      // Every flavor runs every version: there is no table of associations.
      listFlavors: ({ request, params }) =>
        Effect.gen(function* () {
          const viewer = yield* viewerOf(request, params.project)
          yield* versionFor(params.datastore, params.version, viewer)
          const { flavors } = yield* contents
          return { flavors: flavors.map((flavor) => flavorView(flavor, viewer.links)) }
        }).pipe(answering),
      listVolumeTypes: ({ request, params }) =>
        Effect.gen(function* () {
          yield* versionFor(params.datastore, params.version, yield* viewerOf(request, params.project))
          return { volume_types: [] }
        }).pipe(answering)
    })
  })
)

const FlavorsRoutes = HttpApiBuilder.group(
  Api,
  "flavors",
  Effect.fnUntraced(function* (handlers) {
    const { contents } = yield* Catalog
    return handlers.handleAll({
      list: ({ request, params }) => {
        const links = linkWriter(request, params.project)
        return Effect.map(contents, ({ flavors }) => ({ flavors: flavors.map((flavor) => flavorView(flavor, links)) }))
      },
      show: ({ request, params }) =>
        Effect.gen(function* () {
          const flavor = findFlavor(yield* contents, params.flavor)
          // Asked for by itself a missing flavor is 404; named in an order it is 400.
          return flavor === undefined
            ? yield* Effect.fail(itemNotFound(`Resource ${params.flavor} cannot be found.`))
            : { flavor: flavorView(flavor, linkWriter(request, params.project)) }
        })
    })
  })
)

export const CatalogRoutes = Layer.mergeAll(DatastoresRoutes, FlavorsRoutes)
