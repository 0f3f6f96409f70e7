/**
 * The REST server as a layer of routes, for a composition to serve. It needs the ports of the domain and
 * nothing else; how they are kept, and who listens where, is the composition's.
 */
import { Layer } from "effect"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { OperatorRequests } from "../actors/OperatorRequests.ts"
import { RebuildRequests } from "../actors/RebuildRequests.ts"
import { AccessRequests } from "../services/AccessRequests.ts"
import { CatalogRequests } from "../services/catalog/CatalogRequests.ts"
import { ConfigurationPreviews } from "../services/configuration/ConfigurationPreviews.ts"
import { ConfigurationRequests } from "../services/configuration/ConfigurationRequests.ts"
import { DatabaseRequests } from "../services/DatabaseRequests.ts"
import { DatastoreUpgrades } from "../services/DatastoreUpgrades.ts"
import { InstanceRequests } from "../services/InstanceRequests.ts"
import { LogRequests } from "../services/LogRequests.ts"
import { Previews } from "../services/Previews.ts"
import { ResizeRequests } from "../services/ResizeRequests.ts"
import { RootRequests } from "../services/RootRequests.ts"
import { Trouble } from "../services/Trouble.ts"
import { UserRequests } from "../services/UserRequests.ts"
import { VolumeUsage } from "../services/VolumeUsage.ts"
import { Api } from "./Api.ts"
import { AuditRoutes } from "./audit/AuditRoutes.ts"
import { CatalogMgmtRoutes } from "./catalog/CatalogMgmtRoutes.ts"
import { CatalogRoutes } from "./catalog/CatalogRoutes.ts"
import { ConfigurationsRoutes } from "./configurations/ConfigurationsRoutes.ts"
import { EdgeLive } from "./Edge.ts"
import { Gatekeeper, GateLive } from "./Gate.ts"
import { GuestRoutes } from "./guest/GuestRoutes.ts"
import { HistoryRoutes } from "./instances/HistoryRoutes.ts"
import { InstancesRoutes } from "./instances/InstancesRoutes.ts"
import { LogsRoutes } from "./logs/LogsRoutes.ts"
import { InstancesMgmtRoutes } from "./mgmt/InstancesMgmtRoutes.ts"
import { NotYetRoutes } from "./NotYet.ts"
import { OperationsRoutes } from "./operations/OperationsRoutes.ts"
import { ProjectRoutes } from "./project/ProjectRoutes.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { ValidationLive } from "./Validation.ts"
import { VersionsRoutes } from "./VersionsRoutes.ts"

/**
 * How the routes are to be served: paths as Trove reads them, names as long as it takes them, and no second
 * access log beside the edge's own.
 */
export const serveOptions = {
  disableLogger: true,
  routerConfig: { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, maxParamLength: 1024 }
} as const

const Handlers = Layer.mergeAll(
  VersionsRoutes,
  InstancesRoutes,
  HistoryRoutes,
  GuestRoutes,
  LogsRoutes,
  CatalogRoutes,
  CatalogMgmtRoutes,
  ConfigurationsRoutes,
  ProjectRoutes,
  InstancesMgmtRoutes,
  OperationsRoutes,
  AuditRoutes
)

const Requests = Layer.mergeAll(
  Layer.mergeAll(
    ConfigurationPreviews.layer,
    DatastoreUpgrades.layer,
    ResizeRequests.layer,
    RebuildRequests.layer
  ).pipe(
    Layer.provideMerge([ConfigurationRequests.layer, AccessRequests.layer]),
    Layer.provideMerge([InstanceRequests.layer, Previews.layer])
  ),
  DatabaseRequests.layer,
  UserRequests.layer,
  RootRequests.layer,
  LogRequests.layer,
  VolumeUsage.layer,
  Trouble.layer,
  CatalogRequests.layer,
  OperatorRequests.layer
)

const Operations = Layer.mergeAll(HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }), NotYetRoutes).pipe(
  Layer.provide(Handlers),
  Layer.provide([GateLive, ValidationLive]),
  Layer.provide(Gatekeeper.layer),
  Layer.provide([RateLimiter.layer, Requests])
)

const Docs = HttpApiScalar.layer(Api, { path: "/docs" })

/** Every route but the page that shows them, whose script is loaded from disk. */
export const ApiRoutes = Layer.mergeAll(Operations, EdgeLive)

/** Every route, with its middleware. Serve it with `HttpRouter.serve(HttpRoutes, serveOptions)`. */
export const HttpRoutes = Layer.mergeAll(ApiRoutes, Docs)
