/** The routes of a project itself: its limits, its quotas, and what clients ask of an identity service. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Resource } from "../../services/Instances.ts"
import { administrator, member, policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Validation } from "../Validation.ts"
import { prefix, project } from "../Wire.ts"

const Absolute = Schema.Struct({
  verb: Schema.Literal("ABSOLUTE"),
  max_instances: Schema.Number,
  max_ram: Schema.Number,
  max_backups: Schema.Number,
  max_volumes: Schema.Number
})

const Rate = Schema.Struct({
  nextAvailable: Schema.String,
  remaining: Schema.Number,
  unit: Schema.Literal("MINUTE"),
  value: Schema.Number,
  verb: Schema.String,
  uri: Schema.String,
  regex: Schema.String
})

const Usage = Schema.Struct({
  resource: Resource,
  in_use: Schema.Number,
  reserved: Schema.Number,
  limit: Schema.Number
})

const ofTarget = { ...project, target: Schema.String }

/** Resource to limit; -1 is no limit, null leaves it as it is. */
export const QuotaChanges = Schema.Record(Schema.String, Schema.NullOr(Schema.Int))

export class ProjectApi extends HttpApiGroup.make("project")
  .add(
    HttpApiEndpoint.get("limits", "/limits", {
      params: project,
      success: Schema.Struct({ limits: Schema.Array(Schema.Union([Absolute, Rate])) })
    }).annotate(Requires, policy("limits:index")),
    HttpApiEndpoint.get("quotas", "/mgmt/quotas/:target", {
      params: ofTarget,
      success: Schema.Struct({ quotas: Schema.Array(Usage) })
    }).annotate(Requires, member),
    HttpApiEndpoint.put("setQuotas", "/mgmt/quotas/:target", {
      params: ofTarget,
      payload: Schema.Struct({ quotas: QuotaChanges }),
      success: Schema.Struct({ quotas: Schema.Record(Schema.String, Schema.Number) })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.get("identify", "/projects/:target", {
      params: ofTarget,
      success: Schema.Struct({ project: Schema.Struct({ id: Schema.String, name: Schema.String }) })
    }).annotate(Requires, member)
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Project", description: "Limits and quotas." })) {}
