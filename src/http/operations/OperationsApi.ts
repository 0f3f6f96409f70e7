/**
 * The routes of operations: an extension to Trove's API, by which administrators see what is under way or stuck, and
 * call it off, take it back, or have it done again.
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { HistoryEntry, WaitsFor } from "../instances/HistoryApi.ts"
import { Validation } from "../Validation.ts"
import { Accepted, PreciseStamp, prefix, project } from "../Wire.ts"

export const OperationView = Schema.Struct({
  instance_id: Schema.String,
  instance_name: Schema.String,
  project_id: Schema.String,
  /** The instance's; null where its state cannot be read. */
  status: Schema.NullOr(Schema.String),
  /** `ending`: called off, or taking back, and not at its end yet. */
  standing: Schema.Literals(["running", "ending", "failed", "at rest", "unreadable"]),
  /** Its kind; null where none has ever begun, and where it was none that failed but a defect in service. */
  operation: Schema.NullOr(Schema.String),
  operation_id: Schema.NullOr(Schema.String),
  since: PreciseStamp,
  /** When it is called off; null where nothing ends it by itself. */
  deadline: Schema.NullOr(PreciseStamp),
  waits_for: Schema.NullOr(WaitsFor),
  /** Of the last attempt that failed, whatever came after it; else of the instance's fault. */
  error: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String)
})

const Story = Schema.Struct({
  ...OperationView.fields,
  /** Of the operation under way, else of the last; oldest first. */
  steps: Schema.Array(HistoryEntry),
  /** Commands that no actor could handle, with the reason. */
  set_aside: Schema.Array(
    Schema.Struct({ key: Schema.String, posted: PreciseStamp, set_aside: PreciseStamp, reason: Schema.String })
  )
})

/** What an action is told beside its name: nothing. */
const Nothing = Schema.optionalKey(
  Schema.Record(Schema.String, Schema.Json)
    .annotate({ message: "must be an empty object" })
    .check(Schema.isMaxProperties(0, { message: "must be an empty object" }))
)

export const OperationAction = Schema.Struct({ cancel: Nothing, compensate: Nothing, retry: Nothing })

const params = { ...project, instance: Schema.String }

export class OperationsApi extends HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("list", "/mgmt/operations", {
      params: project,
      success: Schema.Struct({ operations: Schema.Array(OperationView) })
    }).annotate(Requires, policy("operation:index")),
    HttpApiEndpoint.get("show", "/mgmt/operations/:instance", {
      params,
      success: Schema.Struct({ operation: Story })
    }).annotate(Requires, policy("operation:show")),
    HttpApiEndpoint.post("act", "/mgmt/operations/:instance/action", {
      params,
      payload: OperationAction,
      success: Accepted
    })
      .annotate(Requires, policy("operation:action"))
      .annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" })
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({
      title: "Operations",
      description:
        "An extension, for administrators: operations of all projects that are under way or stuck; to cancel them, to take back what they made (compensate), to have them done again (retry)."
    })
  ) {}
