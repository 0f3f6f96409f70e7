/** The routes of what can be ordered: datastores, their versions, flavors. Nothing here changes anything. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Validation } from "../Validation.ts"
import { prefix, project } from "../Wire.ts"
import { DatastoreVersionView, DatastoreView, FlavorView } from "./CatalogViews.ts"

const ofDatastore = { ...project, datastore: Schema.String }
const ofVersion = { ...ofDatastore, version: Schema.String }

const Flavors = Schema.Struct({ flavors: Schema.Array(FlavorView) })
const Version = Schema.Struct({ version: DatastoreVersionView })

export class DatastoresApi extends HttpApiGroup.make("datastores")
  .add(
    HttpApiEndpoint.get("list", "/datastores", {
      params: project,
      success: Schema.Struct({ datastores: Schema.Array(DatastoreView) })
    }).annotate(Requires, policy("datastore:index")),
    HttpApiEndpoint.get("show", "/datastores/:datastore", {
      params: ofDatastore,
      success: Schema.Struct({ datastore: DatastoreView })
    }).annotate(Requires, policy("datastore:show")),
    HttpApiEndpoint.get("listVersions", "/datastores/:datastore/versions", {
      params: ofDatastore,
      success: Schema.Struct({ versions: Schema.Array(DatastoreVersionView) })
    }).annotate(Requires, policy("datastore:version_index")),
    HttpApiEndpoint.get("showVersion", "/datastores/:datastore/versions/:version", {
      params: ofVersion,
      success: Version
    }).annotate(Requires, policy("datastore:version_show")),
    HttpApiEndpoint.get("showVersionById", "/datastores/versions/:version", {
      params: { ...project, version: Schema.String },
      success: Version
    }).annotate(Requires, policy("datastore:version_show_by_uuid")),
    HttpApiEndpoint.get("listFlavors", "/datastores/:datastore/versions/:version/flavors", {
      params: ofVersion,
      success: Flavors
    }).annotate(Requires, policy("datastore:list_associated_flavors")),
    HttpApiEndpoint.get("listVolumeTypes", "/datastores/:datastore/versions/:version/volume-types", {
      params: ofVersion,
      success: Schema.Struct({ volume_types: Schema.Array(Schema.Json) })
    }).annotate(Requires, policy("datastore:list_associated_volume_types"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Datastores", description: "Kinds of databases and their versions." })) {}

export class FlavorsApi extends HttpApiGroup.make("flavors")
  .add(
    HttpApiEndpoint.get("list", "/flavors", { params: project, success: Flavors }).annotate(
      Requires,
      policy("flavor:index")
    ),
    HttpApiEndpoint.get("show", "/flavors/:flavor", {
      params: { ...project, flavor: Schema.String },
      success: Schema.Struct({ flavor: FlavorView })
    }).annotate(Requires, policy("flavor:show"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Flavors", description: "Sizes of instances." })) {}
