/** The routes of configuration groups, and of what can be set in them. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Values } from "../../services/configuration/Parameter.ts"
import { Text } from "../../services/Ids.ts"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Name, OptionalText } from "../Names.ts"
import { OffersPreview, Previewed, previewQuery } from "../Preview.ts"
import { Validation } from "../Validation.ts"
import { Accepted, nextLink, nextLinks, pageQuery, prefix, project } from "../Wire.ts"
import { GroupView, ListedGroup, ParameterView } from "./ConfigurationViews.ts"

const params = { ...project, configuration: Schema.String }

const GroupName = Name.check(Schema.isMaxLength(64, { message: "must be of 64 characters at the most" }))
const Description = Schema.optionalKey(
  Schema.NullOr(Text.check(Schema.isMaxLength(256, { message: "must be of 256 characters at the most" })))
)

const NewGroup = Schema.Struct({
  name: GroupName,
  description: Description,
  values: Values,
  datastore: Schema.optionalKey(
    Schema.Struct({ type: OptionalText, version: OptionalText, version_number: OptionalText })
  )
})

const Replacement = Schema.Struct({
  name: Schema.optionalKey(GroupName),
  description: Description,
  values: Schema.optionalKey(Values)
})

const strict = { errors: "all", onExcessProperty: "error" } as const

const One = Schema.Struct({ configuration: GroupView })
const Parameters = Schema.Struct({ "configuration-parameters": Schema.Array(ParameterView) })

const versionParams = { ...project, version: Schema.String }
const datastoreParams = { ...versionParams, datastore: Schema.String }

export class ConfigurationsApi extends HttpApiGroup.make("configurations")
  .add(
    HttpApiEndpoint.get("list", "/configurations", {
      params: project,
      query: pageQuery,
      success: Schema.Struct({ configurations: Schema.Array(ListedGroup), ...nextLinks })
    }).annotate(Requires, policy("configuration:index")),
    HttpApiEndpoint.post("create", "/configurations", {
      params: project,
      payload: Schema.Struct({ configuration: NewGroup }),
      success: One
    })
      .annotate(Requires, policy("configuration:create"))
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.get("show", "/configurations/:configuration", { params, success: One }).annotate(
      Requires,
      policy("configuration:show")
    ),
    HttpApiEndpoint.patch("edit", "/configurations/:configuration", {
      params,
      query: previewQuery,
      payload: Schema.Struct({ configuration: Schema.Struct({ values: Values }) }),
      success: [Previewed, HttpApiSchema.Empty(200)]
    })
      .annotate(Requires, policy("configuration:edit"))
      .annotate(OffersPreview, true)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.put("update", "/configurations/:configuration", {
      params,
      query: previewQuery,
      payload: Schema.Struct({ configuration: Replacement }),
      success: [Previewed, Accepted]
    })
      .annotate(Requires, policy("configuration:update"))
      .annotate(OffersPreview, true)
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.delete("remove", "/configurations/:configuration", { params, success: Accepted }).annotate(
      Requires,
      policy("configuration:delete")
    ),
    HttpApiEndpoint.get("instances", "/configurations/:configuration/instances", {
      params,
      query: pageQuery,
      success: Schema.Struct({
        instances: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String })),
        ...nextLinks,
        instances_links: nextLink
      })
    }).annotate(Requires, policy("configuration:instances")),
    HttpApiEndpoint.get("defaults", "/instances/:instance/configuration", {
      params: { ...project, instance: Schema.String },
      success: Schema.Struct({ instance: Schema.Struct({ configuration: Values }) })
    }).annotate(Requires, policy("instance:configuration")),
    HttpApiEndpoint.get("parameters", "/datastores/:datastore/versions/:version/parameters", {
      params: datastoreParams,
      success: Parameters
    }).annotate(Requires, policy("configuration-parameter:index")),
    HttpApiEndpoint.get("parameter", "/datastores/:datastore/versions/:version/parameters/:parameter", {
      params: { ...datastoreParams, parameter: Schema.String },
      success: ParameterView
    }).annotate(Requires, policy("configuration-parameter:show")),
    HttpApiEndpoint.get("parametersById", "/datastores/versions/:version/parameters", {
      params: versionParams,
      success: Parameters
    }).annotate(Requires, policy("configuration-parameter:index_by_version")),
    HttpApiEndpoint.get("parameterById", "/datastores/versions/:version/parameters/:parameter", {
      params: { ...versionParams, parameter: Schema.String },
      success: ParameterView
    }).annotate(Requires, policy("configuration-parameter:show_by_version"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({
      title: "Configuration groups",
      description: "Settings of servers, kept as groups that are attached to instances; and what can be set."
    })
  ) {}
