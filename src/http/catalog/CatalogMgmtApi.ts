/** The routes by which administrators manage datastores, their versions, and what can be set of these. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { DatastoreManagerName } from "../../services/Catalog.ts"
import { Parameter } from "../../services/configuration/Parameter.ts"
import { Text } from "../../services/Ids.ts"
import { administrator, policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Name, OptionalText } from "../Names.ts"
import { Validation } from "../Validation.ts"
import { Accepted, prefix, project } from "../Wire.ts"
import { ManagedParameterView, ManagedVersionView } from "./CatalogMgmtViews.ts"

const optional = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const Tag = Text.check(Schema.isMaxLength(20, { message: "must be of 20 characters at the most" }))
const Tags = Schema.Array(Tag).check(Schema.isMaxLength(5, { message: "must not hold more than 5" }))
const Package = Text.check(Schema.isMaxLength(255, { message: "must be of 255 characters at the most" }))
const Packages = Schema.Array(Package).check(Schema.isMaxLength(50, { message: "must not hold more than 50" }))

/** What may be said of a version, when it is made and later. */
const details = {
  /** A reference to a container image. */
  image: OptionalText,
  /** These four are kept and shown, and of no effect. */
  image_tags: optional(Tags),
  packages: optional(Packages),
  registry_ext: OptionalText,
  repl_strategy: OptionalText,
  /** Whether it is taken where none is named. */
  default: optional(Schema.Boolean)
}

export const NewVersion = Schema.Struct({
  ...details,
  name: Name,
  datastore_name: Name,
  datastore_manager: DatastoreManagerName,
  active: Schema.Boolean,
  /** The number; the name where it is not told. */
  version: OptionalText
})

export const VersionChange = Schema.Struct({
  ...details,
  name: optional(Name),
  datastore_manager: optional(DatastoreManagerName),
  active: optional(Schema.Boolean)
})

const Flag = Schema.Union([Schema.Boolean, Schema.Literals([0, 1])])
/** Some clients send numbers as texts. */
const Size = optional(
  Schema.Union([
    Schema.Finite,
    Schema.String.check(Schema.isPattern(/^-?\d{1,18}(\.\d{1,9})?$/, { message: "must be a number" }))
  ])
)

export const NewParameter = Schema.Struct({
  name: Name,
  data_type: Parameter.fields.type,
  restart_required: Flag,
  min_size: Size,
  max_size: Size
})

/** The name stands in the path; where it is told again, it is the same. */
const ParameterChange = Schema.Struct({ ...NewParameter.fields, name: optional(Name) })

const strict = { errors: "all", onExcessProperty: "error" } as const

const versions = "/mgmt/datastore-versions"
const parameters = "/mgmt/datastores/versions/:version/parameters"
const ofVersion = { ...project, version: Schema.String }
const ofParameter = { ...ofVersion, parameter: Schema.String }

export class CatalogMgmtApi extends HttpApiGroup.make("mgmtDatastores")
  .add(
    HttpApiEndpoint.delete("removeDatastore", "/datastores/:datastore", {
      params: { ...project, datastore: Schema.String },
      success: Accepted
    }).annotate(Requires, policy("datastore:delete")),

    HttpApiEndpoint.get("versions", versions, {
      params: project,
      success: Schema.Struct({ versions: Schema.Array(ManagedVersionView) })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.post("addVersion", versions, {
      params: project,
      payload: Schema.Struct({ version: NewVersion }),
      success: Accepted
    })
      .annotate(Requires, administrator)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.get("version", `${versions}/:version`, {
      params: ofVersion,
      success: Schema.Struct({ version: ManagedVersionView })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.patch("editVersion", `${versions}/:version`, {
      params: ofVersion,
      payload: VersionChange,
      success: Accepted
    })
      .annotate(Requires, administrator)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.delete("removeVersion", `${versions}/:version`, { params: ofVersion, success: Accepted }).annotate(
      Requires,
      administrator
    ),

    HttpApiEndpoint.get("parameters", parameters, {
      params: ofVersion,
      success: Schema.Struct({ "configuration-parameters": Schema.Array(ManagedParameterView) })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.post("addParameter", parameters, {
      params: ofVersion,
      payload: Schema.Struct({ "configuration-parameter": NewParameter }),
      success: ManagedParameterView
    })
      .annotate(Requires, administrator)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.get("parameter", `${parameters}/:parameter`, {
      params: ofParameter,
      success: ManagedParameterView
    }).annotate(Requires, administrator),
    HttpApiEndpoint.put("changeParameter", `${parameters}/:parameter`, {
      params: ofParameter,
      payload: Schema.Struct({ "configuration-parameter": ParameterChange }),
      success: ManagedParameterView
    })
      .annotate(Requires, administrator)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.delete("removeParameter", `${parameters}/:parameter`, {
      params: ofParameter,
      success: HttpApiSchema.NoContent
    }).annotate(Requires, administrator)
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({
      title: "Managing datastores",
      description: "For administrators: what can be ordered, and what can be set of it."
    })
  ) {}
