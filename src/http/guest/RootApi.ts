/** The routes of `root`, the tenant's administrator inside an instance. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Password } from "../Names.ts"
import { Validation } from "../Validation.ts"
import { prefix, project } from "../Wire.ts"

const params = { ...project, instance: Schema.String }

/** The body is optional, which decodes as null; so is the password in it. */
const Enable = [Schema.Null, Schema.Struct({ password: Schema.optionalKey(Schema.NullOr(Password)) })]

export class RootApi extends HttpApiGroup.make("root")
  .add(
    HttpApiEndpoint.get("show", "/instances/:instance/root", {
      params,
      success: Schema.Struct({ rootEnabled: Schema.Boolean })
    }).annotate(Requires, policy("instance:extension:root:index")),
    HttpApiEndpoint.post("enable", "/instances/:instance/root", {
      params,
      payload: Enable,
      success: Schema.Struct({
        user: Schema.Struct({ name: Schema.String, password: Schema.RedactedFromValue(Schema.String) })
      })
    }).annotate(Requires, policy("instance:extension:root:create")),
    HttpApiEndpoint.delete("disable", "/instances/:instance/root", {
      params,
      success: HttpApiSchema.NoContent
    }).annotate(Requires, policy("instance:extension:root:delete"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Root", description: "The administrator inside an instance." })) {}
