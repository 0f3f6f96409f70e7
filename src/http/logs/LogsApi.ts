/** The routes of an instance's logs: Trove's, and one of ours that tells what is in them. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { LogDetails, LogName, LogText, maxLines } from "../../services/InstanceLogs.ts"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Validation } from "../Validation.ts"
import { prefix, project } from "../Wire.ts"

const params = { ...project, instance: Schema.String }

/** Trove's clients send numbers, or nothing. */
const Flag = Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Boolean, Schema.Literals([0, 1])])))

const count = (rule: string, least: number, most: number) =>
  Schema.Int.check(Schema.isBetween({ minimum: least, maximum: most }, { message: rule })).annotate({ message: rule })

const LogPartQuery = {
  /** How many at the most; 100 unless told. */
  lines: Schema.optionalKey(count(`must be an integer of 1 to ${maxLines}`, 1, maxLines)),
  /** From there on; the last ones unless told. */
  offset: Schema.optionalKey(count("must be an integer of 0 or more", 0, Number.MAX_SAFE_INTEGER))
}

export class LogsApi extends HttpApiGroup.make("logs")
  .add(
    HttpApiEndpoint.get("list", "/instances/:instance/log", {
      params,
      success: Schema.Struct({ logs: Schema.Array(LogDetails) })
    }).annotate(Requires, policy("instance:guest_log_list")),
    HttpApiEndpoint.post("act", "/instances/:instance/log", {
      params,
      payload: Schema.Struct({ name: LogName, enable: Flag, disable: Flag, publish: Flag, discard: Flag }),
      success: Schema.Struct({ log: LogDetails })
    }).annotate(Requires, policy("instance:guest_log_action")),
    HttpApiEndpoint.get("text", "/instances/:instance/log/:log", {
      params: { ...params, log: LogName },
      query: LogPartQuery,
      success: Schema.Struct({ log: Schema.Struct({ name: LogName, ...LogText.fields }) })
    }).annotate(Requires, policy("instance:guest_log_text"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({ title: "Logs", description: "What the database of an instance writes down, and its text." })
  ) {}
