/**
 * The route of an instance's history: an extension to Trove's API, which tells why an instance is where it is
 * and what it waits for now.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Validation } from "../Validation.ts"
import { PreciseStamp, prefix, project } from "../Wire.ts"

const Transition = Schema.Struct({
  kind: Schema.Literal("transition"),
  at: PreciseStamp,
  from: Schema.String,
  to: Schema.String,
  because: Schema.String
})

const Step = Schema.Struct({
  kind: Schema.Literal("step"),
  operation: Schema.String,
  operation_id: Schema.String,
  step: Schema.String,
  attempt: Schema.Number,
  /** How often the attempt was begun, where a taskmanager left in the middle and another took it up: more than once. */
  begun: Schema.optionalKey(Schema.Number),
  started_at: PreciseStamp,
  ended_at: Schema.NullOr(PreciseStamp),
  outcome: Schema.Literals(["running", "done", "failed", "interrupted"]),
  error: Schema.NullOr(Schema.String),
  /** For administrators only. */
  detail: Schema.optionalKey(Schema.NullOr(Schema.String)),
  waits_for: Schema.NullOr(Schema.String),
  deadline: Schema.NullOr(PreciseStamp)
})

const Report = Schema.Struct({ kind: Schema.Literal("report"), at: PreciseStamp, text: Schema.String })

export const WaitsFor = Schema.Struct({
  /** In words. */
  what: Schema.String,
  /** Of which operation and step; null while none has begun. */
  operation: Schema.NullOr(Schema.String),
  step: Schema.NullOr(Schema.String),
  attempt: Schema.NullOr(Schema.Number),
  since: PreciseStamp,
  /** When it is given up; null where nothing ends the wait by itself. */
  deadline: Schema.NullOr(PreciseStamp)
})

export const HistoryEntry = Schema.Union([Transition, Step, Report])

export class HistoryApi extends HttpApiGroup.make("history")
  .add(
    HttpApiEndpoint.get("show", "/instances/:instance/history", {
      params: { ...project, instance: Schema.String },
      success: Schema.Struct({
        history: Schema.Struct({
          instance_id: Schema.String,
          status: Schema.String,
          waits_for: Schema.NullOr(WaitsFor),
          /** Oldest first. */
          entries: Schema.Array(HistoryEntry)
        })
      })
    }).annotate(Requires, policy("instance:show"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({
      title: "History",
      description:
        "An extension: every transition of an instance's life and every step of its operations, with times, attempts and errors; and what it waits for now, with the deadline."
    })
  ) {}
