/** The routes of what can be ordered: datastores, their versions, flavors. Nothing here changes anything. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
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
    }),
    HttpApiEndpoint.get("show", "/datastores/:datastore", {
      params: ofDatastore,
      success: Schema.Struct({ datastore: DatastoreView })
    }),
    HttpApiEndpoint.get("listVersions", "/datastores/:datastore/versions", {
      params: ofDatastore,
      success: Schema.Struct({ versions: Schema.Array(DatastoreVersionView) })
    }),
    HttpApiEndpoint.get("showVersion", "/datastores/:datastore/versions/:version", {
      params: ofVersion,
      success: Version
    }),
    HttpApiEndpoint.get("showVersionById", "/datastores/versions/:version", {
      params: { ...project, version: Schema.String },
      success: Version
    }),
    HttpApiEndpoint.get("listFlavors", "/datastores/:datastore/versions/:version/flavors", {
      params: ofVersion,
      success: Flavors
    }),
    HttpApiEndpoint.get("listVolumeTypes", "/datastores/:datastore/versions/:version/volume-types", {
      params: ofVersion,
      success: Schema.Struct({ volume_types: Schema.Array(Schema.Json) })
    })
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Datastores", description: "Kinds of databases and their versions." })) {}

export class FlavorsApi extends HttpApiGroup.make("flavors")
  .add(
    HttpApiEndpoint.get("list", "/flavors", { params: project, success: Flavors }),
    HttpApiEndpoint.get("show", "/flavors/:flavor", {
      params: { ...project, flavor: Schema.String },
      success: Schema.Struct({ flavor: FlavorView })
    })
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Flavors", description: "Sizes of instances." })) {}
