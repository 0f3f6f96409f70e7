/** The routes by which administrators see and mend instances of all projects. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Hardware } from "../../services/MachineFacts.ts"
import { administrator, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Arguments, Later } from "../instances/InstancesApi.ts"
import { OffersPreview, Previewed, previewQuery } from "../Preview.ts"
import { Validation } from "../Validation.ts"
import { Accepted, nextLinks, pageQuery, prefix, project } from "../Wire.ts"
import { DiagnosticsView, ManagedDetail, ManagedView } from "./InstancesMgmtViews.ts"

const params = { ...project, instance: Schema.String }

/** As Python's clients write them: "True", "false". */
const Flag = Schema.String.check(Schema.isPattern(/^(true|false)$/i, { message: "must be true or false" }))

const deleted = { deleted: Schema.optionalKey(Flag) }

const image = "must be the id of the instance's datastore version, or that version's image"

/** From the image that it has. */
const NewServer = Schema.Struct({
  image_id: Schema.String.check(Schema.isNonEmpty(), Schema.isMaxLength(255)).annotate({ message: image })
})

/** Trove's names of actions; each is told an object. */
export const ManagedAction = Schema.Struct({
  reboot: Arguments,
  "reset-task-status": Arguments,
  stop: Arguments,
  migrate: Later,
  rebuild: Schema.optionalKey(NewServer)
})

export class InstancesMgmtApi extends HttpApiGroup.make("mgmtInstances")
  .add(
    HttpApiEndpoint.get("list", "/mgmt/instances", {
      params: project,
      query: {
        ...pageQuery,
        ...deleted,
        project_id: Schema.optionalKey(Schema.String),
        /** There are no clusters. */
        include_clustered: Schema.optionalKey(Flag)
      },
      success: Schema.Struct({ instances: Schema.Array(ManagedView), ...nextLinks })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.get("show", "/mgmt/instances/:instance", {
      params,
      query: deleted,
      success: Schema.Struct({ instance: ManagedDetail })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.post("act", "/mgmt/instances/:instance/action", {
      params,
      query: previewQuery,
      payload: ManagedAction,
      success: [Previewed, Accepted]
    })
      .annotate(Requires, administrator)
      .annotate(OffersPreview, true)
      .annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" }),
    /** As a tenant's own, of any project. */
    HttpApiEndpoint.delete("remove", "/mgmt/instances/:instance", { params, success: Accepted }).annotate(
      Requires,
      administrator
    ),
    HttpApiEndpoint.get("hwinfo", "/mgmt/instances/:instance/hwinfo", {
      params,
      success: Schema.Struct({ hwinfo: Hardware })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.get("diagnostics", "/mgmt/instances/:instance/diagnostics", {
      params,
      success: Schema.Struct({ diagnostics: DiagnosticsView })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.get("root", "/mgmt/instances/:instance/root", {
      params,
      success: Schema.Struct({
        root_history: Schema.Struct({ id: Schema.String, enabled: Schema.String, user: Schema.String })
      })
    }).annotate(Requires, administrator),
    HttpApiEndpoint.get("ping", "/mgmt/instances/:instance/rpc_ping", {
      params,
      success: HttpApiSchema.NoContent
    }).annotate(Requires, administrator)
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({
      title: "Instances of all projects",
      description: "For administrators: to see instances of all projects, and to mend them."
    })
  ) {}
