/**
 * The routes of audits: an extension to Trove's API, for administrators. What there is that no record owns, and what
 * records claim that is not there; to look, and to put it right.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Resource } from "../../services/Audit.ts"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { Validation } from "../Validation.ts"
import { PreciseStamp, prefix, project } from "../Wire.ts"

const Finding = Schema.Struct({
  /** `orphan`: a resource that no record owns. `missing`: a record whose resource is not there. */
  finding: Schema.Literals(["orphan", "missing"]),
  resource: Resource,
  place: Schema.String,
  host: Schema.NullOr(Schema.String),
  instance_id: Schema.String,
  /** Where its record says that it is in its life; null where there is no record. */
  state: Schema.NullOr(Schema.String),
  since: Schema.NullOr(PreciseStamp),
  /** What a fix does; null where nothing can be done but by the operator. */
  remedy: Schema.NullOr(Schema.String),
  /** The remedy removes data, and is done only with `remove_data`. */
  holds_data: Schema.Boolean,
  /** What became of it; `left`: it holds data. Null where nothing was tried. */
  outcome: Schema.NullOr(Schema.Literals(["done", "failed", "left"])),
  detail: Schema.NullOr(Schema.String)
})

export const Audit = Schema.Struct({
  audit: Schema.Struct({
    at: PreciseStamp,
    /** Nothing was found, everything was looked at. */
    clean: Schema.Boolean,
    looked_at: Schema.Array(Schema.String),
    not_looked_at: Schema.Array(Schema.Struct({ place: Schema.String, reason: Schema.String })),
    findings: Schema.Array(Finding),
    /** How many there are, told of or not. */
    total: Schema.Number
  })
})

export class AuditHttpApi extends HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("look", "/mgmt/audit", { params: project, success: Audit }).annotate(
      Requires,
      policy("audit:show")
    ),
    HttpApiEndpoint.post("fix", "/mgmt/audit", {
      params: project,
      payload: Schema.Struct({
        audit: Schema.Struct({
          fix: Schema.Literal(true),
          /** Removes what no record owns with its data; without it, that is left. */
          remove_data: Schema.optionalKey(Schema.Boolean)
        })
      }),
      success: Audit
    }).annotate(Requires, policy("audit:fix"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(
    OpenApi.annotations({
      title: "Audit",
      description:
        "An extension, for administrators: what there is that no record owns, and what records claim that is not there."
    })
  ) {}
