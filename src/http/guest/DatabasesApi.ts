/** The routes of the databases inside an instance. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Text } from "../../services/Ids.ts"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { NewDatabases } from "../Names.ts"
import { Validation } from "../Validation.ts"
import { Accepted, nextLink, nextLinks, pageQuery, prefix, project } from "../Wire.ts"

const params = { ...project, instance: Schema.String }

export class DatabasesApi extends HttpApiGroup.make("databases")
  .add(
    HttpApiEndpoint.get("list", "/instances/:instance/databases", {
      params,
      query: pageQuery,
      success: Schema.Struct({
        databases: Schema.Array(Schema.Struct({ name: Schema.String })),
        ...nextLinks,
        databases_links: nextLink
      })
    }).annotate(Requires, policy("instance:extension:database:index")),
    HttpApiEndpoint.post("create", "/instances/:instance/databases", {
      params,
      payload: Schema.Struct({ databases: NewDatabases }),
      success: Accepted
    }).annotate(Requires, policy("instance:extension:database:create")),
    HttpApiEndpoint.delete("remove", "/instances/:instance/databases/:database", {
      params: { ...params, database: Text },
      success: Accepted
    }).annotate(Requires, policy("instance:extension:database:delete"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Databases", description: "Databases inside an instance." })) {}
