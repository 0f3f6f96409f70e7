/**
 * The whole REST API as one typed definition: it routes, decodes, encodes, and is served as OpenAPI. The
 * contract is OpenStack Trove's v1.0; what Coffer adds is marked as an extension.
 */
import { HttpApi, OpenApi } from "effect/http-api"
import { AuditHttpApi } from "./audit/AuditApi.ts"
import { DatastoresApi, FlavorsApi } from "./catalog/CatalogApi.ts"
import { CatalogMgmtApi } from "./catalog/CatalogMgmtApi.ts"
import { ConfigurationsApi } from "./configurations/ConfigurationsApi.ts"
import { DatabasesApi } from "./guest/DatabasesApi.ts"
import { RootApi } from "./guest/RootApi.ts"
import { UsersApi } from "./guest/UsersApi.ts"
import { HistoryApi } from "./instances/HistoryApi.ts"
import { InstancesApi } from "./instances/InstancesApi.ts"
import { LogsApi } from "./logs/LogsApi.ts"
import { InstancesMgmtApi } from "./mgmt/InstancesMgmtApi.ts"
import { OperationsApi } from "./operations/OperationsApi.ts"
import { ProjectApi } from "./project/ProjectApi.ts"
import { VersionsApi } from "./VersionsApi.ts"

export class Api extends HttpApi.make("coffer")
  .add(VersionsApi)
  .add(InstancesApi)
  .add(DatabasesApi)
  .add(UsersApi)
  .add(RootApi)
  .add(LogsApi)
  .add(HistoryApi)
  .add(ConfigurationsApi)
  .add(DatastoresApi)
  .add(FlavorsApi)
  .add(ProjectApi)
  .add(InstancesMgmtApi)
  .add(CatalogMgmtApi)
  .add(OperationsApi)
  .add(AuditHttpApi)
  // One answer names every rule that a body breaks.
  .annotate(HttpApi.PayloadParseOptions, { errors: "all" })
  .annotateMerge(
    OpenApi.annotations({
      title: "Coffer",
      version: "1.0",
      description: "Databases as a service: the API of OpenStack Trove, v1.0."
    })
  ) {}
